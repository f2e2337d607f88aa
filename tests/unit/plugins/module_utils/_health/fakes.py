# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that only moves when told, and a pool that runs attempts at once."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.module_utils._health.pool import Step
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class InlinePool:
    """Attempts take no time; waiting for nothing moves the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._ended: list[tuple[int, Observation]] = []

    def submit(self, index: int, attempt: Step) -> None:
        seen = attempt()
        self._ended.append((index, seen if isinstance(seen, Observation) else seen.finish()))

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        ended, self._ended = self._ended, []
        if not ended:
            self._clock.now += max(0.0, seconds)
        return ended

    def close(self) -> None:
        assert self._ended == []
