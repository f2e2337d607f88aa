# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for time and for who shows progress."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Reading
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Clock


class Time:
    """Passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []
        self.clock = Clock(monotonic=lambda: self.now, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds


class Told:
    """Keeps what was reported."""

    def __init__(self) -> None:
        self.shown: list[Reading] = []
        self.notes: list[str] = []

    def show(self, reading: Reading) -> None:
        self.shown.append(reading)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        raise AssertionError("who opens closes")
