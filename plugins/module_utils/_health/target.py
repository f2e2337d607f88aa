# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health target is, and what was seen when it was looked at. Values only, no input or output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Union
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


@dataclass(frozen=True)
class HttpSpec:
    """An HTTP or HTTPS request and what its answer has to be.

    ``address`` is connected to instead of the URL's host; the certificate is still verified for the URL's host,
    and that host is what the request names.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: frozenset[int] = frozenset({200})
    json: Mapping[str, Any] = field(default_factory=dict)
    contains: tuple[str, ...] = ()
    ca_path: str | None = None
    address: str | None = None


@dataclass(frozen=True)
class TcpSpec:
    """A port that has to accept a connection."""

    host: str
    port: int


@dataclass(frozen=True)
class ContainerSpec:
    """A container and the state it has to be in.

    ``health`` None: looked at only where the container has a health check. ``exit_code`` not None: the container is
    a job that has to end with this code.
    """

    container: str
    state: str = "running"
    health: str | None = None
    exit_code: int | None = None
    max_restarts: int = 3


Spec = Union[HttpSpec, TcpSpec, ContainerSpec]


@dataclass(frozen=True)
class Target:
    """One thing to poll. ``interval`` and ``timeout`` (of one attempt) are seconds.

    ``budget``: seconds from the start of polling after which this target is given up, whatever time others have.
    """

    name: str
    spec: Spec
    interval: float = 2.0
    timeout: float = 5.0
    successes: int = 1
    budget: float | None = None

    @property
    def watched(self) -> bool:
        """Looked at until the end, also when healthy: a container may crash while others are waited for."""
        return isinstance(self.spec, ContainerSpec) and self.spec.exit_code is None


@dataclass(frozen=True)
class Observation:
    """What one attempt saw. ``final``: waiting longer cannot help (a container that has exited)."""

    ok: bool
    summary: str
    final: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a module's result and in a release record."""
        return {"ok": self.ok, "summary": self.summary, "final": self.final, **self.facts}


def parse_target(raw: Mapping[str, Any], *, interval: float, successes: int) -> Target:
    """Build a target from the module's (already coerced) suboptions.

    :raises DrydockError: ``invalid_target`` when a body file or the URL cannot be read, or nothing would be asked.
    """
    wanted = successes if raw.get("successes") is None else raw["successes"]
    if wanted < 1:
        raise DrydockError("invalid_target", f"Target {raw['name']}: successes has to be at least 1, found {wanted}.")
    return Target(
        name=raw["name"],
        spec=_SPECS[raw["type"]](raw),
        interval=interval if raw.get("interval") is None else raw["interval"],
        timeout=raw["timeout"],
        successes=wanted,
    )


def _http(raw: Mapping[str, Any]) -> HttpSpec:
    try:
        _port = urlsplit(raw["url"]).port
    except ValueError as error:
        raise DrydockError("invalid_target", f"Target {raw['name']}: the URL cannot be read: {error}.") from error
    return HttpSpec(
        url=raw["url"],
        method=raw["method"].upper(),
        headers=_headers(raw),
        body=_body(raw),
        status=frozenset(raw["status"]),
        json=dict(raw.get("json") or {}),
        contains=tuple(raw.get("contains") or ()),
        ca_path=raw.get("ca_path"),
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
    if raw.get("body_file") is None:
        return None
    try:
        return Path(raw["body_file"]).read_bytes()
    except OSError as error:
        raise DrydockError(
            "invalid_target",
            f"Target {raw['name']}: the body file {raw['body_file']} cannot be read: {error.strerror}. "
            "It has to exist on the machine the module runs on.",
        ) from error


def _tcp(raw: Mapping[str, Any]) -> TcpSpec:
    return TcpSpec(host=raw["host"], port=raw["port"])


def _container(raw: Mapping[str, Any]) -> ContainerSpec:
    return ContainerSpec(
        container=raw["container"],
        state=raw["state"],
        health=raw.get("health"),
        exit_code=raw.get("exit_code"),
        max_restarts=raw["max_restarts"],
    )


_SPECS: dict[str, Callable[[Mapping[str, Any]], Spec]] = {"http": _http, "tcp": _tcp, "container": _container}
