# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is, as whoever waits for it reads it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import STATUS, Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._health.fakes import FakeClock
from tests.unit.plugins.module_utils._release.world import World

ABOUT = {"release": "r001", "wish": "abc"}


def status(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / STATUS).read_text())
    return found


def test_the_step_and_how_long_it_takes_are_told(tmp_path: Path) -> None:
    clock = FakeClock()
    progress = Progress(clock=clock, wall=lambda: 1000.0)
    folder = tmp_path / "job"
    with progress.shown(folder, ABOUT):
        progress.step("up", 9, 19)
        progress.tell("api")
        clock.now += 3
        progress.ask({"id": "x"})
        told = status(folder)
        assert {key: told[key] for key in ("step", "number", "total", "elapsed", "waiting_for", "question")} == {
            "step": "up",
            "number": 9,
            "total": 19,
            "elapsed": 3.0,
            "waiting_for": "api",
            "question": {"id": "x"},
        }
        assert (told["release"], told["wish"], told["updated"]) == ("r001", "abc", 1000.0)
        progress.step("healthy", 10, 19)
        assert (status(folder)["waiting_for"], status(folder)["elapsed"]) == ("", 0.0)


def test_only_its_own_user_can_enter_and_nothing_of_an_earlier_run_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir(mode=0o777)
    (folder / "answer-0.json").write_text("{}")
    with Progress().shown(folder, ABOUT):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [path.name for path in folder.iterdir()] == [STATUS]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("what", ["link", "file"])
def test_what_stands_in_the_place_of_the_directory_is_not_used(tmp_path: Path, what: str) -> None:
    folder, other = tmp_path / "job", tmp_path / "other"
    other.mkdir()
    (other / "kept").write_text("")
    folder.symlink_to(other) if what == "link" else folder.write_text("")
    with Progress().shown(folder, ABOUT):
        assert not folder.is_symlink()
        assert (folder / STATUS).is_file()
    assert [path.name for path in other.iterdir()] == ["kept"]


def test_where_it_cannot_be_told_the_run_goes_on(tmp_path: Path) -> None:
    progress = Progress()
    with progress.shown(tmp_path / "missing" / "job", ABOUT):
        progress.step("up", 1, 2)
        assert progress.folder is None
    folder = tmp_path / "job"
    folder.mkdir()
    folder.chmod(0o755)
    with progress.shown(folder, ABOUT, holding=False):
        assert progress.folder is None
    assert list(folder.iterdir()) == []


def test_nothing_is_told_before_the_stack_is_held_and_after_it(tmp_path: Path) -> None:
    progress = Progress()
    progress.step("up", 1, 2)
    progress.tell("api")
    assert progress.folder is None
    with progress.shown(tmp_path / "job", ABOUT):
        assert progress.folder == tmp_path / "job"
    progress.step("healthy", 2, 2)
    assert progress.folder is None
    assert list((tmp_path / "job").iterdir()) == []


def test_who_does_not_hold_the_stack_tells_only_while_nobody_else_does(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir(mode=0o700)
    (folder / STATUS).write_text('{"pid": 1, "updated": 1000.0, "step": "up"}')
    now = [1003.0]
    progress = Progress(wall=lambda: now[0])
    with progress.shown(folder, ABOUT, holding=False):
        progress.step("probation", 0, 0)
        assert status(folder)["step"] == "up"
        now[0] = 1006.0
        progress.step("probation", 0, 0)
        assert status(folder)["step"] == "probation"
    assert list(folder.iterdir()) == []


def test_every_step_of_a_release_is_told_in_its_order_and_without_a_secret(world: World) -> None:
    world.with_edge()
    world.given = {"db_password": "canary-Vq8wT2mZ"}
    seen = []

    def look(step: str) -> None:
        text = (world.root / "state" / "job" / STATUS).read_text()
        assert "canary" not in text
        told = json.loads(text)
        assert told["step"] == step
        seen.append((told["number"], told["step"], told["total"]))

    world.release(on_step=look)
    total = len(RELEASE_STEPS)
    assert seen == [(number, step, total) for number, step in enumerate(RELEASE_STEPS, 1)]
    assert list((world.root / "state" / "job").iterdir()) == []
