# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's (already coerced) options to targets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.check import problems
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    CommandSpec,
    ContainerSpec,
    GrpcSpec,
    HttpSpec,
    JsonTest,
    PostgresSpec,
    RedisSpec,
    Spec,
    Target,
    TcpSpec,
    Tls,
)

PORTS = {"postgres": 5432, "redis": 6379}


def parse_targets(params: Mapping[str, Any]) -> list[Target]:
    """The targets of a task.

    :raises DrydockError: ``invalid_target``, with everything that is wrong.
    """
    wrong = problems(params)
    if wrong:
        raise DrydockError("invalid_target", "\n".join(wrong))
    return [
        Target(
            name=raw["name"],
            spec=_SPECS[raw["type"]](raw),
            phase=raw["phase"],
            group=raw.get("group") or "",
            interval=_given(raw, params, "interval"),
            successes=_given(raw, params, "successes"),
            timeout=raw["timeout"],
            backoff=params["backoff"],
            max_interval=params["max_interval"],
        )
        for raw in params["targets"]
    ]


def _given(raw: Mapping[str, Any], params: Mapping[str, Any], name: str) -> Any:
    return params[name] if raw.get(name) is None else raw[name]


def http_spec(raw: Mapping[str, Any]) -> HttpSpec:
    """A request and what its answer has to be, from options such as those of a target."""
    return HttpSpec(
        url=raw["url"],
        method=raw["method"].upper(),
        headers=_headers(raw),
        body=_body(raw),
        status=frozenset(raw["status"]),
        json=dict(raw.get("json") or {}),
        json_tests=tuple(
            JsonTest(test["path"], test["test"], test.get("value")) for test in raw.get("json_tests") or ()
        ),
        contains=tuple(raw.get("contains") or ()),
        matches=tuple(raw.get("matches") or ()),
        max_latency=raw.get("max_latency"),
        ca_path=raw.get("ca_path"),
        certificate_days=raw.get("certificate_days"),
        address=raw.get("address"),
    )


def _headers(raw: Mapping[str, Any]) -> dict[str, str]:
    headers = {str(key): str(value) for key, value in (raw.get("headers") or {}).items()}
    if isinstance(raw.get("body"), (dict, list)) and not any(key.lower() == "content-type" for key in headers):
        headers["Content-Type"] = "application/json"
    return headers


def _body(raw: Mapping[str, Any]) -> bytes | None:
    body = raw.get("body")
    if isinstance(body, (dict, list)):
        return json.dumps(body).encode("utf-8")
    if body is not None:
        return str(body).encode("utf-8")
    return None if raw.get("body_file") is None else Path(raw["body_file"]).read_bytes()


def _tls(raw: Mapping[str, Any]) -> Tls | None:
    if not raw["tls"]:
        return None
    return Tls(name=raw.get("server_name") or raw["host"], ca_path=raw.get("ca_path"), days=raw.get("certificate_days"))


def _port(raw: Mapping[str, Any]) -> int:
    return int(raw["port"] if raw.get("port") is not None else PORTS[raw["type"]])


def _grpc(raw: Mapping[str, Any]) -> GrpcSpec:
    return GrpcSpec(host=raw["host"], port=_port(raw), service=raw.get("service") or "", tls=_tls(raw))


def _postgres(raw: Mapping[str, Any]) -> PostgresSpec:
    return PostgresSpec(
        host=raw["host"], port=_port(raw), user=raw["user"], database=raw.get("database"), tls=_tls(raw)
    )


def _container(raw: Mapping[str, Any]) -> ContainerSpec:
    return ContainerSpec(
        container=raw["container"],
        state=raw["state"],
        health=raw.get("health"),
        exit_code=raw.get("exit_code"),
        max_restarts=raw["max_restarts"],
    )


def _command(raw: Mapping[str, Any]) -> CommandSpec:
    return CommandSpec(
        container=raw["container"],
        command=tuple(raw["command"]),
        exit_code=raw.get("exit_code") or 0,
        contains=tuple(raw.get("contains") or ()),
        matches=tuple(raw.get("matches") or ()),
    )


_SPECS: dict[str, Callable[[Mapping[str, Any]], Spec]] = {
    "http": http_spec,
    "tcp": lambda raw: TcpSpec(host=raw["host"], port=_port(raw)),
    "grpc": _grpc,
    "postgres": _postgres,
    "redis": lambda raw: RedisSpec(host=raw["host"], port=_port(raw), tls=_tls(raw)),
    "container": _container,
    "command": _command,
}
