# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the load counts as wrong. The connections are in memory: what the service said is fed to them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from benchmarks.release import traffic
from benchmarks.release.echo import frames
from benchmarks.release.failures import ClosedUnusedError, Failed, failure_of
from benchmarks.release.http1 import Connection

BY = {"release": "r1", "instance": "1"}
WHOLE = "the service went on"
ENDS = "the service closed"


class Sent:
    """Stands for the way to the service; ``answer`` may add what it says next."""

    def __init__(self, answer: Callable[[bytes], None] | None = None) -> None:
        self.data = b""
        self._answer = answer

    def write(self, data: bytes) -> None:
        self.data += data
        if self._answer:
            self._answer(data)

    async def drain(self) -> None:
        """Always at once."""

    def close(self) -> None:
        """Nothing to close."""


def http(status: int, value: Any, *, short_by: int = 0) -> bytes:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    return head + content[: len(content) - short_by]


def chunked(*pieces: bytes, end: bool = True) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if end else b"")


def asked(
    ask: Callable[[Connection], Awaitable[Any]], said: bytes, *, then: str = ENDS, used: int = 0
) -> tuple[Any, Sent]:
    """What a request makes of what the service said."""

    async def run() -> tuple[Any, Sent]:
        reader, sent = asyncio.StreamReader(), Sent()
        reader.feed_data(said)
        if then == ENDS:
            reader.feed_eof()
        connection = Connection(reader, sent, name="echo.test")
        connection.used = used
        return await ask(connection), sent

    return asyncio.run(run())


def failed(ask: Callable[[Connection], Awaitable[Any]], said: bytes, *, used: int = 0) -> Failed:
    with pytest.raises(Failed) as caught:
        asked(ask, said, used=used)
    return caught.value


def posted(connection: Connection) -> Awaitable[str]:
    return traffic.echo(connection, "a-1", body=b"content")


def echo_answer(**changes: Any) -> dict[str, Any]:
    return {"id": "a-1", "sha256": hashlib.sha256(b"content").hexdigest(), "bytes": 7, "sequence": 3, **BY, **changes}


def test_a_right_answer_tells_which_release_gave_it() -> None:
    release, sent = asked(posted, http(200, echo_answer()))
    assert release == "r1"
    assert sent.data.startswith(b"POST /v1/echo?id=a-1 HTTP/1.1\r\nHost: echo.test\r\n")
    assert sent.data.endswith(b"Content-Length: 7\r\n\r\ncontent")


@pytest.mark.parametrize(
    "value",
    [
        echo_answer(id="a-2"),
        echo_answer(sha256="0" * 64),
        echo_answer(bytes=6),
        echo_answer(release=""),
        {key: value for key, value in echo_answer().items() if key != "release"},
        [echo_answer()],
        b"<html>200, and yet no answer</html>",
    ],
)
def test_a_wrong_body_is_counted_though_the_status_is_200(value: Any) -> None:
    assert failed(posted, http(200, value)).kind == "body"


def test_a_502_is_counted_by_its_status() -> None:
    error = failed(posted, http(502, b"bad gateway"))
    assert (error.kind, error.detail) == ("status 502", "bad gateway")


@pytest.mark.parametrize(
    ("said", "usable"),
    [
        (http(200, echo_answer()), True),
        (http(502, b"bad gateway"), True),  # a wrong answer, and a whole one
        (http(200, echo_answer(), short_by=1), False),
        (http(200, echo_answer()).replace(b"X\r\n", b"X\r\nConnection: close\r\n"), False),
        (b"", False),
    ],
)
def test_a_connection_is_used_again_only_after_a_whole_answer(said: bytes, usable: bool) -> None:
    async def run() -> bool:
        reader = asyncio.StreamReader()
        reader.feed_data(said)
        connection = Connection(reader, Sent(), name="echo.test")
        with contextlib.suppress(Failed, TimeoutError):
            async with asyncio.timeout(0):
                await posted(connection)
        return connection.usable

    assert asyncio.run(run()) is usable


def test_a_body_that_ends_early_is_cut() -> None:
    assert failed(posted, http(200, echo_answer(), short_by=1)).kind == "cut"


def test_an_answer_that_ends_within_its_head_is_cut() -> None:
    assert failed(posted, b"HTTP/1.1 200 O", used=5).kind == "cut"


def test_a_new_connection_that_closes_without_a_word_is_a_failure() -> None:
    error = failed(posted, b"")
    assert error.kind == "closed"
    assert not isinstance(error, ClosedUnusedError)


def test_a_kept_connection_that_closes_without_a_word_may_be_tried_again() -> None:
    assert isinstance(failed(posted, b"", used=1), ClosedUnusedError)


@pytest.mark.parametrize("said", [b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n{}"])
def test_what_is_no_http_is_a_fault_of_the_protocol(said: bytes) -> None:
    assert failed(posted, said).kind == "protocol"


def line(piece: int, **changes: Any) -> bytes:
    value = {"id": "s", "piece": piece, "sha256": traffic.digest("s", str(piece)), **BY, **changes}
    return json.dumps(value).encode() + b"\n"


def last(count: int) -> bytes:
    return json.dumps({"id": "s", "end": count, "sha256": traffic.digest("s", "end"), **BY}).encode() + b"\n"


def streamed(connection: Connection) -> Awaitable[str]:
    return traffic.stream(connection, "s", pieces=2, seconds=1, checked=lambda: None)


def test_a_whole_stream_is_right_however_it_is_cut_into_pieces() -> None:
    text = line(0) + line(1) + last(2)
    release, _sent = asked(streamed, chunked(text[:10], text[10:200], text[200:]))
    assert release == "r1"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (chunked(line(0), end=False), "cut"),  # the connection ends
        (chunked(line(0), line(1), last(2), end=False), "cut"),  # all there, but the end is not marked
        (chunked(line(0), line(1)), "cut"),  # the end is marked, but the last piece is not there
        (chunked(line(0), line(1), last(2)[:-1]), "cut"),
        (chunked(line(1), line(0), last(2)), "body"),
        (chunked(line(0), line(1, sha256="0"), last(2)), "body"),
        (chunked(line(0), line(1, release="r2"), last(2)), "body"),  # no stream is of two releases
        (chunked(line(0), line(1), last(2), line(2)), "body"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol"),
        (http(200, b"{}"), "protocol"),
        (http(503, b"{}"), "status 503"),
    ],
)
def test_a_stream_that_is_cut_or_wrong_is_counted(said: bytes, kind: str) -> None:
    assert failed(streamed, said).kind == kind


class Talker:
    """A websocket's other end: answers the messages that arrive by a script."""

    def __init__(self, script: Callable[[int], bytes | None]) -> None:
        self.reader = asyncio.StreamReader()
        self.script = script
        self.messages = 0

    def hear(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            key = data.split(b"Sec-WebSocket-Key: ")[1].split(b"\r\n")[0].decode()
            head = f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {frames.accept(key)}\r\n\r\n"
            self.reader.feed_data(head.encode())
        elif data[0] & 0x0F == frames.CLOSE:
            self.reader.feed_data(frames.frame(frames.CLOSE, frames.closing(frames.NORMAL), masked=False))
        else:
            said = self.script(self.messages)
            self.messages += 1
            if said is None:
                self.reader.feed_eof()
            else:
                self.reader.feed_data(said)


def message(number: int, **changes: Any) -> bytes:
    value = {"id": "w", "message": number, "sha256": traffic.digest("w", str(number)), **BY, **changes}
    return frames.frame(frames.TEXT, json.dumps(value).encode(), masked=False)


def goodbye(code: int) -> bytes:
    return frames.frame(frames.CLOSE, frames.closing(code), masked=False)


def talk(script: Callable[[int], bytes | None]) -> traffic.Talk:
    async def pause() -> bool:
        return False

    async def run() -> traffic.Talk:
        other = Talker(script)
        connection = Connection(other.reader, Sent(other.hear), name="echo.test")
        return await traffic.websocket(connection, "w", numbers=range(3), pause=pause, checked=lambda: None)

    return asyncio.run(run())


def test_a_websocket_whose_messages_are_all_answered_is_right() -> None:
    assert talk(message) == traffic.Talk("r1", 3, moved=False)


def test_a_websocket_that_the_service_leaves_in_order_has_moved_and_lost_nothing() -> None:
    found = talk(lambda number: message(number) if number < 2 else goodbye(frames.GOING_AWAY))
    assert found == traffic.Talk("r1", 2, moved=True)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (lambda number: message(number) if number < 1 else None, "message"),  # the connection ends
        (lambda number: message(number) if number < 1 else goodbye(1011), "message"),
        (lambda number: message(number + 1), "body"),  # one answer is lost, the next one comes
        (lambda number: message(number, sha256="0"), "body"),
        (lambda _number: message(0), "body"),
        (lambda _number: b"\x01\x00", "protocol"),
    ],
)
def test_a_lost_websocket_message_is_counted(script: Callable[[int], bytes | None], kind: str) -> None:
    with pytest.raises(Failed) as caught:
        talk(script)
    assert caught.value.kind == kind


def test_a_websocket_that_is_refused_is_counted_by_its_status() -> None:
    async def pause() -> bool:
        return True

    def ask(connection: Connection) -> Awaitable[traffic.Talk]:
        return traffic.websocket(connection, "w", numbers=range(1), pause=pause, checked=lambda: None)

    assert failed(ask, http(502, b"")).kind == "status 502"


@pytest.mark.parametrize(
    ("error", "within", "kind"),
    [
        (TimeoutError(), False, "timeout"),
        (ConnectionResetError(), False, "closed"),
        (ConnectionResetError(), True, "cut"),
        (OSError("no route"), False, "connect"),
        (asyncio.LimitOverrunError("long", 1), False, "protocol"),
        (Failed("body", "x"), True, "body"),
    ],
)
def test_an_exception_of_the_network_is_one_kind_of_failure(error: BaseException, within: bool, kind: str) -> None:
    assert failure_of(error, within=within).kind == kind


def test_a_kind_that_is_not_in_the_list_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="no kind of failure"):
        Failed("strange")
