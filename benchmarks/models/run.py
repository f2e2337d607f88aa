# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast models arrive, and what it costs: ours and the peers in the same run.

``make bench-models`` measures all cases; ``run.py --case single --rounds 1`` one of them, once. Prints a table and
writes benchmarks/out/models.json. Needs 12 GiB on a real disk while it runs, and for two cases hosts of the lab
(``make lab-up``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from cases import far, idle, killed, many, memory, seeded, single
from workbench import GIB, Bench, CannotRunError, Row, Series, remove, say, table

ROOT = Path(__file__).resolve().parents[2]
CASES: dict[str, ModuleType] = {
    "single": single,
    "many": many,
    "far": far,
    "idle": idle,
    "killed": killed,
    "seeded": seeded,
    "memory": memory,
}
ROOM = 12 * GIB


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where to work")  # noqa: S108 - mkdtemp
    return parser.parse_args()


def check_place(folder: Path) -> None:
    """End here where the disk is none, or has no room."""
    # the longest mount point that leads there is the one it lies on
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    kind = max((point, kind) for point, kind in mounts if folder.resolve().is_relative_to(point))[1]
    if kind in ("tmpfs", "ramfs"):
        raise SystemExit(f"{folder} is a {kind}, and this measures a disk: name another place with --folder")
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise SystemExit(f"needs {ROOM / GIB:.0f} GiB in {folder}, found {free / GIB:.1f}: name another with --folder")


def measured(name: str, module: ModuleType, bench: Bench) -> list[Row]:
    """The rows of one case; one that cannot run is a row that says why."""
    say(f"{name}: {module.__doc__}")
    started = time.monotonic()
    measure: Callable[[Bench], list[Row]] = module.measure
    try:
        rows = measure(bench.within(name))
    except CannotRunError as error:
        rows = [Row(module.CASE, "", Series(why=str(error)))]
    remove(bench.folder / name)
    say(f"{name}: {time.monotonic() - started:.0f} s")
    return rows


def end(_signal: int, _frame: object) -> None:
    """Asked to end: clean up on the way."""
    raise SystemExit("ended by a signal")


def main() -> int:
    """Measure, print, write."""
    asked = options()
    check_place(asked.folder)
    signal.signal(signal.SIGTERM, end)
    rows: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="drydock-bench-", dir=asked.folder))
    try:
        for name in asked.case or CASES:
            rows += measured(name, CASES[name], Bench(folder=folder, rounds=asked.rounds))
    finally:
        remove(folder)
    print(table(rows))
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    value = {"machine": machine, "rounds": asked.rounds, "cases": [row.as_json() for row in rows]}
    (out / "models.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
