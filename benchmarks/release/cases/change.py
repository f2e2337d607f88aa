# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the command to the first answer of the new release, where only an environment variable has changed."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.models.workbench import Bar, CannotRunError, Row, in_turn
from benchmarks.release.load import Load, Mix
from benchmarks.release.site import Way
from benchmarks.release.wanted import Wanted
from benchmarks.release.workplace import Bench

WHAT = "--tags stack with an environment change, to switched"
LIGHT = Mix(rate=50, fresh=2, slow=0, streams=0, websockets=0)


def measure(bench: Bench) -> list[Row]:
    """Both ways in turn. Compose's command is at its end when what it started is healthy: that is its switch."""
    with bench.site() as site:
        found = in_turn(
            bench.rounds,
            {"ours": lambda: changed(site.ours).switched, "peer": lambda: changed(site.peer).ended},
        )
    row = Row(WHAT, "s", found["ours"], "docker compose up -d --wait", found["peer"], Bar("within", 1.5))
    return [row]


@dataclass(frozen=True)
class Took:
    """Seconds from the start of the command until the new release answered, and until the command ended."""

    switched: float
    ended: float


def changed(way: Way) -> Took:
    """One change; it must end well, and show."""
    label = f"change-{time.monotonic_ns() % 10**9}"
    with Load(way.place, mix=LIGHT) as load:
        time.sleep(0.5)
        started = load.elapsed
        done = way.deploy(Wanted(label))
        time.sleep(0.5)
    if done.status != 0 or label not in load.tally.since:
        raise CannotRunError(f"{way.name} ended with {done.status}: {done.said[-600:]}")
    return Took(load.tally.since[label] - started, done.seconds)
