# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking one peer, over connections that are kept. Only a server with the certificate of this run is spoken to."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._http_adapter import PromptResponse
from ansible_collections.drydock.serving.plugins.module_utils._retry import parse_retry_after
from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import View
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import Peer, SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._source import SourceError

CONNECT_TIMEOUT = 2.0
STALL_TIMEOUT = 20.0
# A peer that is overrun says when to come again; so often is enough.
TRIES = 20
# The name in the certificate. Which host it is proves nothing: all of the group have the same key.
SERVER_NAME = "seed.drydock.invalid"
# Bytes of a catalogue with some 200,000 files; more than that is not read.
LONGEST_PAGE = 16 * 1024 * 1024


class _Connection(http.client.HTTPConnection):
    """Connects to the peer itself, whatever proxies the environment names."""

    response_class = PromptResponse

    def __init__(self, peer: Peer, context: ssl.SSLContext, pinned: bytes) -> None:
        super().__init__(peer.address, peer.port, timeout=CONNECT_TIMEOUT)
        self._context = context
        self._pinned = pinned

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), timeout=CONNECT_TIMEOUT)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(STALL_TIMEOUT)
            wrapped = self._context.wrap_socket(plain, server_hostname=SERVER_NAME)
        except BaseException:
            plain.close()
            raise
        self.sock = wrapped
        if wrapped.getpeercert(binary_form=True) != self._pinned:
            self.close()
            raise ssl.SSLCertVerificationError("another certificate than this run's")


class PeerClient:
    """One peer, for any number of threads.

    :param sleep: waits some seconds when the peer is overrun.
    """

    def __init__(self, peer: Peer, config: SeedConfig, *, sleep: Callable[[float], Any]) -> None:
        self.peer = peer
        self._context = client_context(config.certificate)
        self._pinned = ssl.PEM_cert_to_DER_cert(config.certificate)
        self._headers = {
            "Authorization": f"Bearer {config.token}",
            "Drydock-Peer": hashlib.sha256(config.name.encode()).hexdigest()[:32],
        }
        self._sleep = sleep
        self._guard = threading.Lock()
        self._idle: list[_Connection] = []
        self._closed = False

    def index(self, view: View, *, place: bool = False) -> str:
        """A page of the peer's catalogue behind what the view has read.

        :param place: ask for a place among those who fetch big files.
        :raises SourceError: it gave none.
        """
        target = f"/index?instance={view.instance}&since={view.since}{'&place' if place else ''}"
        response, connection = self._ask(target, {})
        with self._named(connection):
            if response.status != 200:
                raise self._refusal(response.status)
            page = response.read(LONGEST_PAGE + 1)
            if len(page) > LONGEST_PAGE:
                raise SourceError("bad_response", f"{self.peer.base} sent a catalogue without end")
            self.keep(connection, response)
            return page.decode("ascii", "replace")

    def get(self, digest: str, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, _Connection]:
        """The beginning of an answer with a blob; status 200, 206 or 416.

        :raises SourceError: the peer does not give it.
        """
        for _try in range(TRIES):
            response, connection = self._ask(f"/blobs/{digest}", headers)
            if response.status in (200, 206, 416):
                return response, connection
            with self._named(connection):
                response.read()
                self.keep(connection, response)
            pause = parse_retry_after(response.headers.get("Retry-After"), now=0.0)
            if response.status != 503 or pause is None:
                break
            self._sleep(min(pause, STALL_TIMEOUT))
        raise self._refusal(response.status)

    def keep(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        """Use the connection again, where the answer was read to its end."""
        with self._guard:
            if (
                response.isclosed()
                and not response.length
                and not response.will_close
                and not self._closed
                and connection.sock is not None
            ):
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """End the connections that nobody uses; those in use end with their answers."""
        with self._guard:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _ask(self, target: str, headers: Mapping[str, str]) -> tuple[http.client.HTTPResponse, _Connection]:
        with self._guard:
            kept = self._idle.pop() if self._idle else None
        if kept is not None:
            # the peer may have ended a connection that was kept, before it saw this request
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self._send(kept, target, headers), kept
            kept.close()
        connection = _Connection(self.peer, self._context, self._pinned)
        with self._named(connection):
            return self._send(connection, target, headers), connection

    def _send(self, connection: _Connection, target: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        connection.request("GET", target, headers={**self._headers, **headers})
        return connection.getresponse()

    def _refusal(self, status: int) -> SourceError:
        said = f"{self.peer.base} answered {status}"
        if status in (401, 403):
            return SourceError("refused", f"{said}: it belongs to another run")
        if status == 404:
            return SourceError("not_found", f"{said}: it does not have this file")
        return SourceError("unreachable" if status == 503 else "bad_response", said)

    @contextlib.contextmanager
    def _named(self, connection: _Connection):  # type: ignore[no-untyped-def]  # a generator; its type says nothing more
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise named(self.peer, error) from None


def named(peer: Peer, error: Exception) -> SourceError:
    """What went wrong with a peer. Never worth a second try: another peer or the origin is there already."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return SourceError("tls", f"{peer.base} has another certificate than this run's; something else listens there")
    if isinstance(error, ssl.SSLError):
        return SourceError("tls", f"{peer.base} does not speak TLS as a peer does: {error.reason or 'broken off'}")
    if isinstance(error, socket.timeout):
        return SourceError("stalled", f"{peer.base} does not answer")
    if isinstance(error, (ConnectionRefusedError, socket.gaierror)) or not isinstance(error, OSError):
        return SourceError("unreachable", f"{peer.base}: {getattr(error, 'strerror', None) or type(error).__name__}")
    return SourceError("interrupted", f"{peer.base} broke off: {error.strerror or type(error).__name__}")


def client_context(certificate: str) -> ssl.SSLContext:
    """Trusts this certificate and no other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=certificate)
    return context
