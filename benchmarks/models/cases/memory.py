# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The most memory the module's process holds, interpreter included."""

from __future__ import annotations

import resource
from collections.abc import Callable

import contenders
from data import ModelFile, make_files
from servers import fast_origin
from workbench import GIB, MIB, Bar, Bench, CannotRunError, Ended, Row, in_turn, remove

CASE = "peak memory"
BAR = Bar("most", 96)


def measure(bench: Bench) -> list[Row]:
    """As the kernel counts it for the process (``ru_maxrss``), for one large file and for many."""
    files = bench.folder / "files"
    [large] = make_files(files, 1, 2 * GIB)
    many = make_files(files, 256, 8 * MIB)
    there = bench.folder / "there"
    with fast_origin(files, bench.folder) as server:

        def peak(wanted: list[ModelFile]) -> Callable[[], float]:
            return lambda: _told(contenders.sync(server, wanted, contenders.fresh(there)))

        def peer() -> float:
            return _told(contenders.get_url(server, large, contenders.fresh(there)))

        found = in_turn(
            bench.rounds, {"2 GiB": peak([large]), "256 files of 8 MiB": peak(many), "get_url, 2 GiB": peer}
        )
    remove(there)
    return [
        Row(f"{CASE}, 2 GiB", "MiB", found["2 GiB"], against="get_url", peer=found["get_url, 2 GiB"], bar=BAR),
        Row(f"{CASE}, 256 files", "MiB", found["256 files of 8 MiB"], bar=BAR),
    ]


def _told(ended: Ended) -> float:
    """Its peak in MiB. The kernel's count begins at the peak of this process, so a smaller one cannot be told."""
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if ended.peak_bytes <= floor:
        raise CannotRunError(f"it held less than the {floor / MIB:.0f} MiB of the benchmark itself")
    return ended.peak_bytes / MIB
