# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_poll against real local servers: TLS from a temporary authority, ports, slow and wrong answers."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME = "ocr.drydock.test"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers by path; counts, so that it can become ready at the third request."""

    asked: dict[str, int] = {}

    def do_GET(self) -> None:
        self.asked[self.path] = self.asked.get(self.path, 0) + 1
        if self.path == "/slow":
            time.sleep(3)
        if self.path == "/drip":
            return self._drip()
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
    place = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (place / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (place / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "ca.pem", place / "key.pem")
    with server(context) as port:
        yield port, place / "ca.pem"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def health_poll(*targets: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
    """Run the module as Ansible does, in its own process."""
    arguments = {
        "targets": list(targets),
        "timeout": 2,
        "interval": 0.1,
        "_ansible_check_mode": check,
        **options,
    }
    done = subprocess.run(
        [sys.executable, "-m", "ansible_collections.drydock.serving.plugins.modules.health_poll"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


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
    assert "no answer within 0.5 s" in message
    assert "moved: HTTP 302 instead of 200" in message
    assert "drip: HTTP 200, but the body was not complete after 0.5 s" in message
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


def test_credentials_in_a_url_are_not_told() -> None:
    result = health_poll({"name": "x", "url": f"http://user:canary@127.0.0.1:{free_port()}/"}, timeout=0.3)
    assert "canary" not in result["msg"]


def test_a_body_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = health_poll({"name": "x", "url": "http://127.0.0.1:1/", "body_file": str(tmp_path / "none")})
    assert result["failure"]["kind"] == "invalid_target"
    assert str(tmp_path / "none") in result["msg"]


def test_check_mode_looks_as_well(plain: int) -> None:
    assert health_poll({"name": "api", "url": f"http://127.0.0.1:{plain}/ready"}, check=True)["targets"][0]["ok"]


def test_many_slow_targets_are_polled_beside_each_other(plain: int) -> None:
    started = time.monotonic()
    targets = [{"name": f"t{number}", "url": f"http://127.0.0.1:{plain}/slow"} for number in range(40)]
    result = health_poll(*targets, timeout=20)
    assert all(target["ok"] for target in result["targets"])
    assert time.monotonic() - started < 12, "forty targets of three seconds each would take two minutes in turn"
