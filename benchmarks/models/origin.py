# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An origin that costs next to nothing: files by ``sendfile``, ranges, keep-alive, and a count of what was received.

``python origin.py FOLDER --bind ADDRESS`` prints its port and serves until its standard input ends. With ``--delay``
and ``--rate`` it answers like a server far away. ``GET /-/count`` says how many bytes clients have acknowledged.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# At full speed; large enough that Python does next to nothing for a gigabyte.
STRETCH = 8 * 1024 * 1024
# Where a connection is slowed down: small enough to be even, large enough to cost little.
PACED = 512 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d*)$")
# struct tcp_info of Linux 4.1 and later: eight bytes, 24 numbers, two rates, then tcpi_bytes_acked
_ACKED = struct.Struct("=8x96x16xQ")


class Count:
    """Bytes that clients acknowledged, over all connections, those that have ended included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended = 0
        self._requests = 0

    def asked(self, connection: socket.socket) -> None:
        """A client has asked for a file."""
        with self._lock:
            self._open.add(connection)
            self._requests += 1

    def closing(self, connection: socket.socket) -> None:
        """Its last count is taken now."""
        with self._lock:
            if connection in self._open:
                self._open.remove(connection)
                self._ended += _acknowledged(connection)

    def report(self) -> dict[str, int]:
        """``bytes``, ``requests``, and how many connections are ``open``; those that only asked for this left out."""
        with self._lock:
            received = self._ended + sum(map(_acknowledged, self._open))
            return {"bytes": received, "requests": self._requests, "open": len(self._open)}


def _acknowledged(connection: socket.socket) -> int:
    found: int = _ACKED.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size))[0]
    return found


class Origin(ThreadingHTTPServer):
    """Serves the files of one folder.

    :param delay: seconds before a connection is accepted and before each answer.
    :param rate: bytes per second of each connection, 0 for no limit.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, *, bind: str, delay: float, rate: float) -> None:
        super().__init__((bind, 0), Handler)
        self.folder = folder
        self.delay = delay
        self.rate = rate
        self.count = Count()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of what is measured here."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Origin

    def setup(self) -> None:
        """Take as long to be connected as a server far away."""
        super().setup()
        time.sleep(self.server.delay)

    def finish(self) -> None:
        """End counting, before the socket is gone."""
        self.server.count.closing(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with a file, a part of it, or the count."""
        if self.path == "/-/count":
            self._send_count()
            return
        self.server.count.asked(self.connection)
        time.sleep(self.server.delay)
        try:
            descriptor = os.open(self.server.folder / Path(self.path).name, os.O_RDONLY)
        except OSError:
            self.send_error(404)
            return
        try:
            self._send_file(descriptor)
        finally:
            os.close(descriptor)

    def _send_count(self) -> None:
        body = json.dumps(self.server.count.report()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_file(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        etag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
        asked = _RANGE.match(self.headers.get("Range", ""))
        if asked and self.headers.get("If-Range", etag) != etag:
            asked = None
        first, last = 0, found.st_size - 1
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
            if first > last:
                self.send_error(416)
                return
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{found.st_size}")
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", etag)
        self.end_headers()
        self._send_stretches(descriptor, first, last + 1)

    def _send_stretches(self, descriptor: int, start: int, end: int) -> None:
        began, offset = time.monotonic(), start
        stretch = PACED if self.server.rate else STRETCH
        while offset < end:
            sent = os.sendfile(self.connection.fileno(), descriptor, offset, min(stretch, end - offset))
            if sent == 0:
                self.close_connection = True
                return
            offset += sent
            if self.server.rate:
                time.sleep(max(0.0, began + (offset - start) / self.server.rate - time.monotonic()))


def main() -> int:
    """Serve until standard input ends, which it does when the benchmark has ended, however it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bind", default="127.0.0.1")
    parser.add_argument("--delay", type=float, default=0.0)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()
    origin = Origin(options.folder, bind=options.bind, delay=options.delay, rate=options.rate)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    print(origin.server_address[1], flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
