# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an HTTP answer means, and what is never told of a request."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health import connecting, http_request
from ansible_collections.drydock.serving.plugins.module_utils._health import http as http_module
from ansible_collections.drydock.serving.plugins.module_utils._health.http import (
    BODY_LIMIT,
    GLANCE,
    HttpAttempt,
    judge,
    probe_http,
    read,
    without_credentials,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.http_request import CHUNK, PIECE, Connection
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, Observation

Says = Callable[[bytes], None]


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Iterator[Says]:
    """Has whoever is connected to say this, and close."""
    ends: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def set_up(answer: bytes) -> None:
        ours, theirs = socket.socketpair()
        ends.append(theirs)

        def say() -> None:
            with contextlib.suppress(OSError):  # nobody listens any more
                theirs.sendall(answer)
                theirs.shutdown(socket.SHUT_WR)

        threads.append(threading.Thread(target=say, daemon=True))
        threads[-1].start()
        monkeypatch.setattr(http_request, "connected", lambda *_where: ours)

    yield set_up
    for thread, end in zip(threads, ends):
        thread.join()
        end.close()


def test_an_answer_is_read(says: Says) -> None:
    says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    seen = probe_http(HttpSpec(url="http://h/", contains=("{}",)), 30.0)
    assert (seen.ok, seen.summary) == (True, "HTTP 200")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "it has several lengths"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "broke off (IncompleteRead"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off (InvalidChunkLength"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 200, "the answer is not HTTP, or broke off (HTTPException"),
        ((b"HTTP/1.1 100 Continue\r\n\r\n" * 20000)[: 300 * 1024], "more than 262144 bytes of headers"),
        (b"HTTP/1.1 200 OK\r\n" + (b"X-Long: " + b"x" * 60000 + b"\r\n") * 5, "more than 262144 bytes of headers"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70000, "the answer is not HTTP, or broke off (LineTooLong"),
        (b"HTTP/1.1 999999 OK\r\n\r\n", "the answer is not HTTP, or broke off (BadStatusLine"),
        (b"", "the answer is not HTTP, or broke off (RemoteDisconnected"),
    ],
)
def test_what_is_no_answer_is_told_as_the_server_s_fault(says: Says, answer: bytes, words: str) -> None:
    says(answer)
    seen = probe_http(HttpSpec(url="http://h/"), 30.0)
    assert words in seen.summary
    assert (seen.ok, seen.final) == (False, False), "it may say something else next time"


class Odd:
    """The library breaks over an answer."""

    certificate = None
    closed = False

    def answer(self) -> Any:
        raise ValueError("invalid literal for int() with base 10: 'canary'")

    def close(self) -> None:
        self.closed = True


def test_an_answer_over_which_the_library_breaks_is_not_the_request_s_fault() -> None:
    attempt, odd = HttpAttempt(HttpSpec(url="http://h/"), 30.0), Odd()
    exchange: Any = odd
    attempt.exchange = exchange
    assert attempt.finish() == Observation(
        ok=False, summary="http://h/: the answer is not HTTP, or broke off (ValueError)"
    )
    assert odd.closed


def test_a_server_that_resets_the_handshake_is_told(says: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    def reset(*_how: object) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    says(b"")
    monkeypatch.setattr(http_request, "encrypted", reset)
    seen = probe_http(HttpSpec(url="https://h/"), 30.0)
    assert seen.summary == "https://h/: connection reset by peer"


class Slow:
    """Takes a second for everything that it is sent."""

    def __init__(self) -> None:
        self.now, self.limits, self.sizes = 100.0, list[float](), list[int]()

    def monotonic(self) -> float:
        return self.now

    def settimeout(self, seconds: float) -> None:
        self.limits.append(seconds)

    def sendall(self, data: bytes) -> None:
        self.sizes.append(len(data))
        self.now += 1


def test_a_server_that_hardly_reads_what_it_is_sent_holds_an_attempt_no_longer_than_it_may_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Slow()
    monkeypatch.setattr(connecting, "time", slow)
    connection = Connection("h", 80, slow.now + 3)
    connection.sock = slow
    with pytest.raises(socket.timeout):
        connection.send(b"x" * PIECE * 10)
    assert (slow.limits, slow.sizes) == ([3.0, 2.0, 1.0], [PIECE] * 3)


class Body:
    """The library's response, as far as its body is read."""

    status = 200

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.left = chunks

    def stream(self, _size: int, *, decode_content: bool) -> Iterator[bytes]:
        assert decode_content, "a server may compress what it was asked to leave alone"
        return self.left

    def close(self) -> None:
        """Nothing to do."""


def response(size: int) -> Body:
    return Body(b"x" * CHUNK for _number in range(size // CHUNK))


def test_a_body_that_never_ends_is_not_read_beyond_the_limit() -> None:
    endless = response(BODY_LIMIT * 1024)
    assert BODY_LIMIT < len(read(endless, BODY_LIMIT) or b"") <= BODY_LIMIT + CHUNK
    assert next(endless.left)


def test_a_body_that_nobody_judges_is_not_kept() -> None:
    assert len(read(response(BODY_LIMIT), GLANCE) or b"") <= GLANCE + CHUNK


def test_time_in_which_no_thread_was_free_is_not_the_server_s(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Slow()
    monkeypatch.setattr(http_module, "time", SimpleNamespace(monotonic=clock.monotonic, time=clock.monotonic))
    attempt = HttpAttempt(HttpSpec(url="http://h/", max_latency=2.0), 3600.0)
    answer = Body(iter([b"{}"]))
    exchange: Any = SimpleNamespace(heard=lambda: True, answer=lambda: answer, certificate=None, close=answer.close)
    attempt.exchange = exchange
    clock.now += 1
    assert attempt.heard()
    clock.now += 60
    seen = attempt.finish()
    assert (seen.ok, seen.facts["elapsed"]) == (True, 1.0)


@pytest.mark.parametrize("value", ["Bearer canary-value\n", " canary-value", "canary-value-\u2603"])
def test_a_header_that_cannot_be_sent_is_told_without_its_value(value: str) -> None:
    seen = probe_http(HttpSpec(url="http://127.0.0.1:1/", headers={"Authorization": value}), 1.0)
    assert not seen.ok
    assert "canary" not in str(seen.as_dict())


@pytest.mark.parametrize(
    ("spec", "elapsed", "days", "words"),
    [
        (HttpSpec(url="x"), 9.0, None, "HTTP 200"),
        (HttpSpec(url="x", max_latency=1.0), 0.9, None, "HTTP 200"),
        (HttpSpec(url="x", max_latency=1.0), 1.25, None, "answered after 1.250 s, at most 1 s are wanted"),
        (HttpSpec(url="x", certificate_days=14), 0.1, 14, "HTTP 200"),
        (HttpSpec(url="x", certificate_days=14), 0.1, 13, "the certificate is good for 13 more days, at least 14 are"),
    ],
)
def test_a_right_answer_may_come_too_late_or_with_an_old_certificate(
    spec: HttpSpec, elapsed: float, days: int | None, words: str
) -> None:
    seen = judge(spec, status=200, body=b"fine", elapsed=elapsed, certificate_days=days)
    assert seen.summary.startswith(words)
    assert seen.ok == (words == "HTTP 200")
    assert seen.facts.get("certificate_days") == days


def test_a_body_that_echoes_what_was_sent_is_told_without_it() -> None:
    spec = HttpSpec(
        url="x",
        headers={"Authorization": "Bearer canary-one", "X-Key": "canary-two", "Content-Type": "text/plain"},
        json={"a": 1},
    )
    body = b'{"a": "canary-two", "sent": {"auth": "Bearer canary-one", "token": "canary-one", "as": "text/plain"}}'
    seen = judge(spec, status=200, body=body, elapsed=0.1)
    assert "canary" not in str(seen.as_dict())
    assert "text/plain" in seen.summary


@pytest.mark.parametrize(
    ("spec", "echo"),
    [
        (HttpSpec(url="http://h/x?token=canary-1"), "/x?token=canary-1"),
        (HttpSpec(url="http://h/x?token=canary%2F1"), '{"token": "canary/1"}'),
        (HttpSpec(url="http://user:canary@h/"), "canary"),
        (HttpSpec(url="http://user:can%40ry@h/"), "can@ry"),
        (HttpSpec(url="http://canary@h/"), "canary"),
        (HttpSpec(url="http://me:canary@h/"), f"Basic {base64.b64encode(b'me:canary').decode()}"),
        (HttpSpec(url="http://h/", headers={"X-Key": "canary/+="}), '{"key": "canary\\/+="}'),
        (HttpSpec(url="http://h/", headers={"X-Key": "canary/+="}), "?key=canary%2F%2B%3D"),
        (HttpSpec(url="http://h/", headers={"X-Key": 'canary"x'}), '{"key": "canary\\"x"}'),
    ],
)
def test_what_a_request_holds_is_not_told_in_whatever_form_it_comes_back(spec: HttpSpec, echo: str) -> None:
    seen = judge(spec, status=500, body=f"sent: {echo} :sent".encode(), elapsed=0.1)
    assert "sent: " in seen.summary
    assert echo not in seen.summary
    assert "canary" not in seen.summary


def test_a_short_parameter_is_no_secret() -> None:
    seen = judge(HttpSpec(url="http://h/?full=true"), status=500, body=b'{"ready": true}', elapsed=0.1)
    assert seen.facts["body"] == '{"ready": true}'


def test_a_secret_at_the_edge_of_the_excerpt_is_not_told_in_part() -> None:
    spec = HttpSpec(url="x", headers={"X-Key": "canary-" + "k" * 40})
    seen = judge(spec, status=500, body=b"x" * 280 + b"canary-" + b"k" * 40, elapsed=0.1)
    assert "canary" not in seen.summary


def test_of_a_body_without_end_the_beginning_is_judged() -> None:
    large = b"first" + b"x" * BODY_LIMIT + b"last"
    assert judge(HttpSpec(url="x", contains=("first",)), status=200, body=large, elapsed=1).ok
    seen = judge(HttpSpec(url="x", contains=("last",)), status=200, body=large, elapsed=1)
    assert "only the first 1048576 bytes of the body were read" in seen.summary


def test_a_body_that_did_not_end_is_not_judged_though_its_status_is_right() -> None:
    seen = judge(HttpSpec(url="x"), status=200, body=None, elapsed=5.0)
    assert (seen.ok, seen.summary) == (False, "HTTP 200, but the body was not complete after 5.0 s")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:canary@h:1/x", "http://h:1/x"),
        ("https://h/x?token=canary", "https://h/x?…"),
        ("https://h/x#canary", "https://h/x"),
        ("https://[::1]:1/x", "https://[::1]:1/x"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_key(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
