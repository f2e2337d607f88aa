# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where attempts wait for an answer without a thread of their own: hundreds of threads are what costs memory."""

from __future__ import annotations

import collections
import contextlib
import math
import selectors
import socket
import threading
import time
from typing import Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation


class Parked(Protocol):
    """An attempt that has asked and waits for the answer."""

    deadline: float

    def fileno(self) -> int:
        """What becomes readable when there may be something."""

    def heard(self) -> bool:
        """Whether there is; waits for nothing."""

    def finish(self) -> Observation:
        """Read and judge it."""

    def close(self) -> None:
        """Nobody wants to know any more."""


class Parking:
    """One thread that waits for all of them.

    :param resume: told of every attempt that can go on, or whose time is over; in that thread.
    """

    def __init__(self, resume: Callable[[int, Parked], None]) -> None:
        self._resume = resume
        self._arriving: collections.deque[tuple[int, Parked]] = collections.deque()
        self._selector = selectors.DefaultSelector()
        self._ours, self._theirs = socket.socketpair()
        self._closing = False
        for end in (self._ours, self._theirs):
            end.setblocking(False)
        self._selector.register(self._ours, selectors.EVENT_READ)

    def start(self) -> None:
        """:raises RuntimeError: the system has no more threads for us."""
        threading.Thread(target=self._wait, daemon=True).start()

    def add(self, index: int, parked: Parked) -> None:
        """From any thread."""
        self._arriving.append((index, parked))
        self._wake()

    def close(self) -> None:
        """Whatever still waits is dropped."""
        self._closing = True
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake already, or has ended
            self._theirs.send(b"x")

    def _wait(self) -> None:
        waiting: dict[int, Parked] = {}  # by the attempt's number
        soonest = math.inf
        while not self._closing:
            left = max(0.0, soonest - time.monotonic())
            ready = self._selector.select(None if left == math.inf else left)
            over = [key.data for key, _events in ready if key.data is not None and waiting[key.data].heard()]
            now = time.monotonic()
            if now >= soonest:
                over += [index for index, parked in waiting.items() if parked.deadline <= now]
            for index in dict.fromkeys(over):
                self._selector.unregister(waiting[index])
                self._resume(index, waiting.pop(index))
            if now >= soonest:
                soonest = min((parked.deadline for parked in waiting.values()), default=math.inf)
            with contextlib.suppress(BlockingIOError):
                self._ours.recv(4096)
            while self._arriving:
                index, parked = self._arriving.popleft()
                waiting[index] = parked
                self._selector.register(parked, selectors.EVENT_READ, index)
                soonest = min(soonest, parked.deadline)
        for parked in [*waiting.values(), *(parked for _index, parked in self._arriving)]:
            parked.close()
        for end in (self._selector, self._ours, self._theirs):
            end.close()
