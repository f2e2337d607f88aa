# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the command to the first answer of the new release, where only an environment variable has changed."""

from __future__ import annotations

import time

from benchmarks.models.workbench import Bar, CannotRunError, Row, in_turn
from benchmarks.release.load import Load, Mix
from benchmarks.release.site import Way
from benchmarks.release.wanted import Wanted
from benchmarks.release.workplace import Bench

WHAT = "--tags stack with an environment change, to switched"
LIGHT = Mix(rate=50, fresh=2, slow=0, streams=0, websockets=0)


def measure(bench: Bench) -> list[Row]:
    """Both ways in turn."""
    with bench.site() as site:
        found = in_turn(bench.rounds, {"ours": lambda: switched(site.ours), "peer": lambda: switched(site.peer)})
    row = Row(WHAT, "s", found["ours"], "docker compose up -d --wait", found["peer"], Bar("within", 1.5))
    return [row]


def switched(way: Way) -> float:
    """Seconds until the new release answers; it must also end well."""
    label = f"change-{time.monotonic_ns() % 10**9}"
    with Load(way.place, mix=LIGHT) as load:
        time.sleep(0.5)
        started = load.elapsed
        done = way.deploy(Wanted(label))
        time.sleep(0.5)
    if done.status != 0 or label not in load.tally.since:
        raise CannotRunError(f"{way.name} ended with {done.status}: {done.said[-600:]}")
    # the peer's file is written before its command; what that takes is no part of it
    written = load.elapsed - 0.5 - started - done.seconds
    return load.tally.since[label] - started - max(written, 0)
