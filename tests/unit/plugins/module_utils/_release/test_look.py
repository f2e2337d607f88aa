# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look before a release: whether anything is to be done, who is at it already, and what is loaded for that."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.look import look_at
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result

from tests.unit.plugins.module_utils._release.trial import Trial
from tests.unit.plugins.module_utils._release.world import World

ONLY_TO_RELEASE = ("_release.transaction", "_release.host", "_release.evidence", "_health.poll", "http.client")


def looked(world: World, stack: Mapping[str, Any] | None = None, controller: str = "ctl") -> dict[str, Any]:
    result = empty_result()
    desired = world.desired(stack or world.stack)
    engine = Engine(world.docker)
    look_at(desired, world.given, engine, runner=world.docker, controller=controller, now=world.time, result=result)
    return result


def test_with_nothing_to_do_nothing_is_pending(world: World) -> None:
    world.release()
    result = looked(world)
    assert (result["changed"], result.get("pending"), result["release"]) == (False, None, "r001")


def test_what_is_to_be_done_is_pending_and_nothing_is_changed_yet(world: World) -> None:
    world.release()
    result = looked(world, world.with_api(image="api:2"))
    assert (result["changed"], result["pending"], result["kind"]) == (False, True, "release")
    assert "api:2" in " ".join(result["actions"])
    assert world.serving()["api"] == "api:1"


@pytest.mark.parametrize(
    ("controller", "wish", "follows"), [("ctl", "", True), ("ctl", "x", False), ("other", "", False)]
)
def test_who_does_the_same_from_here_is_told(world: World, controller: str, wish: str, follows: bool) -> None:
    world.release()
    new = world.with_api(image="api:2")
    desired = world.desired(new)
    owner = {"actor": "ann", "host": controller, "wish": wish or desired.hash({})}
    with lease(desired.layout, owner):
        running = looked(world, new)["running"]
    assert (running or {}).get("actor") == ("ann" if follows else None)


def test_a_note_that_a_dead_run_has_left_is_nobody_to_follow(world: World) -> None:
    world.release()
    new = world.with_api(image="api:2")
    desired = world.desired(new)
    with lease(desired.layout, {"actor": "ann", "host": "ctl", "wish": desired.hash({})}):
        text = desired.layout.lease.read_text()
    desired.layout.lease.write_text(text.replace('"process": "', '"process": "9'))
    assert looked(world, new)["running"] is None


def test_an_engine_that_does_not_answer_is_refused_before_anything_is_begun(world: World) -> None:
    world.release()
    world.docker.answering = False
    with pytest.raises(DrydockError) as caught:
        looked(world)
    assert caught.value.kind == "engine_unreachable"


@pytest.mark.parametrize("unit", [True, False])
def test_a_probation_that_nobody_watches_is_something_to_do(tmp_path: Path, unit: bool) -> None:
    trial = Trial(tmp_path)
    trial.begin()
    if not unit:
        trial.world.docker.nginx = None  # and no systemd
    result = looked(trial.world, trial.stack(image="api:2"))
    assert bool(result["pending"]) is not unit
    assert result["kind"] == "none"


def test_a_host_that_refuses_a_file_is_told_in_words(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release()
    monkeypatch.setattr(Path, "stat", _refuse)
    with pytest.raises(DrydockError, match="refused a file operation"):
        looked(world)


def _refuse(*_where: Any, **_how: Any) -> None:
    raise PermissionError(13, "Permission denied")


def test_a_look_loads_nothing_of_what_only_a_release_needs() -> None:
    code = "import sys; import ansible_collections.drydock.serving.plugins.modules.release; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.endswith(ONLY_TO_RELEASE)] == []
