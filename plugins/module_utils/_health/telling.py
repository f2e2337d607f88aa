# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells in a file how far polling is, for whoever waits on the controller."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.state import TargetState
from ansible_collections.drydock.serving.plugins.module_utils._health.words import waits_for
from ansible_collections.drydock.serving.plugins.module_utils._status_file import StatusFile

INTERVAL = 1.0  # seconds between two writings


class Telling:
    """:func:`poll`'s ``on_look``.

    :param path: the status file; it goes with the directory that it is in.
    :param limit: seconds for everything.
    """

    def __init__(self, path: Path, *, limit: float, wall: Callable[[], float] = time.time) -> None:
        self._file = StatusFile(path)
        self._limit, self._wall = limit, wall
        self._next = 0.0

    def __call__(self, states: Sequence[TargetState], seconds: float) -> None:
        if seconds >= self._next:
            self._next = seconds + INTERVAL
            waiting_for = waits_for(states, seconds, self._limit)
            told = {"step": "polls", "elapsed": round(seconds, 1), "waiting_for": waiting_for}
            self._file.write({**told, "updated": self._wall()})
