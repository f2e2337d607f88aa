# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Health in a few words, and in a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.state import TargetState
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, Target, TcpSpec
from ansible_collections.drydock.serving.plugins.module_utils._health.telling import Telling
from ansible_collections.drydock.serving.plugins.module_utils._health.words import waits_for

TARGET = Target(name="api", spec=TcpSpec(host="127.0.0.1", port=1), interval=1.0, timeout=1.0)


def state(name: str, *, ok: bool = False, budget: float | None = None, phase: str = Target.phase) -> TargetState:
    found = TargetState(target=replace(TARGET, name=name, budget=budget, phase=phase), due=0.0)
    found.last = Observation(ok=ok, summary="said canary-Vq8wT2mZ")
    found.healthy_after = 1.0 if ok else None
    return found


CASES: dict[str, tuple[list[TargetState], str]] = {
    "one of three": (
        [state("db", ok=True), state("api"), state("worker")],
        "1 of 3 healthy, waits for api, worker: 12 s of 300 s",
    ),
    "a container and its path are one": (
        [state("api"), state("api http://127.0.0.1:1/ready")],
        "0 of 2 healthy, waits for api: 12 s of 300 s",
    ),
    "all have a shorter time": (
        [state("api", budget=20.0), state("worker", budget=30.0)],
        "0 of 2 healthy, waits for api, worker: 12 s of 30 s",
    ),
    "one has all the time": (
        [state("api", budget=20.0), state("w")],
        "0 of 2 healthy, waits for api, w: 12 s of 300 s",
    ),
    "phases are named": ([state("api", phase="loading")], "0 of 1 healthy, waits for api (loading): 12 s of 300 s"),
    "many are not all named": (
        [state(f"t{number}") for number in range(7)],
        "0 of 7 healthy, waits for t0, t1, t2, t3, t4, 2 more: 12 s of 300 s",
    ),
    "nothing is waited for": ([state("db", ok=True)], ""),
}


@pytest.mark.parametrize("case", CASES)
def test_who_is_waited_for_is_named_and_what_they_said_is_not(case: str) -> None:
    states, expected = CASES[case]
    assert waits_for(states, 12.4, 300.0) == expected


def test_the_file_is_written_at_most_once_a_second_and_holds_nothing_that_was_answered(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    telling = Telling(path, limit=60.0, wall=lambda: 5.0)
    for seconds, told in ((0.1, 0.1), (0.9, 0.1), (1.2, 1.2), (1.9, 1.2)):
        telling([state("api")], seconds)
        assert json.loads(path.read_text())["elapsed"] == told
    assert "canary" not in path.read_text()
    assert json.loads(path.read_text())["waiting_for"] == "0 of 1 healthy, waits for api: 1 s of 60 s"
