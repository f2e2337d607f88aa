# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls of programs that do not wait for each other: each takes a tenth of a second or more, mostly the engine's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

MOST = 4  # at a time; the host serves meanwhile

Work = Callable[[], None]
AtOnce = Callable[[Iterable[Work]], None]


def at_once(works: Iterable[Work]) -> None:
    """Do all of them, also where one fails.

    :raises Exception: what the first one that failed has raised.
    """
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a run with nothing to do does not need it

    with ThreadPoolExecutor(max_workers=MOST, thread_name_prefix="engine") as pool:
        begun = [pool.submit(work) for work in works]
    for work in begun:
        work.result()


def in_turn(works: Iterable[Work]) -> None:
    """The same, one after another."""
    for work in works:
        work()
