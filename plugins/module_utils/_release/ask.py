# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests through the edge of this host, as a client would make them: who answers after a switch?"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

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


def confirm(
    wanted: Mapping[str, tuple[str, int, bool]],
    ask: Ask,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    timeout: float = CONFIRM_TIMEOUT,
) -> None:
    """Ask through the edge until each service answers from where it has to.

    :param wanted: service -> path, port on the loopback, whether only 200 will do.
    :param ask: path -> status and the address that nginx had the answer from.
    :raises DrydockError: ``edge_unconfirmed`` with what was last seen.
    """
    deadline = clock() + timeout
    seen: dict[str, str] = {}
    left = dict(wanted)
    while left:
        for name, (path, port, exact) in sorted(left.items()):
            try:
                status, upstream = ask(path)
            except OSError as error:
                seen[name] = f"{path}: no answer ({error})"
                continue
            seen[name] = f"{path}: status {status} from {upstream or 'nowhere'}"
            good = status == 200 if exact else status < 500
            if good and upstream == f"127.0.0.1:{port}":
                del left[name]
        if left and clock() >= deadline:
            told = "; ".join(f"{name} has to answer from port {left[name][1]}, seen was {seen[name]}" for name in left)
            raise DrydockError(
                "edge_unconfirmed",
                f"After the switch the edge did not answer as it has to within {timeout:g} s: {told}.",
                services=sorted(left),
            )
        if left:
            sleep(CONFIRM_INTERVAL)
