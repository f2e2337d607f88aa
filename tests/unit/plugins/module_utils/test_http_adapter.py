# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the head of an answer may take: a server in memory, and a clock that moves when it sends."""

from __future__ import annotations

import io
import itertools
import socket
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils import _http_adapter
from ansible_collections.drydock.serving.plugins.module_utils._http_adapter import PromptResponse, bounded_adapter
from ansible_collections.drydock.serving.plugins.module_utils._seed.client import _Connection

PATIENCE = 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"


class Wire(io.RawIOBase):
    """A socket on which each piece comes a second after the one before, if it is waited for so long."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self.pieces: Iterator[bytes] = iter(pieces)
        self.now = 100.0
        self.timeout = PATIENCE

    def monotonic(self) -> float:
        return self.now

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def gettimeout(self) -> float:
        return self.timeout

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.now += min(1.0, self.timeout)
        if self.timeout < 1.0:
            raise socket.timeout("timed out")
        piece = next(self.pieces, b"")
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.fixture(name="answer")
def answer_fixture(monkeypatch: pytest.MonkeyPatch) -> Any:
    def answer(pieces: Iterable[bytes]) -> tuple[PromptResponse, Wire]:
        wire = Wire(pieces)
        monkeypatch.setattr(_http_adapter, "time", SimpleNamespace(monotonic=wire.monotonic))
        return PromptResponse(wire, method="GET"), wire

    return answer


def letters(text: bytes) -> list[bytes]:
    return [text[place : place + 1] for place in range(len(text))]


# Each wait is shorter than the patience, and all of them together are not.
ENDLESS = {
    "dripped": letters(HEAD),
    "a name that never ends": itertools.repeat(b"x"),
    "100 Continue for ever": itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_a_head_that_does_not_end_is_not_waited_for(answer: Any, case: str) -> None:
    response, wire = answer(ENDLESS[case])
    with pytest.raises(socket.timeout):
        response.begin()
    assert wire.now - 100.0 <= PATIENCE
    response.close()


def test_a_head_that_comes_in_time_is_read_and_the_body_has_all_the_time_it_needs(answer: Any) -> None:
    response, wire = answer([HEAD[:7], HEAD[7:20], HEAD[20:], *letters(b"weights!!")])
    response.begin()
    assert wire.timeout == PATIENCE
    assert b"".join(response.read1(1) for _letter in range(9)) == b"weights!!"
    assert wire.now - 100.0 > PATIENCE


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# What stands around the bytes of a body.
PADDED = {
    "behind a size": [b"1;", *letters(b"padding" * 3)],
    "behind the last chunk": [b"0\r\n", *[b"X-Padding: x\r\n"] * 21],
}


@pytest.mark.parametrize("case", PADDED)
def test_what_stands_between_chunks_and_does_not_end_is_not_waited_for(answer: Any, case: str) -> None:
    response, wire = answer([CHUNKED, b"3\r\nocr\r\n", *PADDED[case]])
    response.begin()
    assert response.read1(9) == b"ocr"
    before = wire.now
    with pytest.raises(socket.timeout):
        response.read1(9)
    assert wire.now - before <= PATIENCE
    response.close()


def test_chunks_that_come_slowly_have_all_the_time_they_need(answer: Any) -> None:
    response, wire = answer([CHUNKED, *[b"1\r\nx\r\n"] * 9, b"0\r\n\r\n"])
    response.begin()
    assert b"".join(response.read1(9) for _chunk in range(10)) == b"x" * 9
    assert wire.now - 100.0 > PATIENCE
    assert wire.timeout == PATIENCE


def test_what_is_read_of_a_proxy_before_the_connection_is_handed_on_leaves_its_timeout(answer: Any) -> None:
    response, wire = answer([b"HTTP/1.1 200 Connection established\r\n\r\n"])
    assert response._read_status()[1] == 200  # as http.client does behind CONNECT
    response.close()
    assert wire.timeout == PATIENCE


def test_a_socket_that_waits_for_ever_is_left_alone(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "gettimeout", lambda _self: None)
    response, _wire = answer(letters(HEAD))
    response.begin()
    assert response.status == 200


@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example/"])
def test_every_connection_is_prompt_also_through_a_proxy(url: str) -> None:
    adapter = bounded_adapter(requests)
    direct = adapter.poolmanager
    proxied = [adapter.proxy_manager_for("http://proxy.example:3128") for _time in range(2)]
    assert proxied[0] is proxied[1]
    for manager in (direct, *proxied):
        pool = manager.connection_from_url(url)
        assert pool.ConnectionCls.response_class is PromptResponse
        assert [kind.__name__ for kind in type(pool).mro()].count("PromptPool") == 1


def test_peers_of_a_group_are_held_to_it_too() -> None:
    assert _Connection.response_class is PromptResponse
