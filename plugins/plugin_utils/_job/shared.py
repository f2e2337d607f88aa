# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one Ansible run know of each other's jobs: one small file for each host.

Ansible gives each host's task a process of its own. They share a folder below the run's local temporary directory,
which ansible-core makes for its user alone and removes when it ends.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean

BETWEEN_DRAWINGS = 0.2  # seconds; many hosts answer, one line is drawn
AFTER_A_RESULT = 0.5  # seconds in which nobody draws, so that a host's result is printed onto a clean line


class Shared(Generic[R]):
    """The folder of one run and one kind of job, seen from one host's process.

    :param now: the time of day, as all processes of the run see it.
    """

    def __init__(self, folder: Path, host: str, kind: Kind[R], *, now: Callable[[], float] = time.time) -> None:
        self._folder, self._host, self._kind, self._now = folder, host, kind, now
        name = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        self._own = folder / f"{name}.json"
        self._gate = folder / "draw-after"

    def begin(self) -> None:
        """Let the others know of this host before there is anything to tell of it."""
        self.tell(self._kind.start)

    def tell(self, reading: R) -> None:
        """Let the others know how far this host is. What cannot be written is not shown, no more."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            beside = self._own.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps({"host": self._host, "status": reading.stored()}), encoding="utf-8")
            beside.replace(self._own)

    def leave(self) -> None:
        """This host is done: forget it, and keep the line clear for its result."""
        with contextlib.suppress(OSError):
            self._own.unlink(missing_ok=True)
            self._close_gate(AFTER_A_RESULT)

    def may_draw(self) -> bool:
        """Whether it is time for another drawing; whoever is told so draws."""
        with contextlib.suppress(OSError):
            if self._gate.exists() and self._gate.stat().st_mtime > self._now():
                return False
            self._close_gate(BETWEEN_DRAWINGS)
        return True

    def _close_gate(self, seconds: float) -> None:
        until = self._now() + seconds
        self._gate.touch(mode=0o600)
        os.utime(self._gate, (until, until))

    def hosts(self) -> dict[str, R]:
        """How far all hosts are."""
        found = {}
        for name, status in _notes(self._folder):
            reading = self._kind.parse(json.dumps(status))
            if reading is not None:
                found[name] = reading
        return found

    def board(self, *, width: int, turn: int) -> str:
        """All hosts on one line."""
        return self._kind.board(self.hosts(), width, turn)


def names_in(folder: Path) -> list[str]:
    """All hosts that have a job now."""
    return [name for name, _status in _notes(folder)]


def _notes(folder: Path) -> list[tuple[str, Any]]:
    found = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(path.read_text(encoding="utf-8"))
            found.append((clean(note["host"]), note["status"]))
    return found
