# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every case is given: the host, and how much of everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from benchmarks.release.site import Site


@dataclass
class Bench:
    """How much is measured.

    :param changes: of which every fifth fails.
    :param requests: at least so many, of all kinds together.
    :param rate: short requests a second.
    :param lull: seconds of load before the first change and after each.
    :param rounds: how often what is timed is timed.
    """

    open_site: Callable[[], Site]
    changes: int
    requests: int
    rate: float
    lull: float
    rounds: int
    _site: Site | None = field(default=None, init=False)

    def site(self) -> AbstractContextManager[Site]:
        """The host; made for the first case that asks, and the same for all."""
        if self._site is None:
            self._site = self.open_site()
        return nullcontext(self._site)
