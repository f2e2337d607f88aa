# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a download is, for people who wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

# The rate is averaged over this many seconds.
WINDOW = 10.0


class Progress(Protocol):
    """What the downloader tells. Called from several threads."""

    def begin(self, files: int, size: int, have: int = 0) -> None:
        """So many files of so many bytes are to be completed; ``have`` bytes are there from earlier runs."""

    def update(self, file: str, received: int, source: str) -> None:
        """So many further bytes of a file are there.

        :param source: where they came from; empty for bytes of an earlier run, (negative) for bytes thrown away, and
            (0) when bytes of an earlier run were hashed.
        """

    def done(self, file: str) -> None:
        """This file is complete and has its name."""


class Meter:
    """Counts, and gives what a status file shows.

    :param monotonic: seconds that never jump.
    :param on_tick: called with a snapshot once a second from a thread of its own, while used as a context manager.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        on_tick: Callable[[dict[str, Any]], None] | None = None,
        interval: float = 1.0,
    ) -> None:
        self._monotonic = monotonic
        self._on_tick = on_tick
        self._interval = interval
        self._guard = threading.Lock()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._files = self._files_done = 0
        self._total = self._have = 0
        self._source = self._file = ""
        self._seen: deque[tuple[float, int]] = deque()

    def begin(self, files: int, size: int, have: int = 0) -> None:
        with self._guard:
            self._files, self._total, self._have, self._files_done = files, size, have, 0
            self._seen.clear()
            self._seen.append((self._monotonic(), have))

    def update(self, file: str, received: int, source: str) -> None:
        with self._guard:
            self._have += received
            if source:
                self._file, self._source = file, source
            else:  # no pace: it did not come now
                self._seen = deque((when, have + received) for when, have in self._seen)

    def done(self, file: str) -> None:
        with self._guard:
            self._files_done += 1
            self._file = file

    def snapshot(self) -> dict[str, Any]:
        """Bytes, files, bytes per second, seconds left (``None``: not known yet), and what moves from where."""
        with self._guard:
            now = self._monotonic()
            self._seen.append((now, self._have))
            while len(self._seen) > 2 and now - self._seen[1][0] >= WINDOW:
                self._seen.popleft()
            since, had = self._seen[0]
            rate = max(0.0, (self._have - had) / (now - since)) if now > since else 0.0
            left = max(0, self._total - self._have)
            return {
                "bytes_done": self._have,
                "bytes_total": self._total,
                "files_done": self._files_done,
                "files_total": self._files,
                "rate": round(rate),
                "eta": round(left / rate) if rate else None,
                "source": self._source,
                "file": self._file,
            }

    def __enter__(self) -> Meter:
        if self._on_tick is not None:
            self._thread = threading.Thread(target=self._tick, name="drydock-progress", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join(self._interval)

    def _tick(self) -> None:
        while not self._end.wait(self._interval):
            if self._on_tick is not None:
                self._on_tick(self.snapshot())
