# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs attempts beside each other, in a bounded number of threads."""

from __future__ import annotations

import collections
import contextlib
import queue
import threading
import time
from typing import Any, Callable, Protocol, Union

from ansible_collections.drydock.serving.plugins.module_utils._health.parking import Parked, Parking
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation

MAX_WORKERS = 512  # attempts under way
# Hundreds that all shake hands at the same moment hold more memory and are no sooner done: so few threads begin. Where
# others wait for them, and they leave a processor idle half of the time, there are twice as many so many seconds later.
FEW, LOOK, IDLE = 16, 0.05, 0.5

Step = Callable[[], Union[Observation, Parked]]
Steps = collections.deque[tuple[int, Step]]


class Pool(Protocol):
    """Runs attempts beside each other."""

    def submit(self, index: int, attempt: Step) -> None:
        """Start (or queue) one attempt."""

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        """What has ended; blocks for the first one, but no longer than ``seconds``."""

    def close(self) -> None:
        """No further attempts."""


class ThreadPool:
    """Threads, made when they are needed. They are daemons: an attempt that hangs does not keep the process alive.

    :param workers: how many attempts may be under way, also those that are parked.
    :param spent: seconds of a processor that this process has used.
    """

    def __init__(
        self,
        workers: int,
        clock: Callable[[], float] = time.monotonic,
        spent: Callable[[], float] = time.process_time,
    ) -> None:
        self._turns: queue.SimpleQueue[bool] = queue.SimpleQueue()  # one for each step to take; False: no more
        self._results: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._workers = workers
        self._answered: Steps = collections.deque()  # those go first: their time is measured
        self._fresh: Steps = collections.deque()
        self._backlog: Steps = collections.deque()  # more than may be under way
        self._under_way = 0
        self._busy = 0  # steps that have a thread, or are to get one
        self._clock, self._spent = clock, spent
        self._looked = clock(), spent()
        self._started = 0
        self._most = workers
        self._parking: Parking | None = None
        self._closed = False

    def submit(self, index: int, attempt: Step) -> None:
        with self._lock:
            if self._under_way >= self._workers:
                self._backlog.append((index, attempt))
                return
            self._under_way += 1
        self._hand_out(index, attempt, self._fresh)

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        ends = self._clock() + seconds
        ended: list[tuple[int, Observation]] = []
        while not ended:
            self._grow()
            left = ends - self._clock()
            with contextlib.suppress(queue.Empty):
                ended.append(_checked(self._results.get(timeout=max(0.0, min(left, LOOK)))))
                while True:
                    ended.append(_checked(self._results.get_nowait()))
            if left <= LOOK:
                break
        return ended

    def close(self) -> None:
        with self._lock:
            for steps in (self._answered, self._fresh, self._backlog):
                steps.clear()
            self._closed, self._most = True, 0
            if self._parking is not None:
                self._parking.close()
        for _number in range(self._started):
            self._turns.put(False)

    def _hand_out(self, index: int, step: Step, steps: Steps) -> None:
        with self._lock:
            steps.append((index, step))
            self._busy += 1
            if self._started < min(self._busy, self._most, FEW):
                self._start()
        if self._started:
            self._turns.put(True)
        else:
            self._take()

    def _grow(self) -> None:
        """More threads where those there are hang, or wait long, and others wait for them."""
        (before, used), now = self._looked, self._clock()
        if now - before < LOOK:
            return
        self._looked = now, self._spent()
        if self._looked[1] - used > (now - before) * IDLE:
            return  # they do not wait, they work
        with self._lock:
            for _number in range(min(self._busy, self._most, 2 * self._started) - self._started):
                self._start()

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, daemon=True).start()
            self._started += 1
        except RuntimeError:  # the system has no more for us (TasksMax=, ulimit -u): targets wait for each other
            self._most = self._started

    def _work(self) -> None:
        while self._turns.get():
            self._take()

    def _take(self) -> None:
        with self._lock:
            steps = self._answered or self._fresh
            if not steps:
                return  # closed
            index, step = steps.popleft()
        self._run(index, step)

    def _run(self, index: int, step: Step) -> None:
        seen: Any
        try:
            seen = step()
            if not isinstance(seen, Observation) and not self._park(index, seen):
                seen = seen.finish()
        except Exception as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            seen = error
        with self._lock:
            self._busy -= 1
        if isinstance(seen, (Observation, Exception)):
            self._end(index, seen)

    def _park(self, index: int, parked: Parked) -> bool:
        """Have it wait without a thread, where there is one to wait for all."""
        with self._lock:
            if self._closed:
                parked.close()
                return True
            if self._parking is None:
                try:
                    parking = Parking(lambda number, waited: self._hand_out(number, waited.finish, self._answered))
                    parking.start()
                except (RuntimeError, OSError):  # no more threads, or no more files
                    return False
                self._parking = parking
        self._parking.add(index, parked)
        return True

    def _end(self, index: int, seen: Any) -> None:
        self._results.put((index, seen))
        with self._lock:
            following = self._backlog.popleft() if self._backlog else None
            self._under_way -= following is None
        if following is not None:
            self._hand_out(*following, self._fresh)


def _checked(item: tuple[int, Any]) -> tuple[int, Observation]:
    if isinstance(item[1], Exception):
        raise item[1]
    return item


def workers_for(targets: int) -> int:
    """How many attempts of a number of targets may be under way."""
    return max(1, min(targets, MAX_WORKERS))
