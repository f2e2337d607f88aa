# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far one target has come, and what has changed about it on the way."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, Target

WATCH_PACE = 3  # what is healthy already is looked at this many times less often
KEPT = 4  # changes of a target that are kept from the beginning, and as many from the end
_DIGITS = re.compile(r"[0-9]+")


@dataclass
class History:
    """What was seen of a target whenever that was something else than before."""

    first: list[tuple[float, Observation]] = field(default_factory=list)
    last: deque[tuple[float, Observation]] = field(default_factory=lambda: deque(maxlen=KEPT))
    left_out: int = 0
    _before: tuple[bool, str] | None = None

    def note(self, at: float, seen: Observation) -> None:
        """Keep it if it is news. A number that counts up in a text is none."""
        news = (seen.ok, _DIGITS.sub("0", seen.summary))
        if news == self._before:
            return
        self._before = news
        if len(self.first) < KEPT:
            self.first.append((at, seen))
            return
        self.left_out += len(self.last) == KEPT
        self.last.append((at, seen))

    def changes(self) -> list[tuple[float, Observation]]:
        """All that is kept, in order, with the seconds since polling began."""
        return [*self.first, *self.last]


@dataclass
class TargetState:
    """How far one target has come. Moments are on the clock of whoever polls."""

    target: Target
    due: float
    attempts: int = 0
    streak: int = 0
    failures: int = 0
    running: bool = False
    last: Observation | None = None
    opened: float | None = None
    expires: float | None = None
    late: bool = False
    healthy_after: float | None = None
    history: History = field(default_factory=History)

    @property
    def healthy(self) -> bool:
        return self.healthy_after is not None

    @property
    def lost(self) -> bool:
        return not self.healthy and (self.late or (self.last is not None and self.last.final))

    @property
    def idle(self) -> bool:
        """It waits for its next attempt."""
        wanted = not self.healthy or self.target.watched
        return self.opened is not None and wanted and not self.running and not self.lost

    def open(self, now: float, *, started: float, budget: float | None) -> None:
        """Its phase begins, which may last ``budget`` seconds."""
        self.opened = now
        self.due = max(self.due, now)
        ends = [] if budget is None else [now + budget]
        ends += [] if self.target.budget is None else [started + self.target.budget]
        ends += [] if self.target.span is None else [now + self.target.span]
        self.expires = min(ends) if ends else None

    def expire(self, now: float) -> None:
        """Give it up where its time is over."""
        if not self.healthy and self.expires is not None and now >= self.expires:
            self.late = True

    def take(self, observation: Observation, *, now: float, started: float, spread: float = 0.0) -> None:
        """Count one attempt."""
        self.running = False
        self.attempts += 1
        self.last = observation
        self.history.note(now - started, observation)
        self.streak = self.streak + 1 if observation.ok else 0
        self.failures = 0 if observation.ok else self.failures + 1
        self.due = now + self.target.pause(self.failures, spread=spread) * (WATCH_PACE if self.healthy else 1)
        if not observation.ok:
            self.healthy_after = None  # a container that crashes while others are waited for
        if self.streak >= self.target.successes and not self.late:
            self.healthy_after = now - started if self.healthy_after is None else self.healthy_after

    def drop(self) -> None:
        """Leave the last attempt out, and make no other: its time is over."""
        self.running = False
        self.due = math.inf

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a module's result and in a release record."""
        return {
            "name": self.target.name,
            "phase": self.target.phase,
            "ok": self.healthy,
            "attempts": self.attempts,
            "elapsed": None if self.healthy_after is None else round(self.healthy_after, 2),
            "last": None if self.last is None else self.last.as_dict(),
        }
