# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a line in a log is due: not each second, and never so seldom that somebody thinks that nothing moves."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot

STEP = 10  # per cent
SILENCE = 30.0  # seconds


class Rhythm:
    """The first reading, every tenth of the way, another phase, and at least one in half a minute."""

    def __init__(self) -> None:
        self._at: float | None = None
        self._step = 0
        self._state = ("", "")

    def due(self, snapshot: Snapshot, now: float) -> bool:
        """Whether this reading deserves a line. :param now: seconds that never jump."""
        step, state = snapshot.percent // STEP, (snapshot.phase, snapshot.waiting_for)
        if self._at is not None and step <= self._step and state == self._state and now - self._at < SILENCE:
            return False
        self._at, self._step, self._state = now, max(step, self._step), state
        return True
