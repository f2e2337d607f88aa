# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the release before, on the host, while its containers are still warm."""

from __future__ import annotations

import re

from benchmarks.models.workbench import Bar, CannotRunError, Row, in_turn
from benchmarks.release.site import Collection
from benchmarks.release.wanted import NAME, Wanted
from benchmarks.release.workplace import Bench

WHAT = "warm rollback, on the host"
COMMAND = f"/usr/local/bin/{NAME}"


def measure(bench: Bench) -> list[Row]:
    """The command on the host, timed there: a rollback can be rolled back, so it goes to and fro."""
    with bench.site() as site:
        host = site.ours.host
        if host.ssh("test", "-x", COMMAND).status != 0:
            raise CannotRunError(f"the collection puts no {COMMAND} on its hosts yet")
        for label in ("one", "two"):
            done = site.ours.deploy(Wanted(label))
            if done.status != 0:
                raise CannotRunError(f"a deployment before it ended with {done.status}: {done.said[-600:]}")
        found = in_turn(bench.rounds, {"ours": lambda: timed(site.ours)})
    return [Row(WHAT, "s", found["ours"], bar=Bar("most", 2.0))]


def timed(ours: Collection) -> float:
    """Seconds of one rollback, by the host's own clock."""
    done = ours.host.ssh("bash", "-c", f"TIMEFORMAT='took %R'; time {COMMAND} rollback")
    took = re.search(r"took ([0-9.]+)\s*$", done.said)
    if done.status != 0 or took is None:
        raise CannotRunError(f"{COMMAND} rollback ended with {done.status}: {done.said[-600:]}")
    return float(took[1])
