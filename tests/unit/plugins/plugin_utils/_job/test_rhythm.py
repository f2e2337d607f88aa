# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a log gets a line."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.rhythm import Rhythm
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot


def at(percent: int, phase: str = "fetch", waiting_for: str = "") -> Snapshot:
    return Snapshot(phase=phase, waiting_for=waiting_for, bytes_done=percent, bytes_total=100)


# A run of readings: seconds, what was read, whether it makes a line.
RUNS: dict[str, list[tuple[float, Snapshot, bool]]] = {
    "the first makes one": [(0, at(0), True), (1, at(1), False)],
    "every tenth of the way makes one": [(0, at(3), True), (1, at(9), False), (2, at(10), True), (3, at(19), False)],
    "several tenths at once make one": [(0, at(0), True), (1, at(55), True), (2, at(59), False), (3, at(60), True)],
    "half a minute without one makes one": [
        (0, at(5), True),
        (29, at(5), False),
        (30, at(5), True),
        (59, at(6), False),
    ],
    "another phase makes one": [(0, at(100), True), (1, at(100, "place"), True), (2, at(100, "place"), False)],
    "another holder makes one": [(0, at(0, "wait", "12"), True), (1, at(0, "wait", "13"), True)],
    "going back makes none": [(0, at(50), True), (1, at(20), False), (2, at(59), False), (3, at(60), True)],
}


@pytest.mark.parametrize("name", RUNS)
def test_a_line_is_due(name: str) -> None:
    rhythm = Rhythm(30.0)
    for second, snapshot, expected in RUNS[name]:
        assert rhythm.due(snapshot, second) is expected, second
