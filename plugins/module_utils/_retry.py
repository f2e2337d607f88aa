# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When to try again, as values. Nothing here sleeps or reads a clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime


@dataclass(frozen=True)
class RetryPolicy:
    """How often and after which pauses something that failed for the moment is tried again. Durations in seconds.

    :param retries: further tries after the first; the count starts again whenever progress was made.
    :param delay: the first pause; every further one is ``factor`` times longer, up to ``max_delay``.
    :param max_retry_after: the longest pause a server may ask for; a server that asks for more is given up.
    """

    retries: int = 3
    delay: float = 2.0
    factor: float = 2.0
    max_delay: float = 60.0
    max_retry_after: float = 300.0

    def pause(self, failures: int, *, asked: float | None = None) -> float | None:
        """Seconds to wait after this many failures in a row (1 for the first), or ``None`` to give up.

        :param asked: what the server asked for, as ``parse_retry_after`` gives it.
        """
        if failures > self.retries:
            return None
        own = min(self.delay * self.factor ** (failures - 1), self.max_delay)
        if asked is None:
            return own
        return None if asked > self.max_retry_after else max(asked, own)


def parse_retry_after(value: str | None, *, now: float) -> float | None:
    """Seconds from a ``Retry-After`` header (RFC 9110, 10.2.3: number or date); ``None`` where it says nothing usable.

    :param now: seconds since the epoch.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):  # each of them for some text that is no date
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, moment.timestamp() - now)
