# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves blobs to peers: TLS, the token of the run, nothing but GET of a blob by its digest and of the catalogue.

Every connection has a thread, and a moment at which it is cut if it is not through with what it does by then, so that
nobody holds one by being slow. Nothing is written anywhere.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import select
import socket
import ssl
import stat
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import Catalogue
from ansible_collections.drydock.serving.plugins.module_utils._seed.places import BIG, Places
from ansible_collections.drydock.serving.plugins.module_utils._seed.request import (
    BLOB,
    INDEX,
    LONGEST_HEAD,
    BadRequestError,
    Request,
    head_of,
    parse_head,
    parse_range,
)

PIECE = 256 * 1024
TICK = 0.5
_REASONS = {
    200: "OK",
    206: "Partial Content",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    416: "Range Not Satisfiable",
    503: "Service Unavailable",
}
_END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Bounds:
    """How much a client may take. Durations in seconds.

    :param connections: at once, in all.
    :param from_one: at once, from one address.
    :param greeting: from the first packet to the end of the first request.
    :param rest: without a request on a connection that is kept.
    :param piece: for a client to take the next 256 KiB.
    """

    connections: int = 256
    from_one: int = 80
    greeting: float = 10.0
    rest: float = 60.0
    piece: float = 30.0


class Server:
    """Answers on a listening socket until told to end.

    :param blobs: descriptor of the directory that holds blobs as ``ab/<digest>``.
    :param monotonic: seconds that never jump.
    """

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        catalogue: Catalogue,
        *,
        token: str,
        blobs: int,
        monotonic: Callable[[], float],
        bounds: Bounds | None = None,
    ) -> None:
        self._listener = listener
        self._context = context
        self._catalogue = catalogue
        self._token = token.encode("ascii")
        self._blobs = blobs
        self._monotonic = monotonic
        self._bounds = bounds or Bounds()
        self._places = Places(monotonic=monotonic)
        self._guard = threading.Lock()
        self._deadlines: dict[socket.socket, float] = {}
        self._from: Counter[str] = Counter()
        self._sending = 0
        self.last = monotonic()
        """When the group last asked for something."""

    def serve(self, is_over: Callable[[], bool]) -> None:
        """Accept connections until ``is_over``, which is asked twice a second."""
        self._listener.setblocking(False)
        while not is_over():
            ready, _write, _error = select.select([self._listener], [], [], TICK)
            if ready:
                with contextlib.suppress(OSError):
                    connection, address = self._listener.accept()
                    self._take(connection, str(address[0]))
            self._cut_overdue()
        self._listener.close()
        with self._guard:
            for connection in self._deadlines:
                _cut(connection)

    def _take(self, connection: socket.socket, address: str) -> None:
        with self._guard:
            if len(self._deadlines) >= self._bounds.connections or self._from[address] >= self._bounds.from_one:
                connection.close()
                return
        connection.setblocking(True)
        wrapped = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._guard:
            self._deadlines[wrapped] = self._monotonic() + self._bounds.greeting
            self._from[address] += 1
        try:
            threading.Thread(target=self._talk, args=(wrapped, address), daemon=True).start()
        except RuntimeError:  # no more threads to be had
            self._leave(wrapped, address)

    def _cut_overdue(self) -> None:
        with self._guard:
            now = self._monotonic()
            for connection in [each for each, until in self._deadlines.items() if until < now]:
                _cut(connection)

    def _by(self, connection: ssl.SSLSocket, seconds: float) -> None:
        """The connection has so long for what it does next."""
        with self._guard:
            self._deadlines[connection] = self._monotonic() + seconds

    def _leave(self, connection: ssl.SSLSocket, address: str) -> None:
        with self._guard:
            self._deadlines.pop(connection, None)
            self._from[address] -= 1
            if not self._from[address]:
                del self._from[address]
        connection.close()

    def _talk(self, connection: ssl.SSLSocket, address: str) -> None:
        try:
            connection.do_handshake()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = b""
            while True:
                head, kept = self._head(connection, kept)
                if not self._answer(connection, head):
                    return
                self._by(connection, self._bounds.rest)
        except (OSError, ValueError, EOFError):
            return  # the other side left, was cut, or does not speak TLS
        finally:
            self._leave(connection, address)

    def _head(self, connection: ssl.SSLSocket, kept: bytes) -> tuple[bytes, bytes]:
        """One request's head, and what came behind it. :raises EOFError: the client is done, or sends no end."""
        data = kept
        while _END_OF_HEAD not in data:
            if len(data) > LONGEST_HEAD:
                raise EOFError
            more = connection.recv(LONGEST_HEAD)
            if not more:
                raise EOFError
            if not data:
                self._by(connection, self._bounds.greeting)
            data += more
        head, _end, rest = data.partition(_END_OF_HEAD)
        if len(head) > LONGEST_HEAD:
            raise EOFError
        return head, rest

    def _answer(self, connection: ssl.SSLSocket, head: bytes) -> bool:
        """True when the connection may be used again."""
        try:
            request = parse_head(head)
            if not hmac.compare_digest(request.token, self._token):
                raise BadRequestError(401)  # before anything is said about what there is
            self.last = self._monotonic()
            if request.method != "GET":
                raise BadRequestError(405)
            self._route(connection, request)
        except BadRequestError as error:
            self._say(connection, error.status, {"Connection": "close"})
            return False
        return not request.closes

    def _route(self, connection: ssl.SSLSocket, request: Request) -> None:
        blob, index = BLOB.fullmatch(request.target), INDEX.fullmatch(request.target)
        if index is not None:
            place = bool(index[3]) and self._places.take(_name(request))
            page = self._catalogue.page(index[1], int(index[2]), load=self._sending, place=place)
            self._say(connection, 200, {"Content-Type": "text/plain"}, page.encode("ascii"))
        elif blob is None:
            self._say(connection, 404)
        elif self._catalogue.has(blob[1]):
            self._send_blob(connection, request, blob[1])
        elif self._catalogue.is_coming(blob[1]):
            self._say(connection, 503, {"Retry-After": 1})
        else:
            self._say(connection, 404)

    def _say(
        self, connection: ssl.SSLSocket, status: int, headers: dict[str, str | int] | None = None, body: bytes = b""
    ) -> None:
        self._by(connection, self._bounds.piece)
        head = head_of(status, _REASONS[status], {"Content-Length": len(body), **(headers or {})})
        if not body:
            connection.sendall(head)
            return
        connection.sendall(head)
        self._send(connection, memoryview(body))

    def _send(self, connection: ssl.SSLSocket, data: memoryview) -> None:
        for start in range(0, len(data), PIECE):
            self._by(connection, self._bounds.piece)
            connection.sendall(data[start : start + PIECE])
        self.last = self._monotonic()

    def _send_blob(self, connection: ssl.SSLSocket, request: Request, digest: str) -> None:
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
            descriptor = os.open(f"{digest[:2]}/{digest}", flags, dir_fd=self._blobs)
        except OSError:
            self._say(connection, 404)
            return
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                self._say(connection, 404)
                return
            with self._counted(_name(request), found.st_size):
                self._send_file(connection, request, descriptor, digest, found.st_size)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _counted(self, who: str, size: int):  # type: ignore[no-untyped-def]  # a generator; its type says nothing more
        with self._guard:
            self._sending += 1
        try:
            with self._places.used(who) if size >= BIG else contextlib.nullcontext():
                yield
        finally:
            with self._guard:
                self._sending -= 1

    def _send_file(self, connection: ssl.SSLSocket, request: Request, descriptor: int, digest: str, size: int) -> None:
        etag = f'"{digest}"'
        found = parse_range(request, size=size, etag=etag)
        start, stop = found or (0, size)
        headers: dict[str, str | int] = {"Content-Length": stop - start, "ETag": etag, "Accept-Ranges": "bytes"}
        if found:
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        status = 206 if found else 200
        self._by(connection, self._bounds.piece)
        connection.sendall(head_of(status, _REASONS[status], headers))
        buffer = memoryview(bytearray(min(PIECE, max(1, stop - start))))
        while start < stop:
            count = os.preadv(descriptor, [buffer[: stop - start]], start)
            if not count:
                raise EOFError  # it became shorter while it was read; the client sees the connection end too early
            self._send(connection, buffer[:count])
            start += count


def _name(request: Request) -> str:
    return request.headers.get("drydock-peer", "")[:64]


def _cut(connection: socket.socket) -> None:
    """End a connection whoever uses it; only the system call, as the object belongs to another thread."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
