# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers to a host: each hook once, none to a host that made it up, and none lost."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question, Stage
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Look, Lost
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.answers import Answers
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.hooks import Done
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Told

STACK = {"release": {"hooks": [{"name": "smoke", "when": "before", "phase": "switch", "where": "controller"}]}}
ASKED = Question(identity="0123456789abcdef" * 2, name="smoke", when="before", phase="switch", record={"id": "r1"})
ANSWER = f"answer-{ASKED.identity}.json"


class Action:
    """An action plugin whose host is this machine."""

    def __init__(self, place: Path) -> None:
        self._connection = SimpleNamespace(_shell=SimpleNamespace(quote=shlex.quote, tmpdir="/of/the/job"))
        self.place, self.tries = place, 0
        self.lose: list[str] = []

    def _low_level_execute_command(self, command: str, sudoable: bool) -> dict[str, str]:
        assert sudoable
        if any(word in command for word in self.lose):
            raise AnsibleConnectionFailure("no route to host")
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout, "stderr": done.stderr}

    def _make_tmp_path(self) -> str:
        self.tries += 1
        folder = self.place / f"tmp {self.tries}"
        folder.mkdir()
        self._connection._shell.tmpdir = str(folder)
        return str(folder)

    def _transfer_data(self, path: str, content: bytes) -> None:
        Path(path).write_bytes(content)

    def _fixup_perms2(self, _paths: list[str], execute: bool) -> None:
        assert execute is False

    def _remove_tmp_path(self, folder: str, force: bool) -> None:
        assert force
        for path in Path(folder).iterdir():
            path.unlink()
        Path(folder).rmdir()


class Scene:
    def __init__(self, place: Path) -> None:
        self.job = place / "it's job"
        self.job.mkdir()
        self.action = Action(place)
        self.told = Told()
        self.ran: list[tuple[Mapping[str, Any], Question]] = []
        self.ends = Done(0, "fine")

    def _run(self, hook: Mapping[str, Any], question: Question) -> Done:
        self.ran.append((hook, question))
        return self.ends

    def answers(self, stack: Mapping[str, Any] = STACK) -> Answers:
        return Answers(self.action, stack, str(self.job), self.told, self._run)

    def given(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.job / ANSWER).read_text())
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def look(question: Question | None = ASKED) -> Look[Stage]:
    return Look(Stage(step="switch", question=question), "running")


def test_the_hook_runs_once_and_its_answer_is_private(scene: Scene) -> None:
    answers = scene.answers()
    for _number in range(3):
        answers.on_look(look())
    assert scene.ran == [(STACK["release"]["hooks"][0], ASKED)]
    assert scene.given() == {"id": ASKED.identity, "code": 0, "output": "fine"}
    assert stat.S_IMODE((scene.job / ANSWER).stat().st_mode) == 0o600
    assert scene.told.notes == ["runs the hook smoke here, before switch"]
    assert sorted(path.name for path in scene.action.place.iterdir()) == ["it's job"]
    assert scene.action._connection._shell.tmpdir == "/of/the/job"


@pytest.mark.parametrize("nothing", [look(None), Look(None, "running"), Look(None, "missing")])
def test_who_asks_nothing_gets_nothing(scene: Scene, nothing: Look[Stage]) -> None:
    scene.answers().on_look(nothing)
    assert (scene.ran, list(scene.job.iterdir())) == ([], [])


def test_of_two_that_follow_one_release_only_one_runs_the_hook(scene: Scene) -> None:
    one, other = scene.answers(), scene.answers()
    for answers in (one, other, one, other):
        answers.on_look(look())
    assert len(scene.ran) == 1


def test_a_lost_answer_is_sent_again_and_the_hook_not_run_again(scene: Scene) -> None:
    answers = scene.answers()
    scene.action.lose = ["answer-"]
    for _number in range(2):
        with pytest.raises(Lost, match="no route"):
            answers.on_look(look())
    scene.action.lose = []
    answers.on_look(look())
    assert len(scene.ran) == 1
    assert scene.given()["output"] == "fine"


def test_a_claim_whose_confirmation_got_lost_is_still_ours(scene: Scene) -> None:
    answers = scene.answers()
    scene.action.lose = ["claim-"]
    with pytest.raises(Lost):
        answers.on_look(look())
    scene.action.lose = []
    answers.on_look(look())
    assert scene.given()["code"] == 0


def test_a_host_that_asks_for_what_nobody_declared_gets_nothing_run(scene: Scene) -> None:
    scene.answers({"release": {"hooks": []}}).on_look(look())
    assert scene.ran == []
    assert scene.given()["code"] == 127
    assert "has no hook 'smoke' before switch" in scene.told.notes[0]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (Done(3, "no"), "the hook smoke failed with exit status 3"),
        (Done(None, "half"), "the hook smoke did not end in time"),
    ],
)
def test_one_that_fails_or_hangs_is_said_here_and_there(scene: Scene, ends: Done, said: str) -> None:
    scene.ends = ends
    scene.answers().on_look(look())
    assert scene.told.notes[-1] == said
    assert (scene.given()["code"], scene.given()["output"]) == (ends.code, ends.output)
