# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a sync is, in a file that who waits on the controller reads. Never a secret: sources are shown redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._status_file import StatusFile

SCHEMA = 1
_NOTHING = {
    "bytes_done": 0,
    "bytes_total": 0,
    "files_done": 0,
    "files_total": 0,
    "rate": 0,
    "eta": None,
    "source": "",
    "file": "",
}


class Status:
    """The status file of one sync.

    :param now: seconds since the epoch.
    """

    def __init__(self, path: Path, *, now: Callable[[], float]) -> None:
        self._file = StatusFile(path)
        self._now = now
        self._started = now()
        self._last: Mapping[str, Any] = _NOTHING

    def wait(self, holder: str) -> None:
        """Another process holds the store. What it writes here itself says more, and stays."""
        if not self._file.is_anothers(self._now()):
            self._write("wait", holder)

    def fetch(self, snapshot: Mapping[str, Any], waiting_for: str = "") -> None:
        """Bytes are moving, or some are waited for."""
        self._last = snapshot
        self._write("fetch", waiting_for or None)

    def place(self) -> None:
        """Everything is there; sets are built and old ones removed."""
        self._write("place", None)

    def end(self) -> None:
        """Nothing moves any more; the file of another process is left alone."""
        self._file.end()

    def _write(self, phase: str, holder: str | None) -> None:
        self._file.write(
            {
                "schema": SCHEMA,
                "started": self._started,
                "updated": self._now(),
                "phase": phase,
                "waiting_for": holder,
                **self._last,
            }
        )
