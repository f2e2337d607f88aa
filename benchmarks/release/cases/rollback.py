# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to the release before, on the host, while its containers are still warm."""

from __future__ import annotations

import re

from benchmarks.models.workbench import Bar, CannotRunError, Row, Series, in_turn
from benchmarks.release.site import Collection, judged
from benchmarks.release.wanted import NAME, Wanted
from benchmarks.release.workplace import Bench

WHAT = "warm rollback, on the host, to switched"
WHOLE = "warm rollback, on the host, the whole command"
COMMAND = f"/usr/local/bin/{NAME}"
PREVIOUS = f"import json; print(json.load(open('/opt/{NAME}/current/release.json'))['previous'])"
# each line of the command with the milliseconds since it was called, by the host's own clock
TIMED = """
begun=$(date +%s%N)
stamp() { echo "$(( ($(date +%s%N) - begun) / 1000000 )) $1"; }
{ "$@" 2>&1; echo "ended $?"; } | while read -r line; do stamp "$line"; done
"""


def measure(bench: Bench) -> list[Row]:
    """The command on the host, timed there: what was left is gone back to by its name, so it goes to and fro."""
    with bench.site() as site:
        host = site.ours.host
        if host.ssh("test", "-x", COMMAND).status != 0:
            raise CannotRunError(f"the collection puts no {COMMAND} on its hosts yet")
        for label in ("one", "two"):
            judged(site.ours.deploy(Wanted(label, keep_warm=True)), "a deployment before it")
        whole: list[float] = []

        def switched() -> float:
            took = timed(site.ours)
            whole.append(took["ended 0"])
            return took["switched"]

        found = in_turn(bench.rounds, {"ours": switched})
    return [Row(WHAT, "s", found["ours"], bar=Bar("most", 2.0)), Row(WHOLE, "s", Series(whole))]


def timed(ours: Collection) -> dict[str, float]:
    """Seconds of one rollback, by the host's own clock: until the edge was led over, and until the command ended."""
    left = ours.host.ssh("python3", "-c", PREVIOUS).said.strip()
    done = ours.host.ssh("bash", "-c", TIMED, "bash", COMMAND, "rollback", left)
    lines = re.findall(r"^(\d+) (switched|ended \d+)", done.said, re.MULTILINE)
    took = {what: int(at) / 1000 for at, what in lines}
    if not {"switched", "ended 0"} <= set(took):
        raise CannotRunError(f"{COMMAND} rollback did not end well: {done.said[-600:]}")
    return took
