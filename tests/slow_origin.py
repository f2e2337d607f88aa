# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP server that is slow on purpose, for tests that need something to happen in the middle of a download."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 16 * 1024
MEGABYTE = 1_000_000


class SlowOrigin:
    """One file under any name, with ranges, at one pace for all connections together.

    :param rate: bytes per second; may be changed while it runs.
    """

    def __init__(self, content: bytes, *, rate: float) -> None:
        self.content, self.rate = content, rate
        self.port = 0
        self.sent = 0
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._free_at = 0.0
        self._guard = threading.Lock()

    def asked(self, path: str, headers: dict[str, str]) -> None:
        with self._guard:
            self.paths.append(path)
            self.headers.append(headers)

    def wait_for_turn(self, size: int) -> None:
        """Sleep for as long as the pace wants; the bytes count as sent."""
        with self._guard:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self.rate
            pause = self._free_at - now
            self.sent += size
        time.sleep(pause)

    def wait_until_sent(self, size: float, *, timeout: float = 60) -> None:
        """Block until so many bytes were sent."""
        deadline = time.monotonic() + timeout
        while self.sent < size:
            assert time.monotonic() < deadline, f"only {self.sent} bytes were asked for in {timeout:g} s"
            time.sleep(0.05)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: SlowOrigin

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        content, size = self.origin.content, len(self.origin.content)
        self.origin.asked(self.path, {name.lower(): value for name, value in self.headers.items()})
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(found[1]) if found else 0
        last = min(size - 1, int(found[2])) if found and found[2] else size - 1
        self.send_response(206 if found else 200)
        if found:
            self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        try:
            for start in range(first, last + 1, PIECE):
                piece = content[start : min(start + PIECE, last + 1)]
                self.origin.wait_for_turn(len(piece))
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments: Any) -> None:
        """Broken connections are what this is for."""


@contextmanager
def serving_slowly(content: bytes, *, rate: float, address: str = "127.0.0.1") -> Iterator[SlowOrigin]:
    """A running origin, on a port of its own."""
    origin = SlowOrigin(content, rate=rate)
    server = Server((address, 0), type("OwnHandler", (Handler,), {"origin": origin}))
    origin.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
