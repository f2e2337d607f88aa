# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is counted while the load runs: bounded, however long that is."""

from __future__ import annotations

import bisect
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from benchmarks.release.failures import Failed

KEPT = 50  # failures told one by one; all are counted
LABELS = 200


def _bounds() -> list[float]:
    """From a tenth of a millisecond to ten minutes, each 5 % over the last."""
    found = [0.0001]
    while found[-1] < 600:
        found.append(found[-1] * 1.05)
    return found


class Histogram:
    """Durations in seconds, in buckets: percentiles are right to 5 %, the longest one is exact."""

    BOUNDS = _bounds()

    def __init__(self) -> None:
        self._counts = [0] * (len(self.BOUNDS) + 1)
        self.count = 0
        self.longest = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect.bisect_left(self.BOUNDS, seconds)] += 1
        self.count += 1
        self.longest = max(self.longest, seconds)

    def percentile(self, share: float) -> float:
        """The duration that this share (0 to 1) did not exceed; 0 where nothing was counted."""
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(self.BOUNDS[min(index, len(self.BOUNDS) - 1)], self.longest)
        return 0.0

    def as_json(self) -> dict[str, float]:
        """In milliseconds."""
        shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
        found = {name: round(self.percentile(share) * 1000, 2) for name, share in shares.items()}
        return {**found, "max": round(self.longest * 1000, 2)}


@dataclass
class Line:
    """One kind of request.

    :param checked: parts that were validated one by one: websocket messages, pieces of streams.
    :param again: sent once more, because a connection that was kept alive had been closed before a first byte came.
    :param moved: websockets that the service closed as it went away, with nothing lost.
    """

    begun: int = 0
    ok: int = 0
    failed: int = 0
    again: int = 0
    moved: int = 0
    checked: int = 0
    took: Histogram = field(default_factory=Histogram)

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        counts = {name: getattr(self, name) for name in ("begun", "ok", "failed", "again", "moved", "checked")}
        return {**counts, "ms": self.took.as_json()}


class Tally:
    """Everything that is counted. Written by the load's thread; ``failed`` and ``since`` may be read from others.

    :ivar since: when each release was first seen, in seconds from the start of the load.
    """

    def __init__(self) -> None:
        self.lines: dict[str, Line] = {}
        self.releases: Counter[str] = Counter()
        self.since: dict[str, float] = {}
        self.kinds: Counter[str] = Counter()
        self.failed = 0
        self.behind = Histogram()
        self.first: list[dict[str, Any]] = []
        self._seconds: dict[int, int] = {}

    def line(self, name: str) -> Line:
        """The counts of one kind of request."""
        return self.lines.setdefault(name, Line())

    def answered(self, release: str, *, at: float) -> None:
        """An answer by this release was right; ``at`` as in ``fail``."""
        if release in self.releases or len(self.releases) < LABELS:
            self.releases[release] += 1
            self.since.setdefault(release, at)

    def fail(self, name: str, error: Failed, *, at: float) -> None:
        """Count a failure; ``at`` is in seconds from the start of the load."""
        self.line(name).failed += 1
        self.kinds[error.kind] += 1
        self.failed += 1
        second = int(at)
        self._seconds[second] = self._seconds.get(second, 0) + 1
        if len(self.first) < KEPT:
            self.first.append({"at": round(at, 3), "request": name, "kind": error.kind, "detail": error.detail[:200]})

    @property
    def finished(self) -> int:
        """Requests that have ended, well or not."""
        return sum(line.ok + line.failed for line in self.lines.values())

    def failed_between(self, start: float, end: float) -> int:
        """Failures in whole seconds of the load, ``end`` included."""
        return sum(count for second, count in self._seconds.items() if int(start) <= second <= int(end))

    def as_json(self) -> dict[str, Any]:
        """The report."""
        return {
            "finished": self.finished,
            "failed": self.failed,
            "failures": dict(self.kinds.most_common()),
            "seconds_with_failures": len(self._seconds),
            "releases": dict(self.releases),
            "behind_ms": self.behind.as_json(),
            "requests": {name: line.as_json() for name, line in sorted(self.lines.items())},
            "first_failures": self.first,
        }
