# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""gRPC's health service by hand: what is asked, and what each answer means. The frames are as servers send them."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.grpc import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    Answer,
    frame,
    judge,
    read_answer,
    request,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.hpack import Decoder, encode
from ansible_collections.drydock.serving.plugins.module_utils._health.target import GrpcSpec, Tls
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import WireError

from tests.unit.plugins.module_utils._health.wires import wire_that_says

START = [(":status", "200"), ("content-type", "application/grpc")]
OK = [("grpc-status", "0")]


def message(body: bytes) -> bytes:
    return struct.pack("!BI", 0, len(body)) + body


SERVING, NOT_SERVING, UNKNOWN = message(b"\x08\x01"), message(b"\x08\x02"), message(b"")
HELLO = frame(SETTINGS, 0, 0, struct.pack("!HI", 3, 100))


def answer_of(*frames: bytes) -> Answer:
    with wire_that_says(b"".join(frames)) as (wire, _sent):
        return read_answer(wire)


def test_what_is_sent_is_one_call_of_the_health_service() -> None:
    sent = request(GrpcSpec(host="h", port=50051, service="llm"))
    assert sent.startswith(PREFACE)
    kinds, rest = [], sent[len(PREFACE) :]
    payloads = []
    while rest:
        size, (kind, flags, stream) = int.from_bytes(rest[:3], "big"), struct.unpack("!BBI", rest[3:9])
        kinds.append((kind, flags, stream))
        payloads.append(rest[9 : 9 + size])
        rest = rest[9 + size :]
    assert kinds == [(SETTINGS, 0, 0), (HEADERS, END_HEADERS, 1), (DATA, END_STREAM, 1)]
    headers = dict(Decoder().decode(payloads[1]))
    assert headers[":path"] == "/grpc.health.v1.Health/Check"
    assert headers[":authority"] == "h:50051"
    assert (headers[":scheme"], headers["te"]) == ("http", "trailers")
    assert payloads[2] == b"\0\0\0\0\x05\x0a\x03llm"


def test_a_long_service_name_keeps_its_length() -> None:
    sent = request(GrpcSpec(host="h", port=1, service="s" * 300))
    assert sent.endswith(b"\x0a\xac\x02" + b"s" * 300)


def test_in_tls_the_request_names_what_the_certificate_is_for() -> None:
    sent = request(GrpcSpec(host="10.0.0.1", port=443, tls=Tls(name="llm.example.org")))
    assert b"llm.example.org:443" in sent
    assert b"https" in sent


@pytest.mark.parametrize(
    ("body", "ok", "words"),
    [
        (SERVING, True, "SERVING"),
        (NOT_SERVING, False, "NOT_SERVING"),
        (UNKNOWN, False, "UNKNOWN"),
        (message(b"\x08\x03"), False, "SERVICE_UNKNOWN"),
        (message(b"\x08\x63"), False, "99"),
        (message(b"\x10\x01\x08\x01"), True, "SERVING"),
        (message(b"\x08"), False, "answers with a message that cannot be read"),
        (message(b"\x0a\x01a"), False, "answers with a message that cannot be read"),
        (b"\x01" + SERVING[1:], False, "answers with a message that cannot be read"),
        (SERVING[:-1], False, "answers with a message that cannot be read"),
        (b"", False, "answers with a message that cannot be read"),
        (message(b"\x08" + b"\xff" * 3000 + b"\x01"), False, "answers with a message that cannot be read"),
    ],
)
def test_a_message_is_judged(body: bytes, ok: bool, words: str) -> None:
    seen = judge(Answer(headers=dict(START + OK), body=body))
    assert (seen.ok, seen.summary) == (ok, words)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([*START, ("grpc-status", "12")], "UNIMPLEMENTED: it has no grpc.health.v1.Health"),
        ([*START, ("grpc-status", "5"), ("grpc-message", "unknown service")], "NOT_FOUND: it does not know this"),
        ([*START, ("grpc-status", "14"), ("grpc-message", "warming\nup")], "UNAVAILABLE: warming up"),
        ([*START, ("grpc-status", "16")], "UNAUTHENTICATED"),
        ([*START, ("grpc-status", "9999999")], "9999"),
        ([*START, ("grpc-status", "00009999")], "0000"),
        ([*START, ("grpc-status", "0" * 5000)], "0000"),
        ([*START, ("grpc-status", "x")], "what answers is not gRPC: no grpc-status, content type application/grpc"),
        ([(":status", "200"), ("content-type", "text/html")], "what answers is not gRPC: no grpc-status, content typ"),
        ([(":status", "404")], "answers HTTP 404, not gRPC"),
        ([], "answers HTTP ?, not gRPC"),
    ],
)
def test_a_refusal_is_told_by_its_name(headers: list[tuple[str, str]], words: str) -> None:
    seen = judge(Answer(headers=dict(headers)))
    assert not seen.ok
    assert seen.summary.startswith(words)


def test_a_whole_answer_is_read() -> None:
    found = answer_of(
        HELLO,
        frame(SETTINGS, ACK, 0),
        frame(8, 0, 0, struct.pack("!I", 100)),  # WINDOW_UPDATE, which says nothing here
        frame(HEADERS, END_HEADERS, 1, encode(START)),
        frame(DATA, 0, 1, SERVING[:3]),
        frame(DATA, 0, 1, SERVING[3:]),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, encode(OK)),
    )
    assert judge(found).ok


def test_an_answer_of_trailers_alone_is_read() -> None:
    found = answer_of(HELLO, frame(HEADERS, END_HEADERS | END_STREAM, 1, encode([*START, ("grpc-status", "12")])))
    assert judge(found).summary.startswith("UNIMPLEMENTED")


def test_padding_priorities_and_headers_in_pieces_are_read() -> None:
    block = encode(START)
    found = answer_of(
        HELLO,
        frame(HEADERS, PADDED | PRIORITY, 1, b"\x02" + bytes(5) + block[:5] + bytes(2)),
        frame(CONTINUATION, END_HEADERS, 1, block[5:]),
        frame(DATA, PADDED, 1, b"\x03" + SERVING + bytes(3)),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, encode(OK)),
    )
    assert judge(found).ok


def test_settings_and_pings_are_acknowledged_and_acknowledgements_are_not() -> None:
    frames = [HELLO, frame(SETTINGS, ACK, 0), frame(PING, 0, 0, b"12345678"), frame(PING, ACK, 0, b"87654321")]
    ending = frame(HEADERS, END_HEADERS | END_STREAM, 1, encode(START + OK))
    with wire_that_says(b"".join([*frames, ending])) as (wire, sent):
        read_answer(wire)
    assert b"".join(sent) == frame(SETTINGS, ACK, 0) + frame(PING, ACK, 0, b"12345678")


def test_a_server_that_closes_down_in_peace_may_still_answer() -> None:
    found = answer_of(
        HELLO,
        frame(GOAWAY, 0, 0, struct.pack("!II", 1, 0)),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, encode(START + OK)),
    )
    assert found.headers["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "answers in HTTP/1, not in HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "what answers is not HTTP/2"),
        (HELLO, "closed the connection|broke off"),
        (HELLO + frame(GOAWAY, 0, 0, struct.pack("!II", 0, 11)), r"GOAWAY, error 11"),
        (HELLO + frame(GOAWAY, 0, 0), r"GOAWAY, error 0"),
        (HELLO + frame(RST_STREAM, 0, 1, struct.pack("!I", 7)), r"RST_STREAM, error 7"),
        (HELLO + frame(HEADERS, END_HEADERS, 1, b"\x80"), "headers that cannot be read"),
        (HELLO + frame(DATA, PADDED, 1, b"\x09ab"), "more padding"),
        (HELLO + frame(DATA, PADDED, 1, b""), "closed the connection"),
        (HELLO + frame(5, 0, 1, b""), "more than an answer"),
        (HELLO + b"\x00\x40\x01\x00\x00\x00\x00\x00\x01", "more than an answer"),
        (HELLO + frame(DATA, 0, 1, bytes(16384)) * 20, "more than an answer"),
        (HELLO + frame(SETTINGS, ACK, 0) * 2000, "frame after frame"),
    ],
)
def test_what_is_no_answer_is_told(said: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        answer_of(said)
