# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real HTTP server on the loopback that misbehaves on purpose. The first part of a path names the fault."""

from __future__ import annotations

import random
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECE = 64 * 1024


@dataclass
class Request:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]


@dataclass
class Origin:
    """What it serves, and what was asked of it.

    :param chance: decides where a fault that comes sometimes comes.
    :param during: called with the number of body bytes sent so far, before every piece.
    """

    content: bytes = b""
    elsewhere: str = ""
    during: Callable[[int], None] = lambda _sent: None
    port: int = 0
    chance: random.Random = field(default_factory=random.Random)
    requests: list[Request] = field(default_factory=list)
    sent: int = 0
    count: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str, *, scheme: str = "http") -> str:
        return f"{scheme}://localhost:{self.port}/{path}"

    def asked(self, path: str) -> list[Request]:
        """The requests for one path, in order."""
        return [request for request in self.requests if request.path.split("?")[0] == f"/{path}"]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: Origin

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        with self.origin.lock:
            self.origin.requests.append(
                Request(self.path, {name.lower(): value for name, value in self.headers.items()})
            )
        fault = self.path.split("?")[0].strip("/").split("/")[0]
        getattr(self, f"fault_{fault.replace('-', '_')}", self._missing)()

    def _missing(self) -> None:
        self._page(404)

    def _page(self, status: int, body: bytes = b"<html>Sorry</html>", **headers: str) -> None:
        self._head(status, {"Content-Type": "text/html", "Content-Length": str(len(body)), **headers})
        self._send(body)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        done = 0
        try:
            while done < len(body):
                self.origin.during(done)
                piece = body[done : done + PIECE]
                self.wfile.write(piece)
                done += len(piece)
                with self.origin.lock:
                    self.origin.sent += len(piece)
        except OSError:
            self.close_connection = True

    def _reset(self) -> None:
        """End the connection the rude way, once the client had time to take what was sent."""
        self.wfile.flush()
        time.sleep(0.1)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _asked(self) -> tuple[int, int] | None:
        """The range that is asked for: its first byte, and the one behind its last."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found or self.headers.get("If-Range") not in (None, self._etag()):
            return None
        size = len(self.origin.content)
        return int(found[1]), min(size, int(found[2]) + 1) if found[2] else size

    def _start(self) -> int:
        return (self._asked() or (0, 0))[0]

    def _etag(self) -> str:
        return '"v1"'

    def _file(self, *, until: int | None = None, **headers: str) -> None:
        content, asked = self.origin.content, self._asked()
        size = len(content)
        start, stop = asked or (0, size)
        common = {"ETag": self._etag(), "Content-Length": str(stop - start), **headers}
        if asked:
            self._head(206, {"Content-Range": f"bytes {start}-{stop - 1}/{size}", **common})
        else:
            self._head(200, common)
        self._send(content[start : stop if until is None else min(until, stop)])

    # One method for each fault.

    def fault_good(self) -> None:
        self._file()

    def fault_breaks(self) -> None:
        """Breaks off after each megabyte, until the rest is shorter."""
        start = self._start()
        if len(self.origin.content) - start > 1 << 20:
            self._file(until=start + (1 << 20))
            self._reset()
        else:
            self._file()

    def fault_closes_early(self) -> None:
        """Promises everything, sends half, and closes politely; then behaves."""
        self.origin.count += 1
        if self.origin.count == 1:
            self._file(until=len(self.origin.content) // 2, Connection="close")
            self.close_connection = True
        else:
            self._file()

    def fault_ignores_ranges(self) -> None:
        self.origin.count += 1
        content = self.origin.content
        self._head(200, {"Content-Length": str(len(content))})
        self._send(content[: len(content) // 2] if self.origin.count == 1 else content)
        if self.origin.count == 1:
            self._reset()

    def fault_other_offset(self) -> None:
        """Answers 206 from another byte than asked, once."""
        content, start = self.origin.content, self._start()
        self.origin.count += 1
        if start and self.origin.count == 2:
            self._head(206, {"Content-Range": f"bytes 7-{len(content) - 1}/{len(content)}", "Content-Length": "5"})
            self._send(content[7:12])
        elif self.origin.count == 1:
            self._file(until=100_000)
            self._reset()
        else:
            self._file()

    def fault_refuses_ranges(self) -> None:
        self.origin.count += 1
        if self.headers.get("Range"):
            self._page(416)
        elif self.origin.count == 1:
            self._file(until=100_000)
            self._reset()
        else:
            self._file()

    def fault_changes(self) -> None:
        """Another file under the same name after the first connection broke; then its ETag is another one too."""
        self.origin.count += 1
        if self.origin.count == 1:
            self._head(200, {"Content-Length": str(len(self.origin.content)), "ETag": '"old"'})
            self._send(b"x" * 100_000)
            self._reset()
        else:
            self._file()

    def fault_wrong(self) -> None:
        self._page(200, bytes(len(self.origin.content)), Content_Type="application/octet-stream")

    def fault_page(self) -> None:
        self._page(200)

    def fault_chunked_page(self) -> None:
        self._head(200, {"Content-Type": "text/html", "Transfer-Encoding": "chunked"})
        self.wfile.write(b"6\r\n<html>\r\n0\r\n\r\n")

    def fault_gzip(self) -> None:
        self._page(200, b"\x1f\x8b", Content_Encoding="gzip")

    def fault_too_long(self) -> None:
        self._head(200, {"Connection": "close"})
        self._send(self.origin.content + b"more")
        self.close_connection = True

    def fault_no_length(self) -> None:
        self._head(200, {"Connection": "close"})
        self._send(self.origin.content)
        self.close_connection = True

    def fault_busy(self) -> None:
        """429 with a wish, then 503, then the file."""
        self.origin.count += 1
        if self.origin.count < 3:
            self._page(429 if self.origin.count == 1 else 503, Retry_After="1")
        else:
            self._file()

    def fault_down_for_long(self) -> None:
        self._page(503, Retry_After="86400")

    def fault_unauthorized(self) -> None:
        self._page(401)

    def fault_needs_token(self) -> None:
        if self.headers.get("Authorization") == "Bearer tr0ub4dor-and-3":
            self._file()
        else:
            self._page(403)

    def fault_stalls(self) -> None:
        self._head(200, {"Content-Length": str(len(self.origin.content))})
        self._send(self.origin.content[:1000])
        time.sleep(3)
        self.close_connection = True

    def fault_redirects_elsewhere(self) -> None:
        self._page(302, Location=f"{self.origin.elsewhere}?{self.path.partition('?')[2]}")

    def fault_redirects_to_file(self) -> None:
        self._page(302, Location="file:///etc/passwd")

    def fault_redirects_for_ever(self) -> None:
        self._page(302, Location=self.path)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments: Any) -> None:
        """Broken connections are what this is for."""


@contextmanager
def serving(
    content: bytes, *, tls: ssl.SSLContext | None = None, seed: int = 0, handler: type[Handler] = Handler
) -> Iterator[Origin]:
    """A running origin, on a port of its own."""
    origin = Origin(content=content, chance=random.Random(seed))  # noqa: S311 - chance that can be seen again
    server = Server(("127.0.0.1", 0), type("OwnHandler", (handler,), {"origin": origin}))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    origin.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()
