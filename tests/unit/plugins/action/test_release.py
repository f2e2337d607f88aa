# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller decides for a release: one call when nothing is to be done, and when it is left to the module."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.action import release
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job import work

ARGUMENTS = {"stack": {"name": "ocr", "paths": {"root": "/opt/ocr"}}, "files": []}
SHOWN = {"invocation": {"module_args": {"job": "look", "keep": 5}}}
NOTHING = {"changed": False, "kind": "none", **SHOWN}
PENDING = {"changed": False, "pending": True, "running": None, "kind": "release", **SHOWN}


class Action(release.ActionModule):
    def __init__(self, *answers: dict[str, Any], check: bool = False, native: bool = False) -> None:
        self.answers, self.calls = list(answers), list[dict[str, Any]]()
        self._task = SimpleNamespace(check_mode=check)
        self._connection = SimpleNamespace(has_native_async=native, always_pipeline_modules=False)

    def _execute_module(self, *, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert (module_name, task_vars) == (release.MODULE, {})
        self.calls.append(module_args)
        return self.answers.pop(0)

    def release(self, **arguments: Any) -> dict[str, Any]:
        return self._release({**ARGUMENTS, **arguments}, {})


def test_with_nothing_to_do_the_host_is_asked_once() -> None:
    action = Action(NOTHING)
    assert action.release() == {**NOTHING, "invocation": {"module_args": {"job": "none", "keep": 5}}}
    assert [call["job"] for call in action.calls] == ["look"]


def test_a_failure_to_look_is_the_result() -> None:
    failed = {"failed": True, "failure": {"kind": "engine_missing"}}
    assert Action(failed).release() == failed


@pytest.mark.parametrize("how", [{"check": True}, {"native": True}])
def test_check_mode_and_connections_that_cannot_detach_are_one_plain_call(how: dict[str, bool]) -> None:
    action = Action({"changed": True}, **how)
    assert action.release() == {"changed": True}
    assert action.calls == [ARGUMENTS]


def test_what_is_to_be_done_is_the_work_of_a_job_and_its_result_has_nothing_of_the_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work.Work, "run", lambda _self, found: {**found, "changed": True})
    assert Action(PENDING).release() == {
        "changed": True,
        "kind": "release",
        "invocation": {"module_args": {"job": "none", "keep": 5}},
    }


@pytest.mark.parametrize(
    "arguments", [{"rollback": True}, {"rollback": "yes"}, {"state": "abandoned"}, {"prepared": "r2"}]
)
def test_who_goes_back_or_gives_up_does_not_look_first(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work.Work, "run", lambda _self, _found: {"changed": True})
    action = Action()
    assert action.release(**arguments) == {"changed": True}
    assert action.calls == []


@pytest.mark.parametrize("again", [{}, {"retries": 3}, {"until": ["it is well"]}])
@pytest.mark.parametrize("fails", [False, True])
def test_callbacks_are_handed_no_secrets_among_the_arguments(again: dict[str, Any], fails: bool) -> None:
    arguments = {
        **ARGUMENTS,
        "rollback": not fails,
        "secrets": {"key": "canary"},
        "registries": {"r": {"password": "canary"}},
    }
    action = Action({"changed": False}, check=True)
    task = {"args": arguments, "until": None, "retries": None, "async_val": 0, "diff": False, **again}
    vars(action._task).update(task, delegate_to=None)
    action._connection._shell = SimpleNamespace(tmpdir="/tmp/x")
    if fails:
        action._task.args = {**arguments, "files": "none"}
    result = action.run(task_vars={})
    assert bool(result.get("failed")) is fails
    assert ("canary" in str(action._task.args)) is bool(again)
    assert fails or "canary" in str(action.calls)


def test_who_releases_and_when_the_run_began_is_told_to_each_host_in_the_same_words() -> None:
    first, second = release.signed({"actor": None}), release.signed({})
    assert first == second
    assert re.fullmatch(r"\d{8}T\d{6}Z", first["stamp"])
    assert first["controller"] == first["actor"].rpartition("@")[2] != ""
    given = {"actor": "ann@desk", "controller": "desk", "stamp": "20261121T041500Z"}
    assert release.signed(given) == given


def test_a_job_that_died_is_a_failure_with_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    def died(_self: Any, _found: Any) -> dict[str, Any]:
        raise DrydockError("interrupted", "it died")

    monkeypatch.setattr(work.Work, "run", died)
    result = Action(PENDING).release()
    assert (result["failed"], result["failure"]["kind"], result["kind"]) == (True, "interrupted", "release")
    assert empty_result().keys() <= result.keys()
    assert "pending" not in result
