# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a log gets a line: often enough to follow, seldom enough to read."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Reading


class Rhythm:
    """The first reading, every tenth of the way, every landmark, and at least one in ``silence`` seconds.

    :param quiet: seconds since the first reading in which there is no line.
    """

    def __init__(self, silence: float, quiet: float = 0.0) -> None:
        self._silence, self._quiet = silence, quiet
        self._first: float | None = None
        self._at: float | None = None
        self._tenths = 0
        self._landmark: tuple[str, ...] = ()

    @property
    def awake(self) -> bool:
        """Whether there has been a line."""
        return self._at is not None

    def due(self, reading: Reading, now: float) -> bool:
        """Whether this reading deserves a line. :param now: seconds that never jump."""
        self._first = now if self._first is None else self._first
        if now - self._first < self._quiet:
            return False
        tenths, landmark = reading.tenths, reading.landmark
        news = tenths > self._tenths or landmark != self._landmark
        if self._at is not None and not news and now - self._at < self._silence:
            return False
        self._at, self._tenths, self._landmark = now, max(tenths, self._tenths), landmark
        return True
