# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gRPC's health service, asked by hand: one call of grpc.health.v1.Health/Check over HTTP/2 (RFC 9113).

Hosts have no grpcio. https://github.com/grpc/grpc/blob/master/doc/health-checking.md and PROTOCOL-HTTP2.md beside it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.drydock.serving.plugins.module_utils._health.hpack import Decoder, HpackError, encode
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._health.target import GrpcSpec, Observation
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import (
    Wire,
    WireAttempt,
    WireError,
    observe,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 9
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, PRIORITY = 0x4, 0x8, 0x20
ENABLE_PUSH = 2
STREAM = 1
FRAME_LIMIT = 16384  # what a server may send unless it was told otherwise
ANSWER_LIMIT = 48 * 1024  # a health service says less than 1 KiB, and taking headers apart costs time
FRAMES = 1000

# https://github.com/grpc/grpc/blob/master/doc/statuscodes.md
_STATUS = """
OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED
FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED
"""
STATUS = tuple(_STATUS.split())
SERVING = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
_MEANS = {"UNIMPLEMENTED": "it has no grpc.health.v1.Health", "NOT_FOUND": "it does not know this service"}


@dataclass
class Answer:
    """What came back on the one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def probe_grpc(spec: GrpcSpec, timeout: float) -> Observation | WireAttempt:
    """Ask once."""

    def ask(wire: Wire) -> None:
        if spec.tls is not None:
            wire.encrypt(spec.tls, "h2")
        wire.send(request(spec))

    return observe(spec.host, spec.port, ask, lambda wire: judge(read_answer(wire)), timeout=timeout)


def request(spec: GrpcSpec) -> bytes:
    """Everything a client says: the beginning of a connection and one call."""
    host = f"[{spec.host}]" if ":" in spec.host else spec.host
    headers = encode(
        (
            (":method", "POST"),
            (":scheme", "http" if spec.tls is None else "https"),
            (":path", "/grpc.health.v1.Health/Check"),
            (":authority", f"{host if spec.tls is None else spec.tls.name}:{spec.port}"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", "drydock.serving"),
        )
    )
    name = spec.service.encode("utf-8")
    message = b"" if not name else b"\x0a" + _varint(len(name)) + name  # field 1, a string
    return (
        PREFACE
        + frame(SETTINGS, 0, 0, struct.pack("!HI", ENABLE_PUSH, 0))
        + frame(HEADERS, END_HEADERS, STREAM, headers)
        + frame(DATA, END_STREAM, STREAM, struct.pack("!BI", 0, len(message)) + message)
    )


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def read_answer(wire: Wire) -> Answer:
    """Read until the call has ended.

    :raises WireError: the server speaks something else, or ends the call or the connection without an answer.
    """
    answer, decoder, block, ends = Answer(), Decoder(), b"", False
    for kind, flags, stream, payload in _frames(wire):
        if kind in {SETTINGS, PING} and not flags & ACK:
            wire.send(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY and (len(payload) < 8 or payload[4:8] != bytes(4)):
            raise WireError(f"ends the connection (GOAWAY, error {_number(payload[4:8])})")
        elif stream != STREAM:
            continue
        elif kind == RST_STREAM:
            raise WireError(f"breaks off the call (RST_STREAM, error {_number(payload)})")
        elif kind == DATA:
            answer.body += _unpadded(flags, payload)
            ends = bool(flags & END_STREAM)
        elif kind in {HEADERS, CONTINUATION}:
            if kind == HEADERS:
                block, ends = _unpadded(flags, payload, priority=True), bool(flags & END_STREAM)
            else:
                block += payload
            if not flags & END_HEADERS:
                continue
            answer.headers.update(_decoded(decoder, block))
        if ends:
            return answer
    raise WireError("sends frame after frame without an answer")


def _frames(wire: Wire) -> Iterator[tuple[int, int, int, bytes]]:
    received = 0
    for number in range(FRAMES):
        head = wire.exactly(9)
        if number == 0 and head.startswith(b"HTTP/"):
            raise WireError("answers in HTTP/1, not in HTTP/2: is this the port for gRPC?")
        size, (kind, flags, stream) = _number(head[:3]), struct.unpack("!BBI", head[3:])
        if number == 0 and kind != SETTINGS:
            raise WireError("what answers is not HTTP/2: is this the port for gRPC, and without TLS?")
        received += size
        if size > FRAME_LIMIT or received > ANSWER_LIMIT or kind == PUSH_PROMISE:
            raise WireError("sends more than an answer of a health service can be")
        yield kind, flags, stream & 0x7FFFFFFF, wire.exactly(size)


def _decoded(decoder: Decoder, block: bytes) -> list[tuple[str, str]]:
    try:
        return decoder.decode(block)
    except HpackError as error:
        raise WireError(f"sends headers that cannot be read: {error}") from error


def _unpadded(flags: int, payload: bytes, *, priority: bool = False) -> bytes:
    padding = 0
    if flags & PADDED:
        padding, payload = (payload[0] if payload else 0), payload[1:]
    if priority and flags & PRIORITY:
        payload = payload[5:]
    if padding > len(payload):
        raise WireError("sends a frame with more padding than it has bytes")
    return payload[: len(payload) - padding]


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _varint(number: int) -> bytes:
    out = []
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def judge(answer: Answer) -> Observation:
    """What an answer means."""
    headers = answer.headers
    if headers.get(":status") != "200" and "grpc-status" not in headers:
        return Observation(ok=False, summary=f"answers HTTP {excerpt(headers.get(':status', '?'))}, not gRPC")
    code = headers.get("grpc-status", "")
    if not code.isascii() or not code.isdigit():
        kind = excerpt(headers.get("content-type", "none"))
        return Observation(ok=False, summary=f"what answers is not gRPC: no grpc-status, content type {kind}")
    status = STATUS[int(code)] if len(code) <= 2 and int(code) < len(STATUS) else code[:4]
    facts = {"grpc_status": status}
    if status != "OK":
        why = _MEANS.get(status) or excerpt(headers.get("grpc-message", ""))
        return Observation(ok=False, summary=f"{status}{f': {why}' if why else ''}", facts=facts)
    try:
        serving = _serving(answer.body)
    except (IndexError, struct.error):
        return Observation(ok=False, summary="answers with a message that cannot be read", facts=facts)
    return Observation(ok=serving == "SERVING", summary=serving, facts={**facts, "serving": serving})


def _serving(body: bytes) -> str:
    """The status in a HealthCheckResponse, which stands in field 1 as a number; left out it is 0."""
    compressed, size = struct.unpack("!BI", body[:5])
    message = body[5 : 5 + size]
    if compressed or len(message) != size:
        raise IndexError
    status = at = 0
    while at < size:
        key, at = _read_varint(message, at)
        if key & 7 != 0:
            raise IndexError  # nothing but numbers in the version that this was written for
        value, at = _read_varint(message, at)
        status = value if key >> 3 == 1 else status
    return SERVING[status] if status < len(SERVING) else str(status)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if shift > 63:
            raise IndexError  # no number of the protocol has more bits
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at
