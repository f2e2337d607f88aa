# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long health_poll takes for many targets at once beside the slowest of them, and what it holds in memory.

``make bench-health`` measures all cases; ``run.py --case http --rounds 1`` one of them, once. Prints a table and writes
benchmarks/out/health.json. The whole process is timed, its start included.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # started as a file, from wherever

from benchmarks.models.workbench import MIB, Bar, CannotRunError, Ended, Row, Series, run, say, table  # noqa: E402

MODULE = "ansible_collections.drydock.serving.plugins.modules.health_poll"
CASES = {
    "http": ("http",),
    "https": ("https",),
    "all kinds": ("http", "https", "grpc", "redis", "postgres"),
}
WITHIN = Bar("within", 1.3)
ROOM = Bar("most", 64.0)  # MiB over the interpreter's own


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--targets", type=int, default=500, help="how many at once")
    parser.add_argument("--slowest", type=float, default=5.0, help="seconds that the slowest takes to answer")
    return parser.parse_args()


@contextlib.contextmanager
def serving(slowest: float, folder: Path) -> Iterator[dict[str, int]]:
    """The servers, and their ports."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("servers.py")), str(slowest), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for above
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate()


def target(number: int, kind: str, ports: dict[str, int], folder: Path) -> dict[str, Any]:
    """One that is healthy with the first answer, however late."""
    name, port = f"target-{number}", ports[kind]
    if kind not in {"http", "https"}:
        return {"name": name, "type": kind, "port": port, "timeout": 60}
    # by the address, as names would be looked up five hundred times
    more = {"ca_path": str(folder / "localhost.pem"), "address": "127.0.0.1"} if kind == "https" else {}
    host = "localhost" if kind == "https" else "127.0.0.1"
    return {"name": name, "url": f"{kind}://{host}:{port}/", "json": {"status": "ready"}, "timeout": 60, **more}


def polled(targets: list[dict[str, Any]], folder: Path) -> Ended:
    """The module in a process of its own, as Ansible runs it."""
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {"targets": targets, "timeout": 120}}), encoding="utf-8")
    # the shell only opens the file and becomes the interpreter
    become = 'exec "$0" -m "$1" < "$2"'
    ended = run(["/bin/sh", "-c", become, sys.executable, MODULE, str(arguments)], folder=folder)
    result = json.loads(ended.output)
    late = [one["name"] for one in result["targets"] if one["attempts"] != 1]
    if late:
        raise CannotRunError(f"{len(late)} targets needed more than one attempt, which is not what is measured")
    return ended


def measured(name: str, asked: argparse.Namespace, folder: Path) -> list[Row]:
    """Time and memory of one case."""
    time, room = Series(), Series()
    slowest = Series([asked.slowest])
    try:
        with serving(asked.slowest, folder) as ports:
            kinds = CASES[name]
            targets = [target(n, kinds[n % len(kinds)], ports, folder) for n in range(asked.targets)]
            for number in range(asked.rounds):
                own = run([sys.executable, "-c", "pass"], folder=folder).peak_bytes
                ended = polled(targets, folder)
                time.values.append(ended.seconds)
                room.values.append((ended.peak_bytes - own) / MIB)
                say(f"{name}, round {number + 1} of {asked.rounds}: {ended.seconds:.2f} s, {room.values[-1]:.1f} MiB")
    except CannotRunError as error:
        time.why = room.why = str(error)
    case = f"{asked.targets} targets, {name}"
    return [
        Row(case, "s", time, "the slowest of them", slowest, WITHIN),
        Row(f"{case}: memory over the interpreter's own", "MiB", room, bar=ROOM),
    ]


def main() -> int:
    """Measure, print, write."""
    asked = options()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="drydock-bench-") as folder:
        for name in asked.case or CASES:
            rows += measured(name, asked, Path(folder))
    print(table(rows))
    out = ROOT / "benchmarks" / "out"
    out.mkdir(exist_ok=True)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    value = {"machine": machine, "rounds": asked.rounds, "cases": [row.as_json() for row in rows]}
    (out / "health.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
