# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much at once, how fast, how long; and the clock by which it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MIB = 1024 * 1024


@dataclass(frozen=True)
class DownloadLimits:
    """Bounds of one call of the downloader.

    :param connections: requests at once, over all files; 1 does everything in the caller's thread, in order.
    :param bandwidth: bytes per second over all connections; 0 for no bound.
    :param minimum_rate: bytes per second, averaged over ``stall_timeout``, below which a connection counts as
        stalled; 0 for no bound.
    :param stall_timeout: seconds over which the rate of a connection is averaged.
    :param total_timeout: seconds for everything; 0 for no bound.
    :param range_size: bytes asked for by one request of a file that is bigger.
    :param step: bytes between two lines of the journal: what a kill can lose of each connection.
    """

    connections: int = 8
    bandwidth: int = 0
    minimum_rate: int = 1024
    stall_timeout: float = 60.0
    total_timeout: float = 0.0
    range_size: int = 16 * MIB
    step: int = MIB


class Clock(Protocol):
    """Time as an argument."""

    def now(self) -> float:
        """Seconds since the epoch; may jump."""

    def monotonic(self) -> float:
        """Seconds that never jump."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
