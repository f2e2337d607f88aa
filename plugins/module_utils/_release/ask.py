# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests through the edge of this host, as a client would make them: who answers after a switch?"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Unit

ANSWERED = "X-Drydock-Upstream"  # who answered; the edge tells it to its own host alone
INSIDE = "X-Drydock-Inside"  # lets its own host through while the edge is closed
TIMEOUT = 10.0
CONFIRM_TIMEOUT = 15.0
CONFIRM_INTERVAL = 0.1
Ask = Callable[[str], "tuple[int, str]"]


class EdgeClient:
    """Asks over TLS on the loopback for the stack's domain. Whether the certificate is good is not judged here."""

    def __init__(self, domain: str, port: int) -> None:
        self._domain = domain
        self._port = port
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def __call__(self, path: str) -> tuple[int, str]:
        """The status, and the address that nginx had the answer from; empty when it was nginx's own.

        :raises OSError: no answer.
        """
        raw = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT)
        with raw, self._context.wrap_socket(raw, server_hostname=self._domain) as secure:
            connection = http.client.HTTPConnection(self._domain, self._port)
            connection.sock = secure
            try:
                headers = {"Host": self._domain, "Connection": "close", INSIDE: "1"}
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
            except http.client.HTTPException as error:
                raise OSError(f"not HTTP: {error!r}") from error
            return answer.status, answer.getheader(ANSWERED, "").rpartition(", ")[2]


@dataclass(frozen=True)
class Confirmed:
    """What has to be seen of a service: an answer to this path from each of these ports on the loopback.

    :param exact: whether only 200 will do, or any answer that is no failure.
    """

    path: str
    ports: tuple[int, ...]
    exact: bool


def confirmed(units: Iterable[Unit]) -> dict[str, Confirmed]:
    """What has to be seen of these units, where the edge leads to them."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        if unit.routes and unit.host_port:
            found.setdefault(unit.service, []).append(unit)
    return {
        name: Confirmed(path, tuple(unit.host_port for unit in each if unit.host_port), exact)
        for name, each in found.items()
        for path, exact in [_asked(each[0])]
    }


def _asked(unit: Unit) -> tuple[str, bool]:
    """The path that tells through the edge who answers: the health path where a route leads there, else a route."""
    health = unit.health.path
    for route in unit.routes:
        prefix = route.rstrip("/")
        if health is not None and (health == prefix or health.startswith(f"{prefix}/")):
            return health, True
    return unit.routes[0], False


def confirm(
    wanted: Mapping[str, Confirmed],
    ask: Ask,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    timeout: float = CONFIRM_TIMEOUT,
) -> None:
    """Ask through the edge until each service has answered from everywhere it has to.

    :param wanted: by service. The edge chooses which of its replicas answers, so an answer counts for whoever gave it.
    :param ask: path -> status and the address that nginx had the answer from.
    :raises DrydockError: ``edge_unconfirmed`` with what was last seen.
    """
    deadline = clock() + timeout
    seen: dict[str, str] = {}
    left = {name: set(item.ports) for name, item in wanted.items()}
    while left:
        for name, ports in sorted(left.items()):
            item = wanted[name]
            try:
                status, upstream = ask(item.path)
            except OSError as error:
                seen[name] = f"{item.path}: no answer ({error})"
                continue
            seen[name] = f"{item.path}: status {status} from {upstream or 'nowhere'}"
            if status == 200 if item.exact else status < 500:
                ports -= {port for port in ports if upstream == f"127.0.0.1:{port}"}
            if not ports:
                del left[name]
        if left and clock() >= deadline:
            told = [f"{name} has to answer from {_told(ports)}, seen was {seen[name]}" for name, ports in left.items()]
            raise DrydockError(
                "edge_unconfirmed",
                f"After the switch the edge did not answer as it has to within {timeout:g} s: {'; '.join(told)}.",
                services=sorted(left),
            )
        if left:
            sleep(CONFIRM_INTERVAL)


def _told(ports: Iterable[int]) -> str:
    found = [str(port) for port in sorted(ports)]
    return f"port {found[0]}" if len(found) == 1 else f"the ports {', '.join(found)}"
