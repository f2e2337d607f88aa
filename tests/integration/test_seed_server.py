# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server of a group answers to those who do not belong to it, over real sockets."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import Catalogue, View
from ansible_collections.drydock.serving.plugins.module_utils._seed.client import (
    SERVER_NAME,
    PeerClient,
    client_context,
)
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import SeedConfig, parse_seed
from ansible_collections.drydock.serving.plugins.module_utils._seed.seeding import listening, server_context
from ansible_collections.drydock.serving.plugins.module_utils._seed.server import Bounds, Server
from ansible_collections.drydock.serving.plugins.module_utils._source import SourceError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_seed import session
from ansible_collections.drydock.serving.tests.integration.seed_group import free_ports

CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMING = "c" * 64
BOUNDS = Bounds(connections=12, from_one=10, greeting=0.8, rest=1.0, piece=1.0)
INDEX = f"/index?instance={'0' * 16}&since=0"


@dataclass
class Running:
    """A server, and what its peers know."""

    config: SeedConfig
    server: Server
    root: Path

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.config.listen), timeout=5)
        return client_context(self.config.certificate).wrap_socket(plain, server_hostname=SERVER_NAME)

    def say(self, text: bytes) -> bytes:
        """Everything that comes back before the server ends the connection."""
        with self.connect() as connection:
            connection.sendall(text)
            return everything(connection)

    def get(self, target: str, *headers: str, token: str | None = None, method: str = "GET") -> bytes:
        allowed = f"Authorization: Bearer {self.config.token if token is None else token}"
        lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", allowed, *headers, "", ""]
        return self.say("\r\n".join(lines).encode("latin-1"))


def everything(connection: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(OSError):
        while True:
            data = connection.recv(65536)
            if not data:
                break
            found += data
    return found


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    blobs = tmp_path / "blobs"
    (blobs / DIGEST[:2]).mkdir(parents=True)
    (blobs / DIGEST[:2] / DIGEST).write_bytes(CONTENT)
    (tmp_path / "secret").write_text("not for anybody")
    link = "f" * 64
    (blobs / "ff").mkdir()
    (blobs / "ff" / link).symlink_to(tmp_path / "secret")
    port = free_ports(1)[0]
    peers = [{"name": name, "address": "127.0.0.1"} for name in ("one", "two")]
    made = session({"listen": port, "name": "one", "peers": peers}, local_tmp=str(tmp_path))
    config = parse_seed(made or {})
    catalogue = Catalogue("1" * 16, lambda _digest: False, monotonic=time.monotonic)
    catalogue.begin([DIGEST, link], [COMING])
    descriptor = os.open(blobs, os.O_RDONLY)
    server = Server(
        listening(config),
        server_context(config.certificate, config.key, tmp_path),
        catalogue,
        token=config.token,
        blobs=descriptor,
        monotonic=time.monotonic,
        bounds=BOUNDS,
    )
    over = threading.Event()
    thread = threading.Thread(target=server.serve, args=(over.is_set,), daemon=True)
    thread.start()
    yield Running(config, server, tmp_path)
    over.set()
    thread.join(5)
    os.close(descriptor)


def client(running: Running, **changes: Any) -> PeerClient:
    config = SeedConfig(**{**running.config.__dict__, **changes})
    return PeerClient(config.peers[0], config, sleep=lambda _seconds: None)


def test_a_peer_reads_the_catalogue_and_fetches_a_blob_on_one_connection(running: Running) -> None:
    peer = client(running)
    view = View()
    for _time in range(3):
        view.read(peer.index(view))
        response, connection = peer.get(DIGEST, {"Range": "bytes=1000-1999"})
        assert (response.status, response.headers["Content-Range"]) == (206, f"bytes 1000-1999/{len(CONTENT)}")
        assert response.read(2000) == CONTENT[1000:2000]
        peer.keep(connection, response)
    response, _connection = peer.get(DIGEST, {})
    assert (response.status, response.read()) == (200, CONTENT)
    assert view.have >= {DIGEST}
    assert view.will_bring(COMING)
    peer.close()


# What is asked with the right token, and the status of the answer.
ASKED = {
    "a blob that is coming": (f"/blobs/{COMING}", 503),
    "a blob that is nowhere": (f"/blobs/{'d' * 64}", 404),
    "a link out of the store": (f"/blobs/{'f' * 64}", 404),
    "the directory": ("/blobs/", 404),
    "a path out of the store": ("/blobs/../../secret", 404),
    "an escaped path": ("/blobs/%2e%2e/secret", 404),
    "an absolute path": ("//etc/passwd", 404),
    "a short digest": (f"/blobs/{DIGEST[:2]}", 404),
    "the root": ("/", 404),
    "the index without its parts": ("/index", 404),
}


@pytest.mark.parametrize("case", ASKED)
def test_nothing_but_blobs_by_digest_is_served(running: Running, case: str) -> None:
    target, expected = ASKED[case]
    answer = running.get(target)
    assert status(answer) == expected
    assert b"not for anybody" not in answer
    assert answer.endswith(b"\r\n\r\n")  # no word more than the status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE"])
def test_nothing_but_get_is_understood(running: Running, method: str) -> None:
    assert status(running.get(f"/blobs/{DIGEST}", method=method)) == 405


@pytest.mark.parametrize("token", ["", "x", "t" * 64, "ü"])
@pytest.mark.parametrize("target", [f"/blobs/{DIGEST}", f"/blobs/{'d' * 64}", INDEX, "/"])
def test_without_the_token_all_looks_the_same(running: Running, target: str, token: str) -> None:
    before = running.server.last
    answer = running.get(target, token=token)
    assert answer == running.get("/anything", token="another") or token == "ü"
    assert status(answer) in (401, 400)
    assert running.server.last == before  # strangers do not keep it alive


def test_a_token_in_the_address_or_in_two_headers_does_not_count(running: Running) -> None:
    token = running.config.token
    assert status(running.get(f"/blobs/{DIGEST}?token={token}", token="x")) == 401
    assert status(running.get(f"/blobs/{DIGEST}", f"Authorization: Bearer {token}")) == 400


# What is not HTTP at all, within TLS.
NOISE = {
    "a long line": b"GET /" + b"a" * 5000,
    "no end": b"GET / HTTP/1.1\r\nA: b\r\n",
    "zeros": bytes(100) + b"\r\n\r\n",
    "TLS in TLS": b"\x16\x03\x01\x02\x00\r\n\r\n",
}


@pytest.mark.parametrize("case", NOISE)
def test_noise_gets_at_most_a_status_and_the_end(running: Running, case: str) -> None:
    answer = running.say(NOISE[case])
    assert answer == b"" or status(answer) == 400


def test_what_does_not_speak_tls_gets_no_answer_of_the_application(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.config.listen), timeout=5) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"HTTP" not in everything(plain)


def test_only_the_newest_tls_is_spoken(running: Running) -> None:
    context = client_context(running.config.certificate)
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2
    plain = socket.create_connection(("127.0.0.1", running.config.listen), timeout=5)
    with pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=SERVER_NAME)


def test_who_is_slow_to_greet_or_to_ask_is_cut_off(running: Running) -> None:
    started = time.monotonic()
    silent = socket.create_connection(("127.0.0.1", running.config.listen), timeout=10)
    slow = running.connect()
    with contextlib.suppress(OSError):
        for letter in b"GET / HTTP/1.1\r\nA: " + b"b" * 100:
            slow.sendall(bytes([letter]))
            time.sleep(0.05)  # slower than a peer, faster than any time limit for one byte
    assert everything(silent) == b""
    assert time.monotonic() - started < 6
    silent.close()
    slow.close()


def test_who_does_not_take_what_was_asked_for_is_cut_off(running: Running) -> None:
    connection = running.connect()
    request = f"GET /blobs/{DIGEST} HTTP/1.1\r\nAuthorization: Bearer {running.config.token}\r\n\r\n"
    connection.sendall(request.encode() * 12)  # twelve times a megabyte, more than any buffer takes
    time.sleep(BOUNDS.piece * 2 + 1)
    assert len(everything(connection)) < 12 * len(CONTENT)
    connection.close()


def test_strangers_that_take_all_connections_hold_no_more_than_their_share_and_not_for_long(running: Running) -> None:
    held = [socket.create_connection(("127.0.0.1", running.config.listen), timeout=5) for _ in range(20)]
    deadline = time.monotonic() + 5
    peer = client(running)
    while True:
        with contextlib.suppress(SourceError):
            View().read(peer.index(View()))
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for each in held:
        each.close()


def test_a_server_with_another_certificate_is_not_spoken_to(running: Running, tmp_path: Path) -> None:
    peers = [{"name": name, "address": "127.0.0.2"} for name in ("one", "two")]
    other = session({"listen": 1, "name": "one", "peers": peers}, local_tmp=str(tmp_path)) or {}
    peer = client(running, certificate=other["certificate"])
    with pytest.raises(SourceError) as failed:
        peer.index(View())
    assert failed.value.kind == "tls"
    assert not failed.value.retryable


def test_nobody_there_and_no_answer_are_told_apart(running: Running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
    config = running.config
    peer = PeerClient(config.peers[0].__class__("x", "127.0.0.1", port), config, sleep=lambda _seconds: None)
    with pytest.raises(SourceError) as failed:
        peer.index(View())
    assert failed.value.kind == "unreachable"
