# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connects within one deadline: the name, all of its addresses and the handshake together.

The libraries' own limit is for each address, and for a name they have none: a resolver whose server is gone takes half
a minute.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
import threading
import time
from typing import Any, Callable

Address = tuple[Any, ...]  # as getaddrinfo gives it
# What a connection that does not wait says where there is nothing.
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class UnresolvedError(OSError):
    """The resolver has not answered in time."""


def time_left(deadline: float) -> float:
    """Seconds until a deadline on the monotonic clock. :raises socket.timeout: it has passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise socket.timeout("timed out")
    return left


def connected(host: str, port: int, deadline: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one; each gets its share of the time.

    :raises OSError: as the last of them failed, or because the name means nothing.
    """
    addresses = addresses_of(host, port, deadline)
    failure = OSError(errno.EADDRNOTAVAIL, "No address belongs to the name")
    for number, (family, kind, protocol, _name, address) in enumerate(addresses):
        share = time_left(deadline) / (len(addresses) - number)
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(share)
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            failure = error
            if connection is not None:
                connection.close()
            continue
        return connection
    raise failure


def encrypted(connection: socket.socket, context: ssl.SSLContext, name: str, deadline: float) -> ssl.SSLSocket:
    """The connection in TLS, once the certificate is verified. :raises OSError: it is not."""
    connection.settimeout(time_left(deadline))  # the whole handshake is held to it
    return context.wrap_socket(connection, server_hostname=name)


class Lookup:
    """One question for a name's addresses, for whoever wants to know while it is under way."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.found: list[Address] = []
        self.error: Exception | None = None


class Resolver:
    """Asks the system's resolver, which cannot be told to hurry, in a thread of its own: one at a time for a name.

    Nothing is remembered: the next attempt asks again.
    """

    def __init__(self, ask: Callable[..., Any] = socket.getaddrinfo) -> None:
        self._ask = ask
        self._under_way: dict[str, Lookup] = {}
        self._lock = threading.Lock()

    def __call__(self, host: str, port: int, deadline: float) -> list[Address]:
        """:raises UnresolvedError: not in time. :raises OSError: the name means nothing."""
        with contextlib.suppress(socket.gaierror):
            return list(self._ask(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST))
        with self._lock:
            lookup = self._under_way.get(host) or self._begin(host)
        if not lookup.over.wait(max(0.0, deadline - time.monotonic())):
            raise UnresolvedError(f"the name {host} was not resolved in time: does its name server answer?")
        if lookup.error is not None:
            raise lookup.error
        return [(*found[:4], (found[4][0], port, *found[4][2:])) for found in lookup.found]

    def _begin(self, host: str) -> Lookup:
        lookup = Lookup()
        try:
            threading.Thread(target=self._look_up, args=(host, lookup), daemon=True).start()
        except RuntimeError as error:
            raise OSError(errno.EAGAIN, "The system lets this process start no further thread") from error
        self._under_way[host] = lookup
        return lookup

    def _look_up(self, host: str, lookup: Lookup) -> None:
        try:
            lookup.found = list(self._ask(host, None, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001  # handed to those who wait, who raise it
            lookup.error = error
        with self._lock:
            del self._under_way[host]
        lookup.over.set()


addresses_of = Resolver()
