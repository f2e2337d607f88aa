# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client as it would sit outside: asks a host for a name it serves, with TLS verified, without touching DNS."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """What came back: status code, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _VerifiedConnection(http.client.HTTPSConnection):
    """Connects to one address, and lets TLS verify the name that is asked for."""

    def __init__(self, name: str, address: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(name, port, context=context, timeout=timeout)
        self._address = address
        self._verifying = context

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._verifying.wrap_socket(plain, server_hostname=self.host)


def ask(
    name: str,
    path: str,
    *,
    address: str,
    ca: Path,
    port: int = 443,
    body: bytes | None = None,
    content_type: str = "application/octet-stream",
    timeout: float = 60,
) -> Answer:
    """GET ``https://name/path``, or POST when there is a body; raises OSError (ssl.SSLError among them) on failure."""
    context = ssl.create_default_context(cafile=str(ca))
    connection = _VerifiedConnection(name, address, port, context, timeout)
    try:
        headers = {"Content-Type": content_type} if body is not None else {}
        connection.request("GET" if body is None else "POST", path, body=body, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())
    finally:
        connection.close()
