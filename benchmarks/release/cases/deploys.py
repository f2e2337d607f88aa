# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed and wrong answers while what is served is deployed, fails to, and goes back, again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.models.workbench import Bar, Row, Series, say
from benchmarks.release.load import Load, Mix
from benchmarks.release.site import Way, judged
from benchmarks.release.wanted import Wanted, changes
from benchmarks.release.workplace import Bench

WHAT = "failed or wrong answers"


@dataclass
class Outcome:
    """What one way made of all the changes.

    :param mistaken: changes that ended as they should not have: told as failed, or failing ones told as well.
    """

    report: dict[str, Any] = field(default_factory=dict)
    mistaken: list[str] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Counted(Row):
    """A row of counts: none may be wrong, so there is no ratio, and the reports stay with it."""

    details: Mapping[str, Any] = field(default_factory=dict)
    flaw: str = ""

    @property
    def ratio(self) -> float | None:
        """None: what is to be compared with is nothing."""
        return None

    @property
    def why(self) -> str:
        """Why it does not count, though it was measured."""
        return super().why or self.flaw

    @property
    def ok(self) -> bool:
        """Nothing failed, and enough was asked."""
        return not self.why and super().ok

    def as_json(self) -> dict[str, Any]:
        """With the reports of both."""
        return {**super().as_json(), "details": dict(self.details)}


def measure(bench: Bench) -> list[Row]:
    """Both ways in turn, with the same changes under the same load."""
    with bench.site() as site:
        ours = under_load(site.ours, bench)
        peer = under_load(site.peer, bench)
    asked = ours.report["finished"]
    flaws = []
    if asked < bench.requests:
        flaws.append(f"{asked} requests of at least {bench.requests}")
    if ours.mistaken:
        flaws.append(f"changes that ended otherwise than they should: {', '.join(ours.mistaken)}")
    return [
        Counted(
            case=f"{WHAT}, {bench.changes} changes, {asked} requests",
            against="docker compose up -d --wait",
            unit="answers",
            ours=Series([float(ours.report["failed"])]),
            peer=Series([float(peer.report["failed"])]),
            bar=Bar("most", 0),
            details={"ours": vars(ours), "peer": vars(peer)},
            flaw="; ".join(flaws),
        )
    ]


def under_load(way: Way, bench: Bench) -> Outcome:
    """All changes, one after the other, and on with the load until enough was asked."""
    judged(way.deploy(Wanted("first")), "the deployment before it")  # an earlier case may have left something else
    outcome = Outcome()
    allowed = {"first"}
    with Load(way.place, mix=Mix(rate=bench.rate, tasks=1.0), allowed=allowed) as load:
        time.sleep(bench.lull)
        for number, change in enumerate(changes(bench.changes)):
            if change.what != "fails":
                allowed.add(change.wanted.label)
            before, start = load.tally.failed, load.elapsed
            done = way.back(change.wanted) if change.what == "back" else way.deploy(change.wanted)
            time.sleep(bench.lull)
            lost = load.tally.failed - before
            if (done.status == 0) is (change.what == "fails"):
                outcome.mistaken.append(f"{change.what} {change.wanted.label} ended with {done.status}")
                say(done.said[-1500:])
            outcome.changes.append(
                {
                    "what": change.what,
                    "release": change.wanted.label,
                    "faults": change.wanted.faults,
                    "at": round(start, 1),
                    "seconds": round(done.seconds, 2),
                    "status": done.status,
                    "failed": lost,
                }
            )
            told = f"{number + 1:2} {change.what:<7} {change.wanted.label:<8} {done.seconds:6.1f} s"
            say(f"{way.name}: {told}, {lost} answers failed or wrong")
        while load.tally.finished < bench.requests:
            time.sleep(1.0)
    outcome.report = load.report()
    return outcome
