# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One bound for the pace of all connections together."""

from __future__ import annotations

import threading
from collections.abc import Callable

# What may come at once after a silence, in seconds of the rate.
_BURST = 0.25


class Bucket:
    """Tells how long to wait so that no more than ``rate`` bytes per second come on average.

    :param rate: 0 for no bound.
    """

    def __init__(self, rate: int, *, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._paid_until: float | None = None

    def portion(self, most: int) -> int:
        """How much to ask for at once, so that the pace is even."""
        return min(most, max(4096, self._rate // 8)) if self._rate else most

    def take(self, count: int) -> float:
        """Seconds to wait after so many bytes came."""
        if not self._rate:
            return 0.0
        with self._guard:
            now = self._monotonic()
            since = now - _BURST if self._paid_until is None else max(self._paid_until, now - _BURST)
            self._paid_until = since + count / self._rate
            return max(0.0, self._paid_until - now)
