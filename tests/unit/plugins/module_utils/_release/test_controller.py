# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the controller: the question, its time, and whose answer counts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.controller import (
    Answer,
    NoController,
    Watcher,
    answer_file,
    claim_file,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import STATUS, Progress
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.hooks import LONGEST_OUTPUT

HOOK = {"name": "smoke", "when": "before", "phase": "switch", "timeout": 20, "command": ["rm", "-rf"], "where": "c"}
RECORD = {"id": "r001"}


class Scene:
    """A run that asks, and somebody who does something whenever it waits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.meanwhile: Callable[[dict[str, Any]], None] = lambda _question: None
        self.progress = Progress(clock=lambda: self.now)
        self.watcher = Watcher(self.progress, clock=lambda: self.now, sleep=self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile(self.question())

    def question(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / STATUS).read_text())["question"]
        return found

    def put(self, question: dict[str, Any], mode: int = 0o600, **answer: Any) -> None:
        path = answer_file(self.folder, question["id"])
        path.unlink(missing_ok=True)
        path.touch(mode=mode)
        path.write_text(json.dumps({"id": question["id"], **answer}))
        path.chmod(mode)

    def ask(self) -> Answer:
        with self.progress.shown(self.folder, {}):
            found = self.watcher.ask(HOOK, RECORD)
            assert self.question() is None
            assert [path.name for path in self.folder.iterdir()] == [STATUS]
            return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path / "job")


def test_the_question_names_the_hook_and_never_its_command(scene: Scene) -> None:
    asked = []

    def answer(question: dict[str, Any]) -> None:
        asked.append(question)
        claim_file(scene.folder, question["id"]).write_text("me")
        scene.put(question, code=3, output="no")

    scene.meanwhile = answer
    assert scene.ask() == Answer(3, "no")
    assert asked[0]["hook"] == {"name": "smoke", "when": "before", "phase": "switch"}
    assert asked[0]["record"] == RECORD
    assert len(asked[0]["id"]) == 32


def test_a_hook_that_was_ended_has_no_exit_status(scene: Scene) -> None:
    scene.meanwhile = lambda question: scene.put(question, code=None, output="half")
    assert scene.ask() == Answer(None, "half")


@pytest.mark.parametrize("letter", ["\0", "\ufffd", "é"])
def test_an_answer_with_the_longest_output_that_a_hook_may_have_is_taken(scene: Scene, letter: str) -> None:
    output = letter * LONGEST_OUTPUT
    scene.meanwhile = lambda question: scene.put(question, code=0, output=output)
    assert scene.ask() == Answer(0, output)


def test_without_an_answer_it_gives_up_after_the_hooks_time_and_that_of_the_way(scene: Scene) -> None:
    with pytest.raises(DrydockError, match="did not answer within 80 s") as caught:
        scene.ask()
    assert caught.value.kind == "controller_silent"
    assert 80 <= scene.now < 81


def _open_to_others(scene: Scene, question: dict[str, Any]) -> None:
    scene.put(question, mode=0o666, code=0)


def _of_another_question(scene: Scene, question: dict[str, Any]) -> None:
    scene.put(question, id="0", code=0)


def _spoilt(scene: Scene, question: dict[str, Any]) -> None:
    scene.put(question)
    answer_file(scene.folder, question["id"]).write_text("[")


def _link(scene: Scene, question: dict[str, Any]) -> None:
    real = scene.folder.parent / "answer"
    real.touch(mode=0o600)
    real.write_text(json.dumps({"id": question["id"], "code": 0}))
    path = answer_file(scene.folder, question["id"])
    if not path.is_symlink():
        path.symlink_to(real)


UNFIT: dict[str, Callable[[Scene, dict[str, Any]], None]] = {
    "others may write it": _open_to_others,
    "it is for another question": _of_another_question,
    "it is no answer": _spoilt,
    "it is a link": _link,
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_not_surely_the_answer_is_not_taken(scene: Scene, case: str) -> None:
    scene.meanwhile = partial(UNFIT[case], scene)
    with pytest.raises(DrydockError, match="did not answer"):
        scene.ask()


def test_an_answer_of_another_user_is_not_taken(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.meanwhile = lambda question: scene.put(question, code=0)
    me = os.geteuid()
    with scene.progress.shown(scene.folder, {}):
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
        with pytest.raises(DrydockError, match="did not answer"):
            scene.watcher.ask(HOOK, RECORD)


def test_a_run_that_nobody_follows_has_no_controller(tmp_path: Path) -> None:
    for nobody in (NoController(), Scene(tmp_path / "job").watcher):
        with pytest.raises(DrydockError, match="started on the host itself") as caught:
            nobody.ask(HOOK, RECORD)
        assert caught.value.kind == "controller_missing"
