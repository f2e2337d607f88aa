# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections of the ``requests`` library with two bounds that it does not know: for the bytes that wait in the kernel,
and for the time until the headers of an answer, or of a chunk, are complete.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import importlib
import socket
import time
from typing import Any

# Bytes of a connection that may wait in the kernel: 50 MB/s at 40 ms. Together with what the journal does not tell yet,
# eight connections lose less than one range of a file.
WAITING = 1536 * 1024
_SO_RCVBUFFORCE = 33  # Linux 2.6.14, <asm-generic/socket.h>; not in Python's socket module


class PromptResponse(http.client.HTTPResponse):
    """An answer whose head is there within the socket's own timeout, to the last byte, whatever comes before it.

    That timeout alone starts again with every byte, so that a server that drips headers, or says ``100 Continue`` for
    ever, would hold us for as long as it likes. The answer of a proxy to CONNECT is bounded in the same way, and so is
    what stands between the chunks of a body and behind the last one, where it is read with ``read1``.

    Other bodies are read as ever, at full speed.

    :raises socket.timeout: while the head or a chunk is read.
    """

    def __init__(self, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self._sock: Any = sock
        self._raw: Any = getattr(self.fp, "raw", None)
        self._patience: float | None = sock.gettimeout()
        self._hurry()

    def begin(self) -> None:
        super().begin()
        self._take_time()

    def read1(self, n: int = -1) -> bytes:
        if not self.chunked or self.isclosed():
            return super().read1(n)
        self._hurry()
        try:
            return super().read1(n)
        finally:
            self._take_time()

    def _hurry(self) -> None:
        """From now on everything has to come within one timeout."""
        raw, sock, patience = self._raw, self._sock, self._patience
        if raw is None or patience is None:
            return
        until, read = time.monotonic() + patience, raw.readinto

        def in_time(buffer: Any) -> Any:
            left = until - time.monotonic()
            if left <= 0:
                raise socket.timeout("the headers of the answer, or of a chunk, do not end")
            sock.settimeout(left)
            try:
                return read(buffer)
            finally:
                sock.settimeout(patience)

        raw.readinto = in_time  # of this object alone

    def _take_time(self) -> None:
        if self._raw is not None:
            vars(self._raw).pop("readinto", None)


def bounded_adapter(requests: Any) -> Any:
    """What to mount in a session of the library."""
    options = _socket_options()

    class Bounded(requests.adapters.HTTPAdapter):  # type: ignore[misc]  # known at run time only
        def init_poolmanager(self, *arguments: Any, **pool: Any) -> None:
            super().init_poolmanager(*arguments, socket_options=options, **pool)
            _make_prompt(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
            return _make_prompt(super().proxy_manager_for(proxy, **named))

    return Bounded()


def _socket_options() -> list[tuple[int, int, int]]:
    """Keeps little in the kernel for each connection: what waits there is lost when this process is killed.

    Without the right to set it (or a limit of the system that is high enough) the kernel decides.
    """
    options: list[tuple[int, int, int]] = importlib.import_module(
        "urllib3.connection"
    ).HTTPConnection.default_socket_options
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        for option in (socket.SO_RCVBUF, _SO_RCVBUFFORCE):
            with contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, option, WAITING)
                if probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 2 * WAITING:  # Linux doubles it
                    return [*options, (socket.SOL_SOCKET, option, WAITING)]
    return options


def _make_prompt(manager: Any) -> Any:
    """Have a manager of connections make prompt ones; one that does already stays as it is."""
    manager.pool_classes_by_scheme = {scheme: _prompt(kind) for scheme, kind in manager.pool_classes_by_scheme.items()}
    return manager


@functools.cache
def _prompt(pool: Any) -> Any:
    """The same kind of pool, whose connections give a ``PromptResponse``."""
    if issubclass(pool.ConnectionCls.response_class, PromptResponse):
        return pool
    connection = type("PromptConnection", (pool.ConnectionCls,), {"response_class": PromptResponse})
    return type("PromptPool", (pool,), {"ConnectionCls": connection})
