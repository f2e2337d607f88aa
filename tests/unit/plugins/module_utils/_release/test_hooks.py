# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks in a release: when they run, what they are told, and what their failure leads to."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.controller import Answer
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.log import log_path
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.fake_programs import Call
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import World


def hook(when: str, phase: str, **settings: Any) -> dict[str, Any]:
    name = settings.pop("name", f"{when}-{phase}")
    return {"name": name, "when": when, "phase": phase, "command": [f"/hooks/{name}"], **settings}


def with_hooks(world: World, *hooks: dict[str, Any], image: str = "api:2") -> dict[str, Any]:
    return {**world.with_api(image=image), "release": {"hooks": list(hooks)}}


class Kill:
    """Kills the run while its hook runs, until that is over."""

    over = False

    def __call__(self, _call: Call) -> None:
        if not self.over:
            raise KilledError


def journal_step(world: World) -> str:
    return str(json.loads((world.root / "state" / "journal.json").read_text())["step"])


class Controller:
    """Answers what it is told to, and keeps what it was asked."""

    def __init__(self, answer: Answer | DrydockError) -> None:
        self.answer = answer
        self.asked: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []

    def ask(self, question: Mapping[str, Any], record: Mapping[str, Any]) -> Answer:
        self.asked.append((question, record))
        if isinstance(self.answer, DrydockError):
            raise self.answer
        return self.answer


def answering(world: World, controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    host = world.host

    def with_controller(*arguments: Any, **options: Any) -> Host:
        return dataclasses.replace(host(*arguments, **options), controller=controller)

    monkeypatch.setattr(world, "host", with_controller)


def test_every_step_and_the_whole_have_hooks_before_and_after_in_order(world: World) -> None:
    world.release()
    phases = ("release", *RELEASE_STEPS)
    seen: list[tuple[str, str]] = []
    world.programs.on_call = lambda call: seen.append((call.environment["DRYDOCK_HOOK"], journal_step(world)))
    hooks = [hook(when, phase) for phase in phases for when in ("before", "after")]
    result = world.release(with_hooks(world, *hooks))
    wanted = [("before-release", "room"), ("before-room", "room")]
    for step, following in zip(RELEASE_STEPS, (*RELEASE_STEPS[1:], ""), strict=True):
        wanted.append((f"after-{step}", step))
        wanted.append((f"before-{following}" if following else "after-release", step))
    assert seen == wanted
    assert [item["name"] for item in result["hooks"]] == [name for name, _step in wanted]
    assert all(item["ok"] for item in result["hooks"])


def test_a_hook_is_told_what_the_release_is_and_no_secret(world: World) -> None:
    world.given = {"db_password": "canary-value"}
    world.release()
    world.release(with_hooks(world, hook("after", "healthy", timeout=7)), reason="canary-value leaked into the reason")
    (call,) = world.programs.calls
    assert (call.argv, call.timeout) == (("/hooks/after-healthy",), 7.0)
    record = call.record
    assert (record["id"], record["previous"], record["stack"], record["kind"]) == ("r002", "r001", "demo", "release")
    assert (record["when"], record["phase"], record["hook"]) == ("after", "healthy", "after-healthy")
    assert record["images"] == {"api": "api:2", "db": "db:1"}
    assert record["moved"] == {"api": "green"}
    assert record["actor"] == "op@ctl"
    assert call.environment["DRYDOCK_STACK"] == "demo"
    assert call.environment["DRYDOCK_RELEASE"] == "r002"
    assert call.environment["DRYDOCK_PREVIOUS"] == "r001"
    assert "canary-value" not in json.dumps(record) + json.dumps(call.environment)


@pytest.mark.parametrize("step", RELEASE_STEPS[: RELEASE_STEPS.index("commit")])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_hook_that_fails_before_the_commit_leaves_what_serves(world: World, step: str, when: str) -> None:
    world.with_edge()
    world.release()
    world.programs.ends = {f"/hooks/{when}-{step}": Ended(1)}
    error = world.failing(with_hooks(world, hook(when, step)))
    assert error.kind == "hook_failed"
    assert f"{when}-{step}" in error.message
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    consistent(world)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended(3, "out of luck\npassword=hunter2"), ["exit code 3", "out of luck"]),
        (Ended(None, "out of luck"), ["did not end within 60 s", "out of luck"]),
        (Ended(-9), ["signal 9"]),
        (Ended(127, "/hooks/after-up: No such file or directory"), ["No such file"]),
    ],
)
def test_how_a_hook_ended_and_what_it_wrote_last_is_told(world: World, ended: Ended, words: list[str]) -> None:
    world.release()
    world.programs.ends = {"/hooks/after-up": ended}
    message = world.failing(with_hooks(world, hook("after", "up"))).message
    assert [word for word in words if word not in message] == []
    assert "hunter2" not in message


def test_a_hook_before_the_commit_can_still_lead_back(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    world.programs.ends = {"/hooks/before-commit": Ended(1)}
    error = world.failing(with_hooks(world, hook("before", "commit")))
    assert error.details["step"] == "confirm"
    assert nginx.ask("/") == (200, "127.0.0.1:18001")
    consistent(world)


@pytest.mark.parametrize(
    ("when", "phase"), [("after", "commit"), ("before", "drain"), ("after", "prune"), ("after", "release")]
)
def test_a_hook_that_fails_when_nothing_can_be_undone_is_a_warning(world: World, when: str, phase: str) -> None:
    world.release()
    world.programs.ends = {f"/hooks/{when}-{phase}": Ended(2, "no answer")}
    result = world.release(with_hooks(world, hook(when, phase)))
    assert world.serving()["api"] == "api:2"
    assert [item["ok"] for item in result["hooks"]] == [False]
    (warning,) = result["warnings"]
    assert f"{when}-{phase}" in warning
    assert "no answer" in warning
    consistent(world)


def test_a_hook_that_is_not_required_is_a_warning_wherever_it_fails(world: World) -> None:
    world.release()
    world.programs.ends = {"/hooks/after-healthy": Ended(1, "no answer")}
    result = world.release(with_hooks(world, hook("after", "healthy", required=False)))
    assert world.serving()["api"] == "api:2"
    assert "no answer" in result["warnings"][0]


def test_what_a_hook_wrote_is_kept_with_the_evidence_without_secrets(world: World) -> None:
    world.given = {"db_password": "canary-value"}
    world.release()
    world.programs.ends = {"/hooks/after-healthy": Ended(1, "line\n" * 5000 + "canary-value password=hunter2 the end")}
    error = world.failing(with_hooks(world, hook("after", "healthy")))
    assert len(error.message) < 2000
    text = (world.root / "failures" / "r002" / "hook-01-after-healthy.log").read_text()
    assert text.count("line") == 5000
    assert text.endswith("the end\n")
    assert "canary-value" not in text + error.message
    assert "hunter2" not in text + error.message


@pytest.mark.parametrize("required", [True, False])
def test_a_secret_in_the_command_of_a_hook_is_not_told_when_it_fails(world: World, required: bool) -> None:
    world.given = {"db_password": "canary-value"}
    world.release()
    words = ["/hooks/notify", "-H", "Authorization: Bearer hunter2", "canary-value"]
    world.programs.ends = {"/hooks/notify": Ended(1)}
    stack = with_hooks(world, hook("after", "healthy", command=words, required=required))
    told = world.failing(stack).message if required else str(world.release(stack)["warnings"])
    assert "/hooks/notify" in told
    assert "hunter2" not in told
    assert "canary-value" not in told


def test_hooks_of_a_failure_run_after_the_way_back_and_are_told_of_it(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    serving: list[dict[str, str]] = []

    def look(_call: Call) -> None:
        serving.append(world.serving())
        assert not (world.root / "state" / "journal.json").exists()

    world.programs.on_call = look
    world.programs.ends = {"/hooks/after-failure": Ended(1, "nobody was told")}
    error = world.failing(with_hooks(world, hook("after", "failure")))
    assert error.kind == "unhealthy"
    assert serving == [{"db": "db:1", "api": "api:1"}]
    failure = world.programs.calls[0].record["failure"]
    assert (failure["kind"], failure["step"]) == ("unhealthy", "healthy")
    assert "nobody was told" in world.result["warnings"][0]


def test_a_release_that_succeeds_has_no_failure_to_tell(world: World) -> None:
    world.release()
    world.release(with_hooks(world, hook("after", "failure")))
    assert world.programs.calls == []


def test_a_repair_has_no_hooks_and_changed_hooks_are_no_release(world: World) -> None:
    world.release()
    stack = with_hooks(world, hook("before", "up"), image="api:1")
    assert world.release(stack)["kind"] == "repair"
    world.docker.containers[("demo-blue", "api")].state = "exited"
    assert world.release(stack)["kind"] == "repair"
    assert world.programs.calls == []


def test_the_log_of_deployments_says_how_each_hook_ended_and_not_what_it_wrote(world: World) -> None:
    world.release()
    world.programs.ends = {"/hooks/after-healthy": Ended(1, "secretive words")}
    world.failing(with_hooks(world, hook("before", "up"), hook("after", "healthy")))
    text = log_path(world.desired(world.stack).layout).read_text()
    entry = json.loads(text.splitlines()[-1])
    assert [(item["name"], item["ok"], item["code"]) for item in entry["hooks"]] == [
        ("before-up", True, 0),
        ("after-healthy", False, 1),
    ]
    assert "secretive" not in text


def test_hooks_before_the_switch_wait_for_the_other_hosts_as_the_switch_does(world: World) -> None:
    world.with_edge()
    world.release()
    phases = ("release", "up", "switch", "commit")
    stack = with_hooks(world, *(hook(when, phase) for phase in phases for when in ("before", "after")))
    ready = world.make_ready(stack)
    assert [item["name"] for item in world.result["hooks"]] == ["before-release", "before-up", "after-up"]
    result = world.release(stack, prepared=ready)
    assert [item["name"] for item in result["hooks"]] == [
        "before-switch",
        "after-switch",
        "before-commit",
        "after-commit",
        "after-release",
    ]


# -- on the controller -----------------------------------------------------------------------------------------------


def test_a_hook_of_the_controller_is_asked_for_by_its_name_and_gets_the_record(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()
    controller = Controller(Answer(code=0, output="fine"))
    answering(world, controller, monkeypatch)
    result = world.release(with_hooks(world, hook("after", "healthy", where="controller", timeout=9)))
    ((question, record),) = controller.asked
    assert question == {"name": "after-healthy", "when": "after", "phase": "healthy", "timeout": 9.0}
    assert record["id"] == "r002"
    assert result["hooks"][0]["where"] == "controller"
    assert world.programs.calls == []


@pytest.mark.parametrize(
    "answer",
    [Answer(code=1, output="no"), Answer(code=None), DrydockError("controller_silent", "The controller is silent.")],
)
def test_a_hook_that_fails_on_the_controller_fails_the_release(
    world: World, monkeypatch: pytest.MonkeyPatch, answer: Answer | DrydockError
) -> None:
    world.release()
    answering(world, Controller(answer), monkeypatch)
    error = world.failing(with_hooks(world, hook("after", "healthy", where="controller")))
    assert error.kind == "hook_failed"
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


def test_without_a_controller_a_required_hook_refuses_before_anything_is_touched(world: World) -> None:
    world.release()
    error = world.failing(with_hooks(world, hook("after", "healthy", where="controller")))
    assert error.kind == "controller_missing"
    assert "after-healthy" in error.message
    assert not world.result["changed"]
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


def test_without_a_controller_a_hook_that_is_not_required_is_left_out_with_a_warning(world: World) -> None:
    world.release()
    result = world.release(with_hooks(world, hook("after", "healthy", where="controller", required=False)))
    assert world.serving()["api"] == "api:2"
    assert "after-healthy" in result["warnings"][0]


@pytest.mark.parametrize("there", [True, False])
def test_going_back_does_not_depend_on_a_controller(world: World, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    world.release()
    world.release(world.with_api(image="api:2"))
    world.release(with_hooks(world, hook("after", "healthy", where="controller")))  # changed hooks are no release
    if there:
        answering(world, Controller(Answer(code=127, output="no such hook")), monkeypatch)
    result = world.back()
    assert world.serving()["api"] == "api:1"
    assert "after-healthy" in result["warnings"][0]


def test_a_rollback_that_is_stopped_by_a_hook_leaves_what_serves(world: World) -> None:
    world.release()
    world.release(with_hooks(world, hook("before", "commit")))
    world.programs.ends = {"/hooks/before-commit": Ended(1)}
    with pytest.raises(DrydockError) as failure:
        world.back()
    assert failure.value.kind == "hook_failed"
    assert world.programs.calls[-1].record["kind"] == "rollback"
    assert world.serving()["api"] == "api:2"
    assert world.leftovers() == []


# -- killed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_run_with_hooks_that_is_killed_at_a_step_is_finished_or_undone_by_the_next_one(
    world: World, step: str
) -> None:
    world.with_edge()
    world.release()
    stack = with_hooks(world, hook("before", step), hook("after", step))
    die_at_step(world, step, stack)
    world.release(stack)
    assert world.serving()["api"] == "api:2"
    consistent(world)


def test_a_hook_that_a_killed_run_has_left_is_ended_before_it_is_begun_again(world: World) -> None:
    world.release()
    stack = with_hooks(world, hook("after", "images"))
    kill = world.programs.on_call = Kill()
    with pytest.raises(KilledError):
        world.release(stack)
    assert len(world.programs.left) == 1
    kill.over = True
    result = world.release(stack)  # where the fake refuses a second one beside the first
    (said,) = [action for action in result["actions"] if "ended the hook" in action]
    assert "after-images (after images, on the host)" in said
    assert "had left running" in said
    assert world.serving()["api"] == "api:2"
    assert world.programs.left == set()
    consistent(world)


def test_a_hook_that_ended_after_its_run_was_killed_is_nothing_to_tell(world: World) -> None:
    world.release()
    stack = with_hooks(world, hook("after", "images"))
    kill = world.programs.on_call = Kill()
    with pytest.raises(KilledError):
        world.release(stack)
    kill.over = True
    world.programs.left.clear()
    assert not any("ended the hook" in action for action in world.release(stack)["actions"])
    consistent(world)


@pytest.mark.parametrize("note", ["", "{}", "[1]", '{"mark": "a", "sa'])
def test_a_damaged_note_of_a_hook_holds_nobody_up(world: World, note: str) -> None:
    world.release()
    (world.root / "state" / "hook.json").write_text(note)
    world.release(world.with_api(image="api:2"))
    consistent(world)


def test_nothing_is_begun_while_the_hook_of_a_killed_run_cannot_be_ended(world: World) -> None:
    world.release()
    stack = with_hooks(world, hook("after", "images"))
    kill = world.programs.on_call = Kill()
    with pytest.raises(KilledError):
        world.release(stack)
    kill.over = True
    world.programs.unkillable = True
    calls = len(world.programs.calls)
    assert world.failing(stack).kind == "timed_out"
    assert len(world.programs.calls) == calls
    world.programs.unkillable = False
    world.release(stack)
    consistent(world)


def test_a_host_that_cannot_run_a_hook_of_a_failure_tells_the_failure_all_the_same(world: World) -> None:
    def refuse(_call: Call) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    world.release()
    world.docker.sick = {"api:2"}
    world.programs.on_call = refuse
    error = world.failing(with_hooks(world, hook("after", "failure")))
    assert error.kind == "unhealthy"
    assert "Cannot allocate memory" in world.result["warnings"][0]


def test_a_hook_that_the_host_cannot_run_fails_the_release(world: World) -> None:
    def refuse(_call: Call) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    world.release()
    world.programs.on_call = refuse
    error = world.failing(with_hooks(world, hook("after", "images")))
    assert error.kind == "hook_failed"
    assert "Cannot allocate memory" in error.message
    assert world.serving()["api"] == "api:1"
