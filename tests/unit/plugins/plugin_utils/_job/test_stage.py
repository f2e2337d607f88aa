# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a release reads while it is followed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question, Stage, board, parse
from hypothesis import given
from hypothesis import strategies as st

ID = "0123456789abcdef" * 2
QUESTION = Question(identity=ID, name="smoke", when="before", phase="switch", record={"id": "r001"})
STAGE = Stage(
    step="healthy", number=10, total=19, elapsed=12.2, waiting_for="1 of 3 healthy, waits for api: 12 s of 300 s"
)
WRITTEN: dict[str, Any] = {
    "schema": 1,
    "pid": 7,
    "updated": 9.0,
    "step": "healthy",
    "number": 10,
    "total": 19,
    "elapsed": 12.2,
    "waiting_for": "1 of 3 healthy, waits for api: 12 s of 300 s",
    "question": None,
}
ASKED = {"id": ID, "hook": {"name": "smoke", "when": "before", "phase": "switch"}, "record": {"id": "r001"}}


def test_what_the_host_writes_is_read() -> None:
    assert parse(json.dumps(WRITTEN)) == replace(STAGE, pid=7, updated=9.0)
    assert parse(json.dumps({**WRITTEN, "question": ASKED})) == replace(STAGE, pid=7, updated=9.0, question=QUESTION)


@pytest.mark.parametrize("text", ["", "[", "[]", "{}", '{"step": 1}', "null"])
def test_what_is_no_status_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "asked", [{**ASKED, "id": "../../etc"}, {**ASKED, "id": ID + "0"}, {**ASKED, "hook": "smoke"}, "x", {}, 3]
)
def test_what_is_no_question_is_not_answered(asked: Any) -> None:
    found = parse(json.dumps({**WRITTEN, "question": asked}))
    assert found is not None
    assert found.question is None


@given(st.text(), st.text(), st.text())
def test_nothing_of_it_steers_a_terminal(step: str, waiting_for: str, name: str) -> None:
    asked = {**ASKED, "hook": {"name": name}}
    found = parse(json.dumps({**WRITTEN, "step": step, "waiting_for": waiting_for, "question": asked}))
    assert found is not None
    for text in (found.describe(), replace(found, question=None).describe()):
        assert "\x1b" not in text
        assert "\n" not in text


SAID = {
    "starts": Stage(),
    "up (9 of 19)": Stage(step="up", number=9, total=19, elapsed=0.4),
    "up (9 of 19) for 3 s": Stage(step="up", number=9, total=19, elapsed=3.0),
    "healthy (10 of 19) for 12 s: 1 of 3 healthy, waits for api: 12 s of 300 s": STAGE,
    "probation for 5 s": Stage(step="probation", elapsed=5.0),
    "healthy (10 of 19) for 12 s: the hook smoke on the controller": replace(STAGE, question=QUESTION),
}


@pytest.mark.parametrize("said", SAID)
def test_a_stage_in_words(said: str) -> None:
    assert SAID[said].describe() == said


def test_another_step_or_question_is_a_landmark_and_another_second_is_none() -> None:
    assert replace(STAGE, elapsed=13.0, waiting_for="x").landmark == STAGE.landmark
    assert replace(STAGE, step="join").landmark != STAGE.landmark
    assert replace(STAGE, question=QUESTION).landmark != STAGE.landmark


def test_other_processes_of_the_run_read_what_is_stored() -> None:
    assert parse(json.dumps(replace(STAGE, question=QUESTION).stored())) == STAGE


def test_one_host_is_told_in_full_and_many_by_their_steps() -> None:
    assert board({}, width=80) == ""
    assert board({"lab-1": Stage(step="up", number=9, total=19)}, width=80) == "lab-1: up (9 of 19)"
    assert len(board({"lab-1": STAGE}, width=40)) == 40
    both = {"lab-1": STAGE, "lab-2": Stage()}
    assert board(both, width=80) == "2 hosts | lab-1 healthy 12 s | lab-2 starts 0 s"
    assert board(both, width=80, turn=1) == "2 hosts | lab-2 starts 0 s | lab-1 healthy 12 s"
    assert board(both, width=30) == "2 hosts | lab-1 healthy 12 s"
