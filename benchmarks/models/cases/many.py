# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""256 files of 8 MiB over loopback into an empty store, beside aria2c."""

from __future__ import annotations

import contenders
from data import make_files
from servers import fast_origin
from workbench import MIB, Bar, Bench, Row, in_turn

CASE = "256 files of 8 MiB, cold"


def measure(bench: Bench) -> list[Row]:
    """As with one file; aria2c's list names a checksum for each."""
    files = make_files(bench.folder / "files", 256, 8 * MIB)
    with fast_origin(files[0].path.parent, bench.folder) as server:
        there = bench.folder / "there"
        found = in_turn(
            bench.rounds,
            {
                "model_sync": contenders.cold(there, lambda to: contenders.sync(server, files, to)),
                "aria2c -j8 with checksums": contenders.cold(
                    there, lambda to: contenders.aria2c_many(server, files, to)
                ),
                "aria2c -j8, falloc": contenders.cold(
                    there, lambda to: contenders.aria2c_many(server, files, to, "--file-allocation=falloc")
                ),
            },
        )
    bars = {"aria2c -j8 with checksums": Bar("faster", 2.0)}
    ours = found.pop("model_sync")
    return [Row(CASE, "s", ours, against=name, peer=series, bar=bars.get(name)) for name, series in found.items()]
