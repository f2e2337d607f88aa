# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""1 GiB from a server that is 40 ms away and gives each connection 50 MB/s."""

from __future__ import annotations

import contenders
from data import make_files
from servers import counting_origin
from workbench import GIB, Bar, Bench, Row, in_turn

CASE = "1 GiB, 40 ms, 50 MB/s each"
DELAY = 0.04
RATE = 50e6


def measure(bench: Bench) -> list[Row]:
    """Ours as it is by default, beside ours and curl with one connection."""
    [file] = make_files(bench.folder / "files", 1, GIB)
    with counting_origin(file.path.parent, delay=DELAY, rate=RATE) as server:
        there = bench.folder / "there"
        found = in_turn(
            bench.rounds,
            {
                "model_sync": contenders.cold(there, lambda to: contenders.sync(server, [file], to)),
                "one connection": contenders.cold(there, lambda to: contenders.sync(server, [file], to, connections=1)),
                "curl": contenders.cold(there, lambda to: contenders.curl(server, file, to)),
            },
        )
    ours = found.pop("model_sync")
    return [
        Row(CASE, "s", ours, against="one connection", peer=found["one connection"], bar=Bar("faster", 4.0)),
        Row(CASE, "s", ours, against="curl, one connection, unverified", peer=found["curl"]),
    ]
