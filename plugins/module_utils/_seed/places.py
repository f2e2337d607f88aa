# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may fetch big files here at the same time.

Two hosts that get a file at half the speed each have it sooner than seven at a seventh, and then they serve it, too.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Files below this size are sent to everybody who asks.
BIG = 64 * 1024 * 1024
AT_ONCE = 2
# A place that nobody uses is free again after so many seconds.
KEPT = 5.0


class Places:
    """A place for each of a few peers, by any name they give themselves. Used from several threads.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, *, monotonic: Callable[[], float], at_once: int = AT_ONCE) -> None:
        self._monotonic = monotonic
        self._at_once = at_once
        self._guard = threading.Lock()
        self._until: dict[str, float] = {}
        self._using: Counter[str] = Counter()

    def take(self, who: str) -> bool:
        """Is there a place for this peer? It keeps one that it has."""
        with self._guard:
            now = self._monotonic()
            self._until = {name: until for name, until in self._until.items() if until > now}
            others = (self._until.keys() | +self._using) - {who}
            if len(others) >= self._at_once:
                return False
            self._until[who] = now + KEPT
            return True

    @contextmanager
    def used(self, who: str) -> Iterator[None]:
        """The peer fetches a part of a big file. Who has no place is served, too: it has a reason to come."""
        with self._guard:
            self._using[who] += 1
        try:
            yield
        finally:
            with self._guard:
                self._using[who] -= 1
                self._until[who] = self._monotonic() + KEPT  # for its next part
