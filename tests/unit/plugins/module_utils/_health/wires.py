# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection whose other side says what a test has written down."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.drydock.serving.plugins.module_utils._health.wire import Wire


@contextmanager
def wire_that_says(answer: bytes) -> Iterator[tuple[Wire, list[bytes]]]:
    """A wire, and what was written to it, once it is closed. Its other side then says no more."""
    ours, theirs = socket.socketpair()
    sent: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(ConnectionResetError):  # closed with something unread
            while data := theirs.recv(65536):
                sent.append(data)

    def write() -> None:
        with contextlib.suppress(OSError):  # nobody reads on after an error
            theirs.sendall(answer)
            theirs.shutdown(socket.SHUT_WR)

    sides = [threading.Thread(target=side, daemon=True) for side in (read, write)]
    for side in sides:
        side.start()
    try:
        with Wire(ours, deadline=time.monotonic() + 30, within=30) as wire:
            yield wire, sent
    finally:
        for side in sides:
            side.join()
        theirs.close()
