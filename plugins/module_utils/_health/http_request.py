# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes ``requests`` keep to a deadline, share its TLS contexts, and tell the certificate it was shown.

Its own time limits are for each read: a server that sends a byte now and then holds it for ever.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib
import io
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.connecting import (
    connected,
    encrypted,
    time_left,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import context_for

_PLAIN_HTTP = "http/1.1"  # the name that ALPN has for it
PIECE = 16384  # bytes sent at once: one record of TLS, so that each is held to the deadline
HEAD_LIMIT = 256 * 1024  # bytes before the body
BUFFER = 2048  # bytes; the head of an answer, mostly. Hundreds of them wait at the same time


def load_requests() -> Any:
    """The ``requests`` library.

    :raises DrydockError: ``missing_library``, with what to install.
    """
    try:
        return importlib.import_module("requests")
    except ImportError as error:
        raise DrydockError(
            "missing_library",
            "HTTP targets need the Python library requests, which this interpreter does not find. Install "
            "python3-requests from the distribution on the host, or requests with pip on the controller.",
            library="requests",
        ) from error


class UnsendableError(ValueError):
    """A request that no server would get. Its text does not hold what was to be sent."""


@functools.lru_cache(maxsize=1)
def failures() -> tuple[type[Exception], ...]:
    """What goes wrong with a connection and on it, of whatever library. Older ones let each other's through."""
    urllib3 = importlib.import_module("urllib3")
    return (OSError, urllib3.exceptions.HTTPError, http.client.HTTPException)


@dataclass
class Attempt:
    """One request. ``deadline`` is on the monotonic clock.

    :param context: how the connection is encrypted; None where it is not.
    :param server_name: whose certificate is asked for, where that is not the host that is connected to.
    :param certificate: what the server showed, once verified.
    """

    deadline: float
    context: ssl.SSLContext | None = None
    server_name: str | None = None
    certificate: Any = None

    @property
    def default_port(self) -> int:
        return 80 if self.context is None else 443

    def connected(self, host: str, port: int) -> socket.socket:
        """A connection on which requests may be sent."""
        connection = connected(host, port, self.deadline)
        if self.context is None:
            return connection
        try:
            wrapped = encrypted(connection, self.context, (self.server_name or host).rstrip("."), self.deadline)
        except BaseException:
            connection.close()
            raise
        self.certificate = wrapped.getpeercert()
        return wrapped

    def response(self, connection: Any, *arguments: Any, **options: Any) -> http.client.HTTPResponse:
        """Stands for the class of responses: reads from the connection until the deadline and no longer."""
        readable: Any = _Readable(connection, self.deadline)  # all that it takes from a socket is a file
        return _Response(readable, *arguments, **options)


@contextlib.contextmanager
def sent(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    attempt: Attempt,
    ca_path: str | None,
) -> Iterator[Any]:
    """Ask, and give the library's response, whose body is still to be read. Nothing of the environment counts.

    There is no session: it would take a third of an attempt's time and much of its memory for cookies and redirects,
    which are not followed. Nor is a connection kept: whether one is taken is part of the question.
    """
    requests = load_requests()
    try:
        prepared = requests.Request(method, url, headers=headers, data=body).prepare()
    except requests.exceptions.RequestException as error:
        odd = isinstance(error, requests.exceptions.InvalidHeader)
        why = "the value of a header begins with a space or holds a line break" if odd else type(error).__name__
        raise UnsendableError(why) from None
    if urlsplit(url).scheme == "https":
        attempt.context = context_for(ca_path or requests.certs.where(), _PLAIN_HTTP)
    with contextlib.closing(_adapter_class()(attempt)) as adapter, adapter.send(prepared, stream=True) as response:
        yield response


class _Response(http.client.HTTPResponse):
    """One whose head ends: the library takes a hundred headers of 64 KiB, and ``100 Continue`` for ever."""

    def __init__(self, readable: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(readable, *arguments, **options)
        self._answer: _Answer = readable.answer

    def begin(self) -> None:
        super().begin()
        self._answer.room = None


class _Readable:
    """What http.client needs of a socket to read an answer."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.answer = _Answer(connection, deadline)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self.answer, BUFFER)


class _Answer(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._file = connection.makefile("rb", buffering=0)
        self._connection, self._deadline = connection, deadline
        self.room: int | None = HEAD_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(time_left(self._deadline))
        size = self._file.readinto(buffer)
        if self.room is not None:
            self.room -= size or 0
            if self.room < 0:
                raise http.client.HTTPException(f"more than {HEAD_LIMIT} bytes of headers")
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@functools.lru_cache(maxsize=1)
def pool_class() -> Any:
    """Stands on the libraries' classes, which are loaded at run time."""
    connections, pools = (
        importlib.import_module("urllib3.connection"),
        importlib.import_module("urllib3.connectionpool"),
    )

    class Connection(connections.HTTPConnection):  # type: ignore[misc,name-defined]  # known at run time only
        def __init__(self, *arguments: Any, attempt: Attempt, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.response_class = attempt.response
            self._attempt = attempt
            self.default_port = attempt.default_port  # which a request need not name

        def connect(self) -> None:
            self.sock = self._attempt.connected(self.host, self.port)

        def send(self, data: bytes) -> None:
            for at in range(0, len(data), PIECE):
                self.sock.settimeout(time_left(self._attempt.deadline))
                super().send(data[at : at + PIECE])

    class Pool(pools.HTTPConnectionPool):  # type: ignore[misc,name-defined]  # as above
        ConnectionCls = Connection

        def _validate_conn(self, conn: Any) -> None:
            conn.connect()  # not with the first byte, where a reset would be taken for an answer that came early

    return Pool


@functools.lru_cache(maxsize=1)
def _adapter_class() -> Any:
    """As above."""

    class Adapter(load_requests().adapters.HTTPAdapter):  # type: ignore[misc]  # as above
        """With one pool, and that for one connection, instead of a manager of many."""

        def __init__(self, attempt: Attempt) -> None:
            self._attempt = attempt
            self._pool: Any = None
            super().__init__()

        def init_poolmanager(self, *_arguments: Any, **_options: Any) -> None:
            """There is none."""

        def get_connection(self, url: str, _proxies: Any = None) -> Any:
            """As requests before 2.32 asks for it."""
            parts = urlsplit(url)
            port = parts.port or self._attempt.default_port
            self._pool = pool_class()(parts.hostname, port, maxsize=1, attempt=self._attempt)
            return self._pool

        def get_connection_with_tls_context(self, request: Any, _verify: Any, **_more: Any) -> Any:
            return self.get_connection(request.url)

        def cert_verify(self, *_arguments: Any) -> None:
            """The context does, which has read its authorities once for all attempts."""

        def close(self) -> None:
            if self._pool is not None:
                self._pool.close()

    return Adapter
