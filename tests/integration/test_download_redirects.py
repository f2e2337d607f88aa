# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redirects over real sockets: what comes with one costs neither memory nor, where it is little, a new connection."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, WebTransport, parse_source

PIECE = bytes(64 * 1024)
ENDLESS = 1 << 40


class Redirecting(ThreadingHTTPServer):
    """``/there`` is the file, everything else leads to it.

    :param length: of what comes with a redirect.
    """

    daemon_threads = True

    def __init__(self, length: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.length = length
        self.sent = self.connections = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Redirecting

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/there":
            self.send_response(200)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"file")
            return
        self.send_response(302)
        self.send_header("Location", "/there")
        self.send_header("Content-Length", str(self.server.length))
        self.end_headers()
        self.close_connection = self.server.length == ENDLESS
        left = self.server.length
        with contextlib.suppress(OSError):
            while left:
                count = self.connection.send(PIECE[: min(left, len(PIECE))])
                self.server.sent += count
                left -= count


@contextlib.contextmanager
def redirecting(length: int) -> Iterator[Redirecting]:
    with Redirecting(length) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.mark.parametrize(("length", "connections"), [(0, 1), (300, 1), (100_000, 4), (ENDLESS, 4)])
def test_little_keeps_the_connection_and_much_is_not_read(length: int, connections: int) -> None:
    with redirecting(length) as server:
        settings = HttpSettings(timeout=3, stall_timeout=3, ca_path=None, headers={})
        web = WebTransport(settings, now=time.time)
        for _time in range(4):
            answer = web.open(parse_source(f"http://127.0.0.1:{server.server_port}/here"), offset=0)
            assert answer.read(100) == b"file"
            assert answer.read(1) == b""
            answer.close()
        assert server.connections <= connections + 1
        assert connections > 1 or server.connections == 1
        assert server.sent < 4 * 16 * 1024 * 1024
