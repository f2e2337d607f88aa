# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a run costs when there is nothing to do, beside a play with one ``ping`` in the same run.

Needs the lab with a deployed host (``make demo``). Prints a table and writes benchmarks/out/site.json.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 3
PING = """- hosts: drydock
  gather_facts: false
  tasks:
    - ansible.builtin.ping:
"""


def playbook(*arguments: str) -> tuple[float, str]:
    """Seconds of one ansible-playbook run against the lab, and its output; ends the benchmark when it fails."""
    started = time.monotonic()
    result = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventories/lab", *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if result.returncode != 0:
        raise SystemExit(
            f"{' '.join(arguments)} ended with {result.returncode}:\n{result.stdout[-3000:]}{result.stderr[-1000:]}"
        )
    return seconds, result.stdout


def remote_tasks(output: str) -> int:
    """How many tasks did work on the host (the recap's ``ok``, which leaves out the skipped ones)."""
    found = re.search(r"^lab-1\s+: ok=(\d+)\s+changed=(\d+)", output, re.MULTILINE)
    if not found:
        raise SystemExit("no recap line for lab-1: is the lab up? make demo")
    if found.group(2) != "0":
        raise SystemExit(f"the run changed {found.group(2)} things: this is not a second run; try again")
    return int(found.group(1))


def main() -> int:
    cases = {"second site.yml": ["site.yml"], "--tags firewall": ["site.yml", "--tags", "firewall"]}
    seconds: dict[str, list[float]] = {name: [] for name in [*cases, "ping"]}
    tasks: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        ping = Path(folder) / "ping.yml"
        ping.write_text(PING)
        for _ in range(ROUNDS):
            seconds["ping"].append(playbook(str(ping))[0])
            for name, arguments in cases.items():
                took, output = playbook(*arguments)
                seconds[name].append(took)
                tasks[name] = remote_tasks(output)
    peer = statistics.median(seconds["ping"])
    rows: list[dict[str, Any]] = []
    for name in cases:
        ours = statistics.median(seconds[name])
        bar = 4.0 if name == "--tags firewall" else None
        rows.append(
            {
                "case": name,
                "ours": round(ours, 2),
                "min": round(min(seconds[name]), 2),
                "max": round(max(seconds[name]), 2),
                "peer": round(peer, 2),
                "unit": "s",
                "ratio": round(ours / peer, 2),
                "tasks": tasks[name],
                "bar": bar,
                "ok": bar is None or ours / peer <= bar,
            }
        )
    print(f"{'case':<20}{'median s':>10}{'min':>8}{'max':>8}{'tasks':>7}{'ping s':>8}{'ratio':>7}")
    for row in rows:
        print(
            f"{row['case']:<20}{row['ours']:>10}{row['min']:>8}{row['max']:>8}{row['tasks']:>7}{row['peer']:>8}{row['ratio']:>7}"
        )
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    (out / "site.json").write_text(json.dumps({"machine": machine, "cases": rows}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
