# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs attempts beside each other, in a bounded number of threads."""

from __future__ import annotations

import queue
import threading
from typing import Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation

# Each waits for another machine nearly all of its time; fewer would make targets wait for each other.
MAX_WORKERS = 512


class Pool(Protocol):
    """Runs attempts beside each other."""

    def submit(self, index: int, attempt: Callable[[], Observation]) -> None:
        """Start (or queue) one attempt."""

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        """What has ended; blocks for the first one, but no longer than ``seconds``."""

    def close(self) -> None:
        """No further attempts."""


class ThreadPool:
    """Threads, made when they are needed. They are daemons: an attempt that hangs does not keep the process alive."""

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[int, Callable[[], Observation]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers = workers
        self._started = 0
        self._under_way = 0

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            self._run(*task)

    def _run(self, index: int, attempt: Callable[[], Observation]) -> None:
        try:
            self._results.put((index, attempt()))
        except Exception as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            self._results.put((index, error))

    def submit(self, index: int, attempt: Callable[[], Observation]) -> None:
        self._under_way += 1
        if self._started < min(self._under_way, self._workers):
            self._start()
        if self._started:
            self._tasks.put((index, attempt))
        else:
            self._run(index, attempt)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._work, daemon=True).start()
            self._started += 1
        except RuntimeError:  # the system has no more for us (TasksMax=, ulimit -u): targets wait for each other
            self._workers = self._started

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        ended: list[tuple[int, Observation]] = []
        try:
            ended.append(self._checked(self._results.get(timeout=max(0.0, seconds))))
            while True:
                ended.append(self._checked(self._results.get_nowait()))
        except queue.Empty:
            return ended

    def _checked(self, item: tuple[int, Any]) -> tuple[int, Observation]:
        self._under_way -= 1
        if isinstance(item[1], Exception):
            raise item[1]
        return item

    def close(self) -> None:
        for _number in range(self._started):
            self._tasks.put(None)


def workers_for(targets: int) -> int:
    """How many threads a number of targets gets."""
    return max(1, min(targets, MAX_WORKERS))
