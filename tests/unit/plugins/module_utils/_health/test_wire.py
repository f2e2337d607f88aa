# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading from a connection within bounds."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any, Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health import wire as wire_module
from ansible_collections.drydock.serving.plugins.module_utils._health.redis import probe_redis
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, RedisSpec, Tls
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import days_left, expiry_mismatch
from ansible_collections.drydock.serving.plugins.module_utils._health.wire import (
    LINE_LIMIT,
    Wire,
    WireAttempt,
    WireError,
    observe,
    reason,
)

from tests.unit.plugins.module_utils._health.wires import wire_that_says


def test_lines_and_bytes_are_read_in_turn() -> None:
    with wire_that_says(b"one\r\ntwo\nrest") as (wire, _sent):
        assert (wire.line(), wire.line(), wire.exactly(4)) == (b"one", b"two", b"rest")


def test_an_end_before_and_within_an_answer_are_told_apart() -> None:
    with wire_that_says(b"") as (wire, _sent), pytest.raises(WireError, match="closed the connection without"):
        wire.exactly(1)
    with wire_that_says(b"abc") as (wire, _sent), pytest.raises(WireError, match="broke off its answer"):
        wire.line()


def test_a_line_without_end_is_not_read_to_its_end() -> None:
    with wire_that_says(b"x" * (LINE_LIMIT * 20)) as (wire, _sent), pytest.raises(WireError, match="without an end"):
        wire.line()


def pair(within: float = 30.0) -> tuple[Wire, socket.socket]:
    ours, theirs = socket.socketpair()
    return Wire(ours, deadline=time.monotonic() + within, within=within), theirs


def test_what_is_heard_without_waiting_is_the_beginning_of_what_is_read() -> None:
    wire, theirs = pair()
    with wire, theirs:
        assert not wire.heard()
        theirs.send(b"+PO")
        assert wire.heard()
        theirs.send(b"NG\r\n")
        assert wire.line() == b"+PONG"


def test_an_end_that_is_heard_without_waiting_is_told_when_it_is_read() -> None:
    wire, theirs = pair()
    theirs.close()
    with wire:
        assert wire.heard()
        with pytest.raises(WireError, match="closed the connection without an answer"):
            wire.line()


class Reset(socket.socket):
    def recv(self, _size: int, _flags: int = 0) -> bytes:
        raise ConnectionResetError(104, "Connection reset by peer")


def test_a_connection_that_breaks_while_nobody_waits_is_told_when_it_is_read() -> None:
    with Wire(Reset(), deadline=time.monotonic() + 30, within=30) as wire:
        assert wire.heard()
        with pytest.raises(WireError, match="connection reset by peer"):
            wire.exactly(1)


def met(monkeypatch: pytest.MonkeyPatch, answer: bytes, ask: Callable[[Wire], None]) -> Any:
    """An attempt at whoever says this."""
    ours, theirs = socket.socketpair()
    theirs.send(answer)
    theirs.close()
    monkeypatch.setattr(wire_module, "connected", lambda *_where: ours)
    return observe("h", 1, ask, lambda wire: Observation(ok=True, summary=wire.line().decode()), timeout=30.0)


def test_an_answer_that_is_there_already_is_judged_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = met(monkeypatch, b"fine\n", lambda _wire: None)
    assert seen == Observation(ok=True, summary="h:1: fine")


def test_what_goes_wrong_while_asking_is_seen_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_wire: Wire) -> None:
        raise WireError("does not offer TLS")

    assert met(monkeypatch, b"", ask) == Observation(ok=False, summary="h:1: does not offer TLS")


def test_an_attempt_whose_answer_is_still_to_come_can_wait_without_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(wire_module, "connected", lambda *_where: ours)
    attempt = probe_redis(RedisSpec(host="h", port=1), 30.0)
    with theirs:
        assert isinstance(attempt, WireAttempt)
        assert attempt.fileno() == ours.fileno()
        assert not attempt.heard()
        theirs.send(b"+PONG\r\n")
        assert attempt.heard()
        assert attempt.finish() == Observation(ok=True, summary="h:1: up", facts={"code": "PONG"})
    assert ours.fileno() == -1, "and is closed then"


def test_nothing_is_waited_for_after_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Wire(ours, deadline=time.monotonic() - 1, within=3) as wire:
        with pytest.raises(WireError, match="no answer within 3 s"):
            wire.exactly(1)
        with pytest.raises(WireError, match="no answer within 3 s"):
            wire.send(b"x")


def test_what_came_before_tls_began_does_not_pass_for_what_came_in_it() -> None:
    with wire_that_says(b"S" + b"R\0\0\0\x08\0\0\0\0") as (wire, _sent):
        assert wire.exactly(1) == b"S"
        with pytest.raises(WireError, match="sends more before TLS begins"):
            wire.encrypt(Tls(name="localhost"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (socket.timeout("timed out"), "no answer within 2 s"),
        (socket.gaierror(-2, "Name or service not known"), "name or service not known"),
        (UnicodeError("label too long"), "label too long"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1007)"), "TLS failed"),
    ],
)
def test_why_a_connection_failed_is_told_in_words(error: Exception, words: str) -> None:
    assert reason(error, 2.0).startswith(words)


def test_the_days_a_certificate_has_left_are_whole_ones() -> None:
    certificate = {"notAfter": "Jan  5 09:00:00 2030 GMT"}
    end = ssl.cert_time_to_seconds(certificate["notAfter"])
    assert days_left(certificate, now=end - 2 * 86400) == 2
    assert days_left(certificate, now=end - 2 * 86400 + 1) == 1
    assert days_left(certificate, now=end + 1) == -1
    assert days_left(None, now=end) is None
    assert expiry_mismatch(None, 1) != []
    assert expiry_mismatch(None, None) == []
