# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time limit for one question to a host. A connection that died without a word would keep it waiting for ever."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path


class TooSlow(BaseException):
    """The time is over. Not an ``Exception``: connection plugins catch those, and try again without a limit."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Run the block for so many seconds at most, then end the processes it started.

    A limit that is there already, as a task's ``timeout``, stays, and comes first when it is the shorter one.

    :raises TooSlow: the time is over.
    """
    left = signal.getitimer(signal.ITIMER_REAL)[0]
    if 0 < left <= seconds:
        yield
        return
    started, there = time.monotonic(), children()

    def ring(_number: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except TooSlow:
        for process in children() - there:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGTERM)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(0.01, left - (time.monotonic() - started)))


def children() -> set[int]:
    """Processes that this one started and that live; none where the kernel does not tell."""
    found: set[int] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            found |= {int(word) for word in path.read_text(encoding="ascii").split()}
    return found
