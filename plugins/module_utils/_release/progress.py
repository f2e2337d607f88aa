# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is, for whoever waits for it: one small file in a directory that only root can enter.

It tells names of steps, services and images, and numbers. No output of a program, no answer of a service and nothing
that was configured gets in, so no secret does.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._status_file import StatusFile

SCHEMA = 1
INTERVAL = 1.0  # seconds between two signs of life
STATUS = "status.json"


class Progress:
    """Says how far the run is, once it is shown; before that, and afterwards, nobody is told.

    :param clock: seconds that never jump.
    :param wall: seconds since the epoch.
    :param listen: told with each sign of life what the file tells; also where there is none.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        listen: Callable[[Mapping[str, Any]], None] = lambda _now: None,
    ) -> None:
        self._clock, self._wall, self._listen = clock, wall, listen
        self._turn = threading.Lock()
        self._since = clock()
        self._now: dict[str, Any] = {"step": "", "number": 0, "total": 0, "waiting_for": "", "question": None}
        self._file: StatusFile | None = None
        self._holding = False
        self.folder: Path | None = None

    @contextlib.contextmanager
    def shown(self, folder: Path, about: Mapping[str, Any], *, holding: bool = True) -> Iterator[None]:
        """Tell it in this directory until the block ends. Where that cannot be made, nobody is told.

        :param about: what stays the same, as ``release`` and ``wish``.
        :param holding: this run holds the stack: the directory is made anew. One that does not hold it only tells while
            nobody else does.
        """
        if not _private(folder, anew=holding):
            yield
            return
        with self._turn:
            self._holding = holding
            self._now.update(about, schema=SCHEMA, started=self._wall())
            self._file, self.folder = StatusFile(folder / STATUS), folder
        over = threading.Event()
        thread = threading.Thread(target=self._tick, args=(over.wait,), name="progress", daemon=True)
        self._write()
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with self._turn:
                shown, self._file, self.folder = self._file, None, None
            if shown is not None:
                shown.end()

    def step(self, name: str, number: int, total: int) -> None:
        """A step begins.

        :param number: which one of ``total`` it is, counted from 1.
        """
        with self._turn:
            self._since = self._clock()
            self._now.update(step=name, number=number, total=total, waiting_for="")
        self._write()

    def tell(self, waiting_for: str) -> None:
        """What the step waits for now. The file is written at the next sign of life."""
        with self._turn:
            self._now.update(waiting_for=waiting_for)

    def ask(self, question: Mapping[str, Any] | None) -> None:
        """A question for whoever watches, or that there is none any more."""
        with self._turn:
            self._now.update(question=question)
        self._write()

    def _tick(self, wait: Callable[[float], bool]) -> None:
        while not wait(INTERVAL):
            self._write()

    def _write(self) -> None:
        with self._turn:
            self._listen(self._now)
            if self._file is not None and (self._holding or not self._file.is_anothers(self._wall())):
                elapsed = round(self._clock() - self._since, 1)
                self._file.write({**self._now, "elapsed": elapsed, "updated": self._wall()})


def _private(folder: Path, *, anew: bool) -> bool:
    """A directory for this user alone, whatever was there: answers of hooks are trusted because of it."""
    try:
        if anew:
            _remove(folder)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        about = folder.lstat()
    except OSError:  # a full disk, which the release itself tells in better words
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o077


def _remove(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
