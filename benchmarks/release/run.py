# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release loses and how long it takes: ours and ``docker compose up -d --wait`` in the same run.

``make bench-release`` measures all cases; ``run.py --case deploys --changes 5 --requests 5000`` one of them, shortly.
Prints a table and writes benchmarks/out/release.json. Needs the lab (``make lab-up``), makes a host there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, from wherever

from benchmarks.models.workbench import CannotRunError, Row, Series, say, table  # noqa: E402 - the line above
from benchmarks.release.cases import change, deploys, edge, rollback, scale  # noqa: E402
from benchmarks.release.load import allow_open_files  # noqa: E402
from benchmarks.release.site import site  # noqa: E402
from benchmarks.release.workplace import Bench  # noqa: E402

CASES: dict[str, ModuleType] = {
    "deploys": deploys,
    "edge": edge,
    "scale": scale,
    "change": change,
    "rollback": rollback,
}


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    parser.add_argument("--changes", type=int, default=20, help="deploys and rollbacks; every fifth is one that fails")
    parser.add_argument("--requests", type=int, default=100_000, help="at least so many, each way")
    parser.add_argument("--rate", type=float, default=200.0, help="short requests a second")
    parser.add_argument("--lull", type=float, default=3.0, help="seconds of load around each change")
    parser.add_argument("--rounds", type=int, default=5, help="how often what is timed is timed")
    parser.add_argument("--keep", action="store_true", help="use the host of an earlier run, and leave it")
    return parser.parse_args()


def measured(name: str, module: ModuleType, bench: Bench) -> list[Row]:
    """The rows of one case; one that cannot run is a row that says why."""
    say(f"{name}: {module.__doc__}")
    started = time.monotonic()
    measure: Callable[[Bench], list[Row]] = module.measure
    try:
        rows = measure(bench)
    except CannotRunError as error:
        rows = [Row(module.WHAT, "", Series(why=str(error)))]
    say(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


def end(_signal: int, _frame: object) -> None:
    """Asked to end: clean up on the way."""
    raise SystemExit("ended by a signal")


def main() -> int:
    """Measure, print, write."""
    asked = options()
    signal.signal(signal.SIGTERM, end)
    allow_open_files()
    rows: list[Row] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drydock-bench-")))
        bench = Bench(
            open_site=lambda: stack.enter_context(site(folder, keep=asked.keep)),
            changes=asked.changes,
            requests=asked.requests,
            rate=asked.rate,
            lull=asked.lull,
            rounds=asked.rounds,
        )
        for name in asked.case or CASES:
            rows += measured(name, CASES[name], bench)
    print(table(rows))
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    value = {"machine": machine, "rounds": asked.rounds, "cases": [row.as_json() for row in rows]}
    (out / "release.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
