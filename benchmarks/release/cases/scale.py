# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failed and wrong answers while the number of replicas is changed."""

from __future__ import annotations

import time

from benchmarks.models.workbench import Bar, Row, Series, say
from benchmarks.release.cases.deploys import Counted
from benchmarks.release.load import Load, Mix
from benchmarks.release.site import judged
from benchmarks.release.wanted import Wanted
from benchmarks.release.workplace import Bench

WHAT = "failed or wrong answers, scaling"
MANY = 3


def measure(bench: Bench) -> list[Row]:
    """Up by the inventory and down by the command on the host, so many times.

    No peer: Compose cannot have several containers behind the one port of the host that an nginx is led to.
    """
    with bench.site() as site:
        judged(site.ours.deploy(Wanted("scale")), "the deployment before it")
        with Load(site.ours.place, mix=Mix(rate=bench.rate), allowed={"scale"}) as load:
            time.sleep(bench.lull)
            for number in range(bench.rounds):
                before = load.tally.failed
                up = judged(site.ours.deploy(Wanted("scale", replicas=MANY)), f"scaling to {MANY}")
                time.sleep(bench.lull)
                down = judged(site.ours.scale("api", 1), "scaling to 1")
                time.sleep(bench.lull)
                took = f"up {up.seconds:6.1f} s, down {down.seconds:6.1f} s"
                say(f"scale: {number + 1} {took}, {load.tally.failed - before} answers failed or wrong")
    report = load.report()
    case = f"{WHAT} from 1 to {MANY} and back, {bench.rounds} times, {report['finished']} requests"
    return [Counted(case, "answers", Series([float(report["failed"])]), bar=Bar("most", 0), details={"ours": report})]
