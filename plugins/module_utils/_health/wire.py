# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP connection, encrypted or not, on which nothing takes longer or becomes larger than was said."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import time
from collections.abc import Callable, Iterator

from ansible_collections.drydock.serving.plugins.module_utils._health.connecting import NOT_YET, connected, encrypted
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, Tls
from ansible_collections.drydock.serving.plugins.module_utils._health.tls import (
    context_for,
    days_left,
    expiry_mismatch,
)

LINE_LIMIT = 4096


class WireError(Exception):
    """What went wrong on a connection, in words."""


class Wire:
    """One connection that ends at its deadline, however slowly the other side sends.

    :param deadline: on the monotonic clock.
    """

    def __init__(self, connection: socket.socket, *, deadline: float, within: float) -> None:
        self._socket = connection
        self.deadline = deadline
        self._within = within
        self._rest = b""
        self._ended = False
        self._failure: WireError | None = None
        self.certificate_days: int | None = None

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def heard(self) -> bool:
        """Whether an answer begins, or none will come any more. Waits for nothing."""
        try:
            self._socket.settimeout(0)
            received = self._socket.recv(16384)
        except NOT_YET:
            return False
        except OSError as error:
            self._failure = WireError(reason(error, self._within))
        else:
            self._rest += received
            self._ended = not received
        return True

    def encrypt(self, tls: Tls, *protocols: str) -> None:
        """Go on in TLS. :raises WireError: the certificate or what was agreed on is not as wanted."""
        if self._rest:  # nobody vouches for it, and later it would pass for what came encrypted
            raise WireError("sends more before TLS begins than it may")
        context = context_for(tls.ca_path, *protocols)
        with self._limited():
            wrapped = encrypted(self._socket, context, tls.name, self.deadline)
        self._socket = wrapped
        self.certificate_days = days_left(wrapped.getpeercert(), now=time.time())
        if protocols and wrapped.selected_alpn_protocol() not in protocols:
            raise WireError(f"does not speak {' or '.join(protocols)} in TLS (ALPN)")
        for wrong in expiry_mismatch(self.certificate_days, tls.days):
            raise WireError(wrong)

    def send(self, data: bytes) -> None:
        """All of it."""
        with self._limited():
            self._socket.sendall(data)

    def exactly(self, size: int) -> bytes:
        """So many bytes. :raises WireError: the connection ended before."""
        while len(self._rest) < size:
            self._more()
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def line(self) -> bytes:
        """A line without its end."""
        while b"\n" not in self._rest:
            if len(self._rest) > LINE_LIMIT:
                raise WireError(f"sent more than {LINE_LIMIT} bytes without an end of line")
            self._more()
        line, _end, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r")

    def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        with self._limited():
            received = b"" if self._ended else self._socket.recv(16384)
        if not received:
            raise WireError("closed the connection without an answer" if not self._rest else "broke off its answer")
        self._rest += received

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise WireError(f"no answer within {self._within:.3g} s")
        self._socket.settimeout(left)
        try:
            yield
        except OSError as error:
            raise WireError(reason(error, self._within)) from error


def connect(host: str, port: int, *, timeout: float) -> Wire:
    """:raises WireError: nobody answers there."""
    deadline = time.monotonic() + timeout
    try:
        connection = connected(host, port, deadline)
    except (OSError, UnicodeError) as error:
        raise WireError(reason(error, timeout)) from error
    return Wire(connection, deadline=deadline, within=timeout)


def reason(error: Exception, within: float) -> str:
    """Why a connection failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS certificate refused: {error.verify_message}"
    if isinstance(error, (TimeoutError, socket.timeout)):  # two classes before Python 3.10
        return f"no answer within {within:.3g} s"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', None) or error}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return excerpt(str(error))


class WireAttempt:
    """One attempt on a new connection, which may be parked until the answer comes.

    :param where: that is, in words.
    :param hear: reads the answer and judges it.
    """

    def __init__(self, where: str, wire: Wire, hear: Callable[[Wire], Observation]) -> None:
        self._where, self._wire, self._hear = where, wire, hear
        self.deadline = wire.deadline
        self.fileno, self.heard, self.close = wire.fileno, wire.heard, wire.close

    def finish(self) -> Observation:
        """What an exchange saw, with where that was; what goes wrong on the way is seen too."""
        try:
            with self._wire as wire:
                seen = self._hear(wire)
        except WireError as error:
            return Observation(ok=False, summary=f"{self._where}: {error}")
        days = {} if wire.certificate_days is None else {"certificate_days": wire.certificate_days}
        return dataclasses.replace(seen, summary=f"{self._where}: {seen.summary}", facts={**seen.facts, **days})


def begun(
    host: str,
    port: int,
    ask: Callable[[Wire], None],
    hear: Callable[[Wire], Observation],
    *,
    timeout: float,
) -> Observation | WireAttempt:
    """An attempt that has connected and asked; or what went wrong in that."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    wire = None
    try:
        wire = connect(host, port, timeout=timeout)
        ask(wire)
    except WireError as error:
        if wire is not None:
            wire.close()
        return Observation(ok=False, summary=f"{where}: {error}")
    return WireAttempt(where, wire, hear)


def observe(
    host: str,
    port: int,
    ask: Callable[[Wire], None],
    hear: Callable[[Wire], Observation],
    *,
    timeout: float,
) -> Observation | WireAttempt:
    """The same; what was seen, where the answer is there already."""
    attempt = begun(host, port, ask, hear, timeout=timeout)
    return attempt.finish() if isinstance(attempt, WireAttempt) and attempt.heard() else attempt
