# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed and wrong answers while the edge's configuration is changed."""

from __future__ import annotations

import time

from benchmarks.models.workbench import Bar, Row, Series, say
from benchmarks.release.cases.deploys import Counted
from benchmarks.release.load import Load, Mix
from benchmarks.release.site import judged
from benchmarks.release.wanted import Wanted
from benchmarks.release.workplace import Bench

WHAT = "failed or wrong answers, edge configuration changes"


def measure(bench: Bench) -> list[Row]:
    """``--tags edge`` with another limit for bodies, so many times. No peer writes nginx's configuration."""
    with bench.site() as site:
        served = Wanted("edge")
        judged(site.ours.deploy(served), "the deployment before it")
        with Load(site.ours.place, mix=Mix(rate=bench.rate), allowed={served.label}) as load:
            time.sleep(bench.lull)
            for number in range(bench.rounds):
                before = load.tally.failed
                done = judged(site.ours.edge(Wanted("edge", client_max_body=f"{number + 30}m")), "the change")
                time.sleep(bench.lull)
                say(f"edge: {number + 1} {done.seconds:6.1f} s, {load.tally.failed - before} answers failed or wrong")
    report = load.report()
    case = f"{WHAT}, {bench.rounds} of them, {report['finished']} requests"
    return [Counted(case, "answers", Series([float(report["failed"])]), bar=Bar("most", 0), details={"ours": report})]
