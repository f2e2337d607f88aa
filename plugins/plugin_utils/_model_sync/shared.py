# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one Ansible run know of each other's downloads: one small file for each host.

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
from dataclasses import asdict
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot, clean, parse

BETWEEN_DRAWINGS = 0.2  # seconds; many hosts answer, one line is drawn
AFTER_A_RESULT = 0.5  # seconds in which nobody draws, so that a host's result is printed onto a clean line


class Shared:
    """The folder of one run, seen from one host's process.

    :param now: the time of day, as all processes of the run see it.
    """

    def __init__(self, folder: Path, host: str, *, now: Callable[[], float] = time.time) -> None:
        self._folder, self._host, self._now = folder, host, now
        name = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:24]
        self._own = folder / f"{name}.json"
        self._gate = folder / "draw-after"

    def tell(self, snapshot: Snapshot) -> None:
        """Let the others know how far this host is. What cannot be written is not shown, no more."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            beside = self._own.with_suffix(f".{os.getpid()}")
            beside.write_text(json.dumps({"host": self._host, "status": asdict(snapshot)}), encoding="utf-8")
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

    def hosts(self) -> dict[str, Snapshot]:
        """How far all hosts are."""
        return hosts_in(self._folder)


def hosts_in(folder: Path) -> dict[str, Snapshot]:
    """All hosts that have a download now."""
    found = {}
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            note = json.loads(path.read_text(encoding="utf-8"))
            snapshot = parse(json.dumps(note["status"]))
            if snapshot is not None:
                found[clean(note["host"])] = snapshot
    return found
