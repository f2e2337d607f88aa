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
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import context_for

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


@dataclass
class Attempt:
    """One request. ``deadline`` is on the monotonic clock; ``certificate`` is what the server showed, once verified."""

    deadline: float
    certificate: Any = None

    def response(self, connection: Any, *arguments: Any, **options: Any) -> http.client.HTTPResponse:
        """Stands for the class of responses: reads from the connection until the deadline and no longer."""
        readable: Any = _Readable(connection, self.deadline)  # all that it takes from a socket is a file
        return http.client.HTTPResponse(readable, *arguments, **options)


@contextlib.contextmanager
def sent(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None,
    attempt: Attempt,
    timeout: float,
    ca_path: str | None,
    server_name: str | None,
) -> Iterator[Any]:
    """Ask, and give the library's response, whose body is still to be read. Nothing of the environment counts.

    There is no session: it would take a third of an attempt's time and much of its memory for cookies and redirects,
    which are not followed.

    :param server_name: whose certificate is asked for, where that is not the URL's host.
    """
    requests = load_requests()
    prepared = requests.Request(method, url, headers=headers, data=body).prepare()
    encrypted = urlsplit(url).scheme == "https"
    context = context_for(ca_path or requests.certs.where(), _PLAIN_HTTP) if encrypted else None
    adapter = _adapter_class()(attempt, context, server_name)
    with contextlib.closing(adapter), adapter.send(prepared, stream=True, timeout=timeout) as response:
        yield response


class _Readable:
    """What http.client needs of a socket to read an answer."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self._connection, self._deadline))


class _Answer(io.RawIOBase):
    def __init__(self, connection: socket.socket, deadline: float) -> None:
        super().__init__()
        self._file = connection.makefile("rb", buffering=0)
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._connection.settimeout(left)
        return self._file.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@functools.lru_cache(maxsize=1)
def _adapter_class() -> Any:
    """The classes that stand on the libraries', which are loaded at run time."""
    requests = load_requests()
    connections, pools = (
        importlib.import_module("urllib3.connection"),
        importlib.import_module("urllib3.connectionpool"),
    )

    class Plain(connections.HTTPConnection):  # type: ignore[misc,name-defined]  # known at run time only
        def __init__(self, *arguments: Any, attempt: Attempt, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.response_class = attempt.response

    class Encrypted(connections.HTTPSConnection):  # type: ignore[misc,name-defined]  # as above
        def __init__(self, *arguments: Any, attempt: Attempt, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.response_class = attempt.response
            self._attempt = attempt

        def connect(self) -> None:
            super().connect()
            if isinstance(self.sock, ssl.SSLSocket):
                self._attempt.certificate = self.sock.getpeercert()

    class PlainPool(pools.HTTPConnectionPool):  # type: ignore[misc,name-defined]  # as above
        ConnectionCls = Plain

    class EncryptedPool(pools.HTTPSConnectionPool):  # type: ignore[misc,name-defined]  # as above
        ConnectionCls = Encrypted

    class Adapter(requests.adapters.HTTPAdapter):  # type: ignore[misc,name-defined]  # as above
        def __init__(self, attempt: Attempt, context: ssl.SSLContext | None, hostname: str | None) -> None:
            self._attempt = attempt
            self._tls: dict[str, Any] = {} if context is None else {"ssl_context": context}
            if context is not None and hostname:
                self._tls["server_hostname"] = hostname
            super().__init__(pool_connections=1, pool_maxsize=1)

        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options, **self._tls)
            self.poolmanager.pool_classes_by_scheme = {
                "http": functools.partial(PlainPool, attempt=self._attempt),
                "https": functools.partial(EncryptedPool, attempt=self._attempt),
            }

        def cert_verify(self, conn: Any, _url: str, _verify: Any, _cert: Any) -> None:
            conn.cert_reqs = "CERT_REQUIRED"  # by the context, which has read its authorities once for all attempts

    return Adapter
