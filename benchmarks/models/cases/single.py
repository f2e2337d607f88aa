# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file of 2 GiB over loopback into an empty store, beside get_url, aria2c, and what the machine can do at all."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import contenders
from data import ModelFile, make_files
from servers import fast_origin
from workbench import GIB, MIB, Bar, Bench, Row, in_turn, say

CASE = "2 GiB file, cold"


def measure(bench: Bench) -> list[Row]:
    """The destination is empty and the disk at rest before each; the origin reads from the page cache for all alike."""
    [file] = make_files(bench.folder / "files", 1, 2 * GIB)
    with fast_origin(file.path.parent, bench.folder) as server:
        say(f"the origin is {server.kind}")
        there = bench.folder / "there"
        found = in_turn(
            bench.rounds,
            {
                "model_sync": contenders.cold(there, lambda to: contenders.sync(server, [file], to)),
                "get_url with checksum": contenders.cold(there, lambda to: contenders.get_url(server, file, to)),
                "aria2c -x8 with checksum": contenders.cold(there, lambda to: contenders.aria2c_one(server, file, to)),
                "aria2c -x8, falloc": contenders.cold(
                    there, lambda to: contenders.aria2c_one(server, file, to, "--file-allocation=falloc")
                ),
                "floor": lambda: max(_write_and_fsync(there), _sha256(file)),
            },
        )
    bars = {
        "get_url with checksum": Bar("faster", 2.0),
        "aria2c -x8 with checksum": Bar("faster", 1.8),
        "floor": Bar("within", 1.4),
    }
    ours = found.pop("model_sync")
    return [Row(CASE, "s", ours, against=name, peer=series, bar=bars.get(name)) for name, series in found.items()]


def _write_and_fsync(folder: Path) -> float:
    """Seconds to bring 2 GiB from memory to the disk."""
    contenders.fresh(folder)
    block = os.urandom(8 * MIB)
    started = time.monotonic()
    with (folder / "floor").open("wb", buffering=0) as handle:
        for _number in range(2 * GIB // len(block)):
            handle.write(block)
        os.fsync(handle.fileno())
    return time.monotonic() - started


def _sha256(file: ModelFile) -> float:
    """Seconds to hash the file on one core."""
    started = time.monotonic()
    with file.path.open("rb", buffering=0) as handle:
        hashlib.file_digest(handle, "sha256")
    return time.monotonic() - started
