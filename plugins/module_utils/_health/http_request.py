# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer, within one deadline: prepared by ``requests``, read by the library under it.

Their own way of sending has a limit for each read, so that a server that sends a byte now and then holds it for ever;
and it needs a thread until the answer comes.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib
import io
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.connecting import (
    NOT_YET,
    connected,
    encrypted,
    time_left,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import context_for

CHUNK = 16384  # bytes of a body that are read at once
PIECE = 16384  # bytes sent at once: one record of TLS, so that each is held to the deadline
HEAD_LIMIT = 256 * 1024  # bytes before the body
BUFFER = 2048  # bytes; the head of an answer, mostly
_PLAIN_HTTP = "http/1.1"  # the name that ALPN has for it


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


@functools.lru_cache(maxsize=2)
def failures(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What goes wrong with a connection and on it, of whatever library."""
    return (OSError, importlib.import_module("urllib3").exceptions.HTTPError, http.client.HTTPException, *more)


class Exchange:
    """One request.

    Nothing of the environment counts, nothing is followed and no connection is kept: whether one is taken is part of
    the question.

    :param deadline: on the monotonic clock, for all of it.
    :param server_name: whose certificate is asked for, where that is not the URL's host.
    :raises UnsendableError: it cannot be prepared.
    """

    def __init__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: float,
        ca_path: str | None = None,
        server_name: str | None = None,
    ) -> None:
        requests = load_requests()
        try:
            self._request = requests.Request(method, url, headers=headers, data=body).prepare()
        except requests.exceptions.RequestException as error:
            odd = isinstance(error, requests.exceptions.InvalidHeader)
            why = "the value of a header begins with a space or holds a line break" if odd else type(error).__name__
            raise UnsendableError(why) from None
        parts = urlsplit(self._request.url)
        tls = parts.scheme == "https"
        self._context = context_for(ca_path or requests.certs.where(), _PLAIN_HTTP) if tls else None
        self._server_name = server_name or str(parts.hostname)
        self._connection = Connection(str(parts.hostname), parts.port or (443 if tls else 80), deadline)
        self._connection.default_port = 443 if tls else 80  # which a request need not name
        self.deadline = deadline
        self.certificate: Any = None  # what the server showed, once verified

    def send(self) -> None:
        """Connect, and send all of it."""
        self._connection.connect()
        if self._context is not None:
            name = self._server_name.rstrip(".")
            wrapped = encrypted(self._connection.sock, self._context, name, self.deadline)
            self._connection.sock, self.certificate = wrapped, wrapped.getpeercert()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it had all
            self._connection.request(
                self._request.method, self._request.path_url, self._request.body, dict(self._request.headers)
            )

    def fileno(self) -> int:
        """What can be waited for, once it is sent."""
        return int(self._connection.sock.fileno())

    def heard(self) -> bool:
        """Whether the answer begins, or none will come any more. Waits for nothing."""
        return self._connection.heard()

    def answer(self) -> Any:
        """The library's response, whose body is still to be read."""
        found = self._connection.getresponse()
        library = importlib.import_module("urllib3.response")
        return library.HTTPResponse(
            body=found,
            headers=found.headers.items(),
            status=found.status,
            version=found.version,
            reason=found.reason,
            preload_content=False,
            original_response=found,
            enforce_content_length=True,
            request_method=self._request.method,
        )

    def close(self) -> None:
        """Whatever has become of it."""
        self._connection.close()


class Connection(http.client.HTTPConnection):
    """Sends and reads until the deadline and no longer."""

    def __init__(self, host: str, port: int, deadline: float) -> None:
        super().__init__(host, port)
        self.sock: Any = None
        self._deadline = deadline
        self._first: bytes | None = None
        self._failure: OSError | None = None
        self.response_class: Any = self._response

    def connect(self) -> None:
        self.sock = connected(self.host, self.port, self._deadline)

    def send(self, data: Any) -> None:
        for at in range(0, len(data), PIECE):
            self.sock.settimeout(time_left(self._deadline))
            super().send(data[at : at + PIECE])

    def heard(self) -> bool:
        try:
            self.sock.settimeout(0)
            self._first = self.sock.recv(BUFFER)
        except NOT_YET:
            return False
        except OSError as error:
            self._failure = error  # for whoever reads
        return True

    def _response(self, connection: Any, *arguments: Any, **options: Any) -> http.client.HTTPResponse:
        """Stands for the class of responses."""
        return _Response(_Readable(connection, self._deadline, self._told()), *arguments, **options)

    def _told(self) -> Iterator[bytes]:
        """What was heard already."""
        if self._failure is not None:
            raise self._failure
        if self._first is not None:
            yield self._first


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

    def __init__(self, connection: socket.socket, deadline: float, told: Iterator[bytes]) -> None:
        self.answer = _Answer(connection, deadline, told)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self.answer, BUFFER)


class _Answer(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float, told: Iterator[bytes]) -> None:
        super().__init__()
        self._connection, self._deadline, self._told = connection, deadline, told
        self._file = connection.makefile("rb", buffering=0)  # holds the connection when the library has let it go
        self.room: int | None = HEAD_LIMIT

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._connection.settimeout(time_left(self._deadline))
        told = next(self._told, None)
        if told is None:
            size = self._file.readinto(buffer) or 0
        else:
            size = len(told)
            buffer[:size] = told
        if self.room is not None:
            self.room -= size
            if self.room < 0:
                raise http.client.HTTPException(f"more than {HEAD_LIMIT} bytes of headers")
        return size

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
