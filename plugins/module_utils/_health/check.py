# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the options of health_poll, each with its path. Only reads: the files that are named there."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import NUMERIC, UNARY, is_number
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import context_for

BODY_FILE_LIMIT = 64 * 1024 * 1024
_METHOD = re.compile(r"[A-Za-z]{1,20}")
_HOST = re.compile(r"[A-Za-z0-9._-]+")
_COMMON = frozenset({"name", "type", "phase", "group", "interval", "timeout", "successes"})
_CONNECTION = frozenset({"port", "ca_path", "server_name", "certificate_days"})
# The options without a default that each type knows; one that stands with another type is a mistake.
_KNOWN = {
    "http": frozenset(
        {"url", "headers", "body", "body_file", "json", "json_tests", "contains", "matches", "max_latency"}
        | {"ca_path", "certificate_days", "address"}
    ),
    "tcp": frozenset({"port"}),
    "grpc": _CONNECTION | {"service"},
    "postgres": _CONNECTION | {"database"},
    "redis": _CONNECTION,
    "container": frozenset({"container", "health", "exit_code"}),
    "command": frozenset({"container", "command", "exit_code", "contains", "matches"}),
}
_SWITCHED = _COMMON | frozenset().union(*_KNOWN.values())


def problems(params: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a task's (already coerced) options, in words; empty when nothing is."""
    found = [*_of_the_whole(params), *_of_names(params["targets"])]
    for index, raw in enumerate(params["targets"]):
        wrong = [*_of_timing(raw), *_of_strangers(raw), *_CHECKS[raw["type"]](raw)]
        found += [f"targets[{index}].{text} (target {raw['name']})" for text in wrong]
    return found


def _of_the_whole(params: Mapping[str, Any]) -> Iterator[str]:
    for name in ("timeout", "interval", "max_interval"):
        yield from _positive(name, params[name])
    for phase, seconds in (params.get("phases") or {}).items():
        yield from _positive(f"phases.{phase}", seconds)
    if not (math.isfinite(params["delay"]) and params["delay"] >= 0):
        yield f"delay: expected seconds from 0 on, found {params['delay']}"
    if not (math.isfinite(params["backoff"]) and params["backoff"] >= 1):
        yield f"backoff: expected a factor from 1 on, found {params['backoff']}"
    if not 0 <= params["jitter"] < 1:
        yield f"jitter: expected a part from 0 to less than 1, found {params['jitter']}"
    if params["successes"] < 1:
        yield f"successes: expected at least 1, found {params['successes']}"


def _of_names(targets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    first: dict[str, int] = {}
    for index, raw in enumerate(targets):
        before = first.setdefault(raw["name"], index)
        if before != index:
            yield f"targets[{index}].name: {raw['name']} is the name of targets[{before}] too; each needs its own"


def _positive(name: str, value: float | None) -> Iterator[str]:
    if value is not None and not (math.isfinite(value) and value > 0):
        yield f"{name}: expected seconds above 0, found {value}"


def _of_timing(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from _positive("timeout", raw["timeout"])
    yield from _positive("interval", raw.get("interval"))
    if raw.get("successes") is not None and raw["successes"] < 1:
        yield f"successes: expected at least 1, found {raw['successes']}"


def _of_strangers(raw: Mapping[str, Any]) -> Iterator[str]:
    strange = _SWITCHED - _COMMON - _KNOWN[raw["type"]]
    for name in sorted(strange):
        if raw.get(name) is not None:
            yield f"{name}: means nothing to a target of the type {raw['type']}"


def answer_problems(raw: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with what an HTTP answer has to be."""
    yield from _positive("max_latency", raw.get("max_latency"))
    yield from _of_patterns(raw)
    for index, test in enumerate(raw.get("json_tests") or ()):
        yield from _of_test(f"json_tests[{index}].value", test)


def _of_http(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_url(raw["url"])
    if not _METHOD.fullmatch(raw["method"]):
        yield f"method: expected a word such as GET, found {raw['method']!r}"
    if not raw["status"] or not all(100 <= code <= 599 for code in raw["status"]):
        yield f"status: expected codes from 100 to 599, found {raw['status']}"
    if raw.get("address") is not None and not _is_host(raw["address"]):
        yield f"address: expected an IP address or a host name, found {raw['address']!r}"
    yield from answer_problems(raw)
    yield from _of_certificates(raw)
    if not str(raw["url"]).startswith("https:"):
        for name in ("ca_path", "certificate_days"):
            if raw.get(name) is not None:
                yield f"{name}: expected a URL that begins with https:// beside it"
    yield from _of_body_file(raw)


def _of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:  # its text repeats what it takes for a port, which may be half of a password
        yield "url: cannot be read: its host or its port is none"
        return
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        yield "url: expected http:// or https:// and a host"


def _of_body_file(raw: Mapping[str, Any]) -> Iterator[str]:
    if raw.get("body_file") is None:
        return
    try:
        size = Path(raw["body_file"]).stat().st_size
        with Path(raw["body_file"]).open("rb"):
            pass
    except OSError as error:
        yield (
            f"body_file: {raw['body_file']} cannot be read: {error.strerror}. It has to exist on the machine the "
            "module runs on"
        )
        return
    if size > BODY_FILE_LIMIT:
        yield f"body_file: {raw['body_file']} has {size} bytes, at most {BODY_FILE_LIMIT} are sent"


def _is_host(text: str) -> bool:
    if _HOST.fullmatch(text):
        return True
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _of_patterns(raw: Mapping[str, Any]) -> Iterator[str]:
    for index, pattern in enumerate(raw.get("matches") or ()):
        yield from _of_pattern(f"matches[{index}]", pattern)


def _of_pattern(name: str, pattern: str) -> Iterator[str]:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield f"{name}: {pattern!r} is no regular expression: {error}"


def _of_test(name: str, test: Mapping[str, Any]) -> Iterator[str]:
    kind, value = test["test"], test.get("value")
    if kind in UNARY and value is not None:
        yield f"{name}: means nothing to the test {kind}"
    elif kind in NUMERIC and not is_number(value):
        yield f"{name}: expected a number for the test {kind}, found {value!r}"
    elif kind == "one_of" and not isinstance(value, list):
        yield f"{name}: expected a list for the test {kind}, found {value!r}"
    elif kind == "matches" and not isinstance(value, str):
        yield f"{name}: expected a regular expression for the test {kind}, found {value!r}"
    elif kind == "matches":
        yield from _of_pattern(name, str(value))


def _of_certificates(raw: Mapping[str, Any]) -> Iterator[str]:
    if raw.get("certificate_days") is not None and raw["certificate_days"] < 0:
        yield f"certificate_days: expected 0 or more, found {raw['certificate_days']}"
    if raw.get("ca_path") is not None:
        try:
            context_for(raw["ca_path"])
        except DrydockError as error:
            yield f"ca_path: {error.message}"


def _of_port(raw: Mapping[str, Any]) -> Iterator[str]:
    port = raw.get("port")
    if not raw["host"]:
        yield "host: expected a name or an address, found nothing"
    if port is not None and not 1 <= port <= 65535:
        yield f"port: expected 1 to 65535, found {port}"


def _of_server(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_port(raw)
    yield from _of_certificates(raw)
    if not raw["tls"]:
        for name in ("ca_path", "server_name", "certificate_days"):
            if raw.get(name) is not None:
                yield f"{name}: expected tls: true beside it"
    for name in ("service", "user", "database"):
        if len(raw.get(name) or "") > 1000 or "\0" in (raw.get(name) or ""):
            yield f"{name}: expected at most 1000 characters, none of them NUL"


def _of_container(raw: Mapping[str, Any]) -> Iterator[str]:
    if not raw["container"]:
        yield "container: expected a name or an identifier, found nothing"
    if raw["max_restarts"] < 1:
        yield f"max_restarts: expected at least 1, found {raw['max_restarts']}"


def _of_command(raw: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_container(raw)
    if not raw["command"] or not raw["command"][0]:
        yield "command: expected a program and its arguments, found no program"
    if any("\0" in part for part in raw["command"]):
        yield "command: expected arguments without NUL"
    yield from _of_patterns(raw)


_CHECKS: dict[str, Callable[[Mapping[str, Any]], Iterator[str]]] = {
    "http": _of_http,
    "tcp": _of_port,
    "grpc": _of_server,
    "postgres": _of_server,
    "redis": _of_server,
    "container": _of_container,
    "command": _of_command,
}
