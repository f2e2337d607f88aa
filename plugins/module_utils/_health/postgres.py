# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL by the first exchange of its protocol (version 3, https://www.postgresql.org/docs/current/protocol-flow.html).

A client says who it is; a server that serves asks who that may be, or says why not. Nobody logs in.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, PostgresSpec
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import (
    Wire,
    WireAttempt,
    WireError,
    observe,
)

VERSION = 3 << 16
SSL_REQUEST = struct.pack("!II", 8, (1234 << 16) + 5679)
TERMINATE = b"X\x00\x00\x00\x04"
MESSAGE_LIMIT = 64 * 1024
# SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html): class 28 is a server that judges who asks
# and therefore serves. All else it says before a client is in is a server that this client cannot use.
_CANNOT_CONNECT_NOW = "57P03"
_WHO_ASKS = "28"


def probe_postgres(spec: PostgresSpec, timeout: float) -> Observation | WireAttempt:
    """Ask once."""

    def ask(wire: Wire) -> None:
        if spec.tls is not None:
            wire.send(SSL_REQUEST)
            if wire.exactly(1) != b"S":
                raise WireError("does not offer TLS")
            wire.encrypt(spec.tls)
        wire.send(startup(spec.user, spec.database))

    def hear(wire: Wire) -> Observation:
        kind, body = _message(wire)
        if kind == b"R":
            wire.send(TERMINATE)
        return judge(kind, body)

    return observe(spec.host, spec.port, ask, hear, timeout=timeout)


def startup(user: str, database: str | None) -> bytes:
    """The StartupMessage."""
    pairs = {"user": user, **({} if database is None else {"database": database}), "application_name": "health_poll"}
    body = b"".join(f"{key}\0{value}\0".encode() for key, value in pairs.items())
    return struct.pack("!II", len(body) + 9, VERSION) + body + b"\0"


def _message(wire: Wire) -> tuple[bytes, bytes]:
    """The type and the body of one message."""
    head = wire.exactly(5)
    kind, size = head[:1], struct.unpack("!I", head[1:])[0]
    if kind not in {b"R", b"E"} or not 4 <= size <= MESSAGE_LIMIT:
        raise WireError(f"what answers is not PostgreSQL: {excerpt(head.decode('latin-1'))}")
    return kind, wire.exactly(size - 4)


def judge(kind: bytes, body: bytes) -> Observation:
    """What the server's first message means."""
    if kind == b"R":
        return Observation(ok=True, summary="up, asks who logs in")
    fields = error_fields(body)
    code, text = fields.get("C", ""), excerpt(fields.get("M", ""))
    facts = {"code": excerpt(code)}
    if code == _CANNOT_CONNECT_NOW:
        return Observation(ok=False, summary=f"not ready: {text}", facts=facts)
    if code.startswith(_WHO_ASKS):
        return Observation(ok=True, summary="up, does not let this client in", facts=facts)
    return Observation(ok=False, summary=f"refuses ({excerpt(code)}): {text}", facts=facts)


def error_fields(body: bytes) -> Mapping[str, str]:
    """The fields of an ErrorResponse by their letters (C the code, M the message)."""
    parts = body.decode("utf-8", "replace").split("\0")
    return {part[0]: part[1:] for part in parts if part}
