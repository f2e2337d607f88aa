# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_poll against real local servers: TLS from a temporary authority, ports, slow and wrong answers."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.health_targets import NAME, free_port, health_poll, make_certificate


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; counts, so that it can become ready at the third request."""

    asked: dict[str, int] = {}

    def do_GET(self) -> None:
        self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if self.path == "/slow":
            time.sleep(3)
        if self.path == "/drip":
            return self._drip()
        if self.path == "/echo":
            return self._send(200, {"sent": dict(self.headers)})
        warming = self.path == "/warming" and self.asked[self.path] < 3
        body = {"status": "warming" if warming else "ready", "host": self.headers["Host"], "lines": [{"text": "HELLO"}]}
        return self._send(503 if warming else 302 if self.path == "/moved" else 200, body)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self._send(200, {"got": self.rfile.read(length).decode(), "type": self.headers["Content-Type"]})

    def _send(self, code: int, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(raw)))
        if code == 302:
            self.send_header("Location", "/ready")
        self.end_headers()
        self.wfile.write(raw)

    def _drip(self) -> None:
        """One byte at a time, each within the time limit, and the whole far beyond it."""
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        for _number in range(20):
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.2)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the library's own name for it
        """Quiet."""


@contextmanager
def server(context: ssl.SSLContext | None = None) -> Iterator[int]:
    one = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        one.socket = context.wrap_socket(one.socket, server_side=True)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    try:
        yield one.server_address[1]
    finally:
        one.shutdown()
        one.server_close()
        thread.join()


@pytest.fixture(scope="module")
def plain() -> Iterator[int]:
    with server() as port:
        yield port


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """A server whose certificate is for NAME, and the authority to trust."""
    made = make_certificate(tmp_path_factory.mktemp("tls"), days=20.5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with server(context) as port:
        yield port, made.certificate


def test_a_healthy_service_is_seen_at_once(plain: int) -> None:
    result = health_poll({"name": "api", "url": f"http://127.0.0.1:{plain}/ready", "json": {"lines.0.text": "HELLO"}})
    assert result["targets"][0]["ok"]
    assert result["targets"][0]["attempts"] == 1
    assert result["changed"] is False


def test_a_service_that_warms_up_is_waited_for(plain: int) -> None:
    result = health_poll({"name": "api", "url": f"http://127.0.0.1:{plain}/warming", "json": {"status": "ready"}})
    assert result["targets"][0]["attempts"] == 3


def test_every_failing_target_is_told_with_its_own_reason(plain: int) -> None:
    shut = free_port()
    base = f"http://127.0.0.1:{plain}"
    result = health_poll(
        {"name": "fine", "url": f"{base}/ready"},
        {"name": "shut", "type": "tcp", "port": shut},
        {"name": "wrong", "url": f"{base}/ready", "json": {"status": "up"}},
        {"name": "slow", "url": f"{base}/slow", "timeout": 0.5},
        {"name": "moved", "url": f"{base}/moved"},
        {"name": "drip", "url": f"{base}/drip", "timeout": 0.5},
        timeout=3,
    )
    assert result["failed"]
    assert result["failure"]["kind"] == "unhealthy"
    message = result["msg"]
    assert "5 of 6" in message
    assert f"shut: 127.0.0.1:{shut}: connection refused" in message
    assert "wrong: status is 'ready' instead of 'up'" in message
    assert "slow: " in message
    within = re.search(r"no answer within (0\.\d+) s", message)
    assert within, message
    assert float(within[1]) <= 0.5, "the last one may be cut short by the end of everything, none may be longer"
    assert "moved: HTTP 302 instead of 200" in message
    assert re.search(r"drip: HTTP 200, but the body was not complete after \d\.\d s", message), message
    assert "fine" not in message


def test_an_address_is_connected_to_while_the_certificate_is_checked_for_the_name(tls: tuple[int, Path]) -> None:
    port, authority = tls
    result = health_poll(
        {
            "name": "edge",
            "url": f"https://{NAME}:{port}/ready",
            "address": "127.0.0.1",
            "ca_path": str(authority),
            "json": {"host": f"{NAME}:{port}"},
        }
    )
    assert result["targets"][0]["ok"], result


def test_a_certificate_for_another_name_is_refused(tls: tuple[int, Path]) -> None:
    port, authority = tls
    url = f"https://other.drydock.test:{port}/ready"
    result = health_poll({"name": "edge", "url": url, "address": "127.0.0.1", "ca_path": str(authority)})
    assert "TLS certificate refused" in result["msg"] or "doesn't match" in result["msg"]


def test_an_unknown_authority_is_refused(tls: tuple[int, Path]) -> None:
    port, _authority = tls
    result = health_poll({"name": "edge", "url": f"https://{NAME}:{port}/ready", "address": "127.0.0.1"})
    assert "TLS certificate refused" in result["msg"]


def test_a_body_can_be_a_file_text_or_data(plain: int, tmp_path: Path) -> None:
    (tmp_path / "body").write_text("from a file")
    one = {"url": f"http://127.0.0.1:{plain}/echo", "method": "POST"}
    result = health_poll(
        {**one, "name": "file", "body_file": str(tmp_path / "body"), "json": {"got": "from a file"}},
        {**one, "name": "text", "body": "text", "headers": {"Content-Type": "text/x"}, "json": {"type": "text/x"}},
        {**one, "name": "data", "body": {"a": 1}, "json": {"got": '{"a": 1}', "type": "application/json"}},
    )
    assert all(target["ok"] for target in result["targets"]), result


def test_credentials_in_a_url_are_not_told_nor_given_back_with_the_arguments() -> None:
    url = f"http://user:canary-one@127.0.0.1:{free_port()}/x?key=canary-two"
    result = health_poll({"name": "x", "url": url}, timeout=0.3)
    assert "127.0.0.1" in result["invocation"]["module_args"]["targets"][0]["url"]
    assert "canary" not in json.dumps(result)


@pytest.mark.parametrize("wrong", [{"type": "soon"}, {"url": 5, "port": "x"}, {"headers": 5}, {}])
def test_credentials_in_a_url_are_not_given_back_where_other_arguments_are_wrong(wrong: dict[str, Any]) -> None:
    url = "http://user:canary-one@127.0.0.1/x?key=canary-two"
    headers = {"Authorization": "Bearer canary-three"}
    result = health_poll({"name": "x", "url": url, "headers": headers}, {"name": "y", **wrong})
    assert result["failed"]
    assert "canary" not in json.dumps(result)


def test_a_body_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = health_poll({"name": "x", "url": "http://127.0.0.1:1/", "body_file": str(tmp_path / "none")})
    assert result["failure"]["kind"] == "invalid_target"
    assert str(tmp_path / "none") in result["msg"]


class Dripping(socketserver.StreamRequestHandler):
    """Says ``HTTP/1.1 200 OK`` and then one more byte of a header now and then; each comes within the time limit."""

    def handle(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            for _number in range(60):
                self.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            return


def test_headers_that_drip_end_with_the_attempt() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as slow:
        slow.daemon_threads = True
        threading.Thread(target=slow.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{slow.server_address[1]}/"
        result = health_poll({"name": "slow", "url": url, "timeout": 0.4}, timeout=2)
        slow.shutdown()
    assert "no answer within" in result["msg"]
    assert result["targets"][0]["attempts"] >= 2


class Garbled(socketserver.StreamRequestHandler):
    """Answers with something else, or with nothing."""

    answer = b""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.rfile.readline()
            self.wfile.write(self.answer)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
def test_what_is_no_answer_is_told_without_the_address_s_secrets(answer: bytes) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), type("One", (Garbled,), {"answer": answer})) as odd:
        threading.Thread(target=odd.serve_forever, daemon=True).start()
        url = f"http://user:canary@127.0.0.1:{odd.server_address[1]}/?key=canary"
        result = health_poll({"name": "odd", "url": url}, timeout=0.5)
        odd.shutdown()
    assert "canary" not in result["msg"] + str(result["timeline"])
    assert "the answer is not HTTP, or broke off" in result["msg"] or "connection reset" in result["msg"]


def test_what_a_header_holds_is_told_nowhere(plain: int) -> None:
    result = health_poll(
        {
            "name": "api",
            "url": f"http://127.0.0.1:{plain}/echo",
            "headers": {"Authorization": "Bearer canary-7f3a", "X-Key": "canary-9b1c"},
            "json": {"a": 1},
        },
        timeout=0.5,
    )
    assert "HTTP" not in result["msg"]
    assert "a is nothing instead of 1" in result["msg"]
    assert "canary" not in json.dumps(result)


def test_json_patterns_and_latency_are_conditions_too(plain: int) -> None:
    url = f"http://127.0.0.1:{plain}/ready"
    fine = [
        {"path": "lines.0.text", "test": "one_of", "value": ["HELLO", "WORLD"]},
        {"path": "lines", "test": "length_at_least", "value": 1},
    ]
    result = health_poll(
        {"name": "fine", "url": url, "json_tests": fine, "matches": ['"text": "[A-Z]+"'], "max_latency": 30},
        {"name": "short", "url": url, "json_tests": [{"path": "lines", "test": "length_at_least", "value": 2}]},
        {"name": "odd", "url": url, "matches": ['"text": "[0-9]+"']},
        {"name": "late", "url": url, "max_latency": 0.000001},
        timeout=1,
    )
    assert [target["ok"] for target in result["targets"]] == [True, False, False, False]
    assert "short: lines is [{'text': 'HELLO'}], wanted: length at least 2" in result["msg"]
    assert "odd: the body does not match" in result["msg"]
    assert "late: answered after" in result["msg"]


def test_a_certificate_has_to_be_good_for_long_enough(tls: tuple[int, Path]) -> None:
    port, authority = tls
    one = {"url": f"https://{NAME}:{port}/ready", "address": "127.0.0.1", "ca_path": str(authority)}
    result = health_poll(
        {**one, "name": "soon", "certificate_days": 21}, {**one, "name": "later", "certificate_days": 20}, timeout=1
    )
    assert "soon: the certificate is good for 20 more days, at least 21 are wanted" in result["msg"]
    assert result["targets"][1]["last"]["certificate_days"] == 20


def test_phases_follow_each_other_and_the_timeline_tells_when(plain: int) -> None:
    base = f"http://127.0.0.1:{plain}"
    result = health_poll(
        {"name": "answers", "url": f"{base}/ready", "phase": "infers"},
        {"name": "warm", "url": f"{base}/warming?again", "phase": "loading", "contains": ["never"]},
        {"name": "port", "type": "tcp", "port": plain, "phase": "port"},
        phases={"port": 5, "loading": 0.6},
        timeout=30,
    )
    assert "within the 0.6 s of the phase loading" in result["msg"]
    assert "not looked at, as an earlier phase was not passed: answers (phase infers)" in result["msg"]
    assert [change["target"] for change in result["timeline"]] == ["port", "warm"]
    assert result["elapsed"] < 10


def test_an_unknown_phase_is_refused() -> None:
    result = health_poll({"name": "x", "url": "http://127.0.0.1:1/", "phase": "soon"})
    assert "phase" in result["msg"]


def test_everything_that_cannot_be_meant_is_told_at_once_and_with_its_path() -> None:
    result = health_poll(
        {"name": "x", "url": "127.0.0.1", "matches": ["("]}, {"name": "x", "type": "tcp", "port": 70000}, jitter=3
    )
    assert result["failure"]["kind"] == "invalid_target"
    for path in ("jitter: ", "targets[1].name: ", "targets[0].url: ", "targets[0].matches[0]: ", "targets[1].port: "):
        assert f"{path}" in result["msg"]


def test_check_mode_looks_as_well(plain: int) -> None:
    assert health_poll({"name": "api", "url": f"http://127.0.0.1:{plain}/ready"}, check=True)["targets"][0]["ok"]


def test_many_slow_targets_are_polled_beside_each_other(plain: int) -> None:
    started = time.monotonic()
    targets = [{"name": f"t{number}", "url": f"http://127.0.0.1:{plain}/slow"} for number in range(40)]
    result = health_poll(*targets, timeout=20)
    assert all(target["ok"] for target in result["targets"])
    assert time.monotonic() - started < 12, "forty targets of three seconds each would take two minutes in turn"
