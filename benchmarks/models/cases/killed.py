# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed with SIGKILL at 60 % of 2 GiB, and run again: what came twice."""

from __future__ import annotations

import time

import contenders
from data import ModelFile, make_files
from servers import Server, counting_origin
from workbench import GIB, MIB, Bar, Bench, CannotRunError, Row, in_turn

CASE = "killed at 60 %, run again"
RANGE = 16 * MIB
SIZE = 2 * GIB


def measure(bench: Bench) -> list[Row]:
    """Counted at the origin, by what was acknowledged: what was lost in the killed process's buffers counts, too."""
    [file] = make_files(bench.folder / "files", 1, SIZE)
    with counting_origin(file.path.parent) as server:
        found = in_turn(bench.rounds, {"fetched twice": lambda: _twice(server, file, bench)})
    bar = 100 * RANGE / SIZE + 1
    return [Row(CASE, "% twice", found["fetched twice"], bar=Bar("most", round(bar, 2)))]


def _twice(server: Server, file: ModelFile, bench: Bench) -> float:
    """Per cent of the file that was received twice."""
    folder = contenders.fresh(bench.folder / "there")
    before = server.count_at_rest()
    process = contenders.start_sync(server, [file], folder)
    while process.running and server.count()["bytes"] - before < 0.6 * file.size:
        time.sleep(0.01)
    ended = process.kill()
    if ended.returncode != -9:
        raise CannotRunError(f"it ended with {ended.returncode} before it could be killed: {ended.output[-1000:]}")
    first = server.count_at_rest() - before
    if first > 0.9 * file.size:
        raise CannotRunError(f"killed too late, at {100 * first / file.size:.0f} %")
    contenders.sync(server, [file], folder)
    return 100 * (server.count_at_rest() - before - file.size) / file.size
