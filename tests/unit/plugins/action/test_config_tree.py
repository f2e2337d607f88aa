# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half alone: what it ships, what it lets others see, which handlers it wakes."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.drydock.serving.plugins.action.config_tree import ActionModule
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import unpack

SECRET = "hunter2"
FILES: list[dict[str, Any]] = [
    {"dest": "/etc/a", "content": SECRET, "vars": {"key": SECRET}, "no_log": True, "wakes": "Reload a"},
    {"dest": "/etc/b", "content": "open", "enabled": False},
]


class Action(ActionModule):
    """With a host that answers what it is told to."""

    def __init__(self, files: list[dict[str, Any]], answer: dict[str, Any], **task: Any) -> None:
        loader = DataLoader()
        fields = {"notify": None, "until": None, "retries": None, "async_val": 0, "check_mode": False, **task}
        super().__init__(
            task=SimpleNamespace(args={"name": "demo", "files": files}, **fields),
            connection=SimpleNamespace(_shell=SimpleNamespace(tmpdir="/tmp/x")),
            play_context=None,
            loader=loader,
            templar=Templar(loader=loader, variables={}),
        )
        self.answer = answer
        self.shipped: dict[str, Any] = {}

    def _execute_module(self, **arguments: Any) -> dict[str, Any]:
        self.shipped = arguments["module_args"]
        return dict(self.answer)

    @property
    def task(self) -> Any:
        return self._task


def test_the_content_travels_in_one_opaque_argument() -> None:
    action = Action(FILES, {"changed": False})
    action.run(task_vars={})
    assert SECRET not in json.dumps(action.shipped)
    (file,) = unpack(action.shipped["payload"])["files"]
    assert base64.b64decode(file["content"]) == SECRET.encode()
    assert file["mode"] == "0644"


def test_neither_result_nor_the_tasks_own_arguments_show_a_secret_afterwards() -> None:
    action = Action(FILES, {"changed": True, "invocation": {"module_args": {"payload": "x"}}})
    result = action.run(task_vars={})
    assert SECRET not in json.dumps(result)
    assert SECRET not in json.dumps(action.task.args)
    assert result["invocation"]["module_args"]["files"][1] == FILES[1]


def test_a_task_that_may_be_tried_again_keeps_its_arguments() -> None:
    action = Action(FILES, {"failed": True}, retries=3)
    action.run(task_vars={})
    assert action.task.args["files"] == FILES


@pytest.mark.parametrize(
    ("answer", "own", "notified"),
    [
        ({"changed": True, "wakes": ["A", "B"]}, None, ["A", "B"]),
        ({"changed": True, "wakes": ["A", "B"]}, ["B", "C"], ["B", "C", "A"]),
        ({"changed": False, "wakes": []}, None, None),
        ({"failed": True, "wakes": ["A"]}, ["C"], ["C"]),
    ],
)
def test_handlers_of_changed_files_join_those_of_the_task(
    answer: dict[str, Any], own: list[str] | None, notified: list[str] | None
) -> None:
    action = Action([], answer, notify=own)
    action.run(task_vars={})
    assert action.task.notify == notified


def test_null_is_the_same_as_not_given() -> None:
    empty = {"group": None, "wakes": None, "enabled": None, "vars": None, "backup": None, "no_log": None}
    action = Action([{"dest": "/etc/a", "content": "x", **empty}], {"changed": False})
    action.task.args["directories"] = None
    assert not action.run(task_vars={}).get("failed")
    payload = unpack(action.shipped["payload"])
    assert payload["directories"] == []
    (file,) = payload["files"]
    assert (file["group"], file["wakes"], file["backup"], file["no_log"]) == ("root", [], False, False)


def test_bad_input_never_reaches_the_host() -> None:
    action = Action([{"dest": "x", "content": ""}], {"changed": True})
    result = action.run(task_vars={})
    assert result["failed"]
    assert result["failure"]["kind"] == "bad_input"
    assert action.shipped == {}
