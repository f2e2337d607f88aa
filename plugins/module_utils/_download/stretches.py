# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bytes of a file are there: stretches ``[start, stop)``, disjoint and in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Stretches:
    """A set of byte positions, kept as the fewest stretches that make it up."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        for start, stop in pairs:
            self.add(start, stop)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(list(zip(self._starts, self._stops)))  # strict= is newer than Python 3.9

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def total(self) -> int:
        """How many bytes."""
        return sum(self._stops) - sum(self._starts)

    @property
    def frontier(self) -> int:
        """Where the first missing byte is."""
        return self._stops[0] if self._starts and self._starts[0] == 0 else 0

    def add(self, start: int, stop: int) -> None:
        """Add a stretch; it may touch or overlap others."""
        if start >= stop:
            return
        first, last = bisect_left(self._stops, start), bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last] = [start]
        self._stops[first:last] = [stop]

    def gaps(self, size: int) -> list[tuple[int, int]]:
        """What is missing of a file of so many bytes."""
        edges = [0, *(edge for pair in self for edge in pair), size]
        found = zip(edges[::2], edges[1::2])  # strict= is newer than Python 3.9
        return [(start, min(stop, size)) for start, stop in found if start < min(stop, size)]
