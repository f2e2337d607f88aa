# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The notes the callback writes, from the engine's own events."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.playbook.handler import Handler
from ansible_collections.drydock.serving.plugins.callback.drift import CallbackModule


class Task:
    """The parts of a task that are read."""

    no_log = False
    diff = True
    _role = SimpleNamespace(get_name=lambda: "drydock.serving.edge")

    def __init__(self, name: str, **arguments: Any) -> None:
        self._name = name
        self.args = arguments

    def get_name(self) -> str:
        return f"drydock.serving.edge : {self._name}"


def result(host: str, task: Any, **values: Any) -> Any:
    return SimpleNamespace(_host=SimpleNamespace(get_name=lambda: host), _task=task, _result=values)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "record.json"
    monkeypatch.setenv("DRYDOCK_DRIFT_RECORD", str(path))
    return path


def written(callback: CallbackModule, record: Path, *hosts: str) -> dict[str, Any]:
    callback.v2_playbook_on_stats(SimpleNamespace(processed=dict.fromkeys(hosts, 1)))
    found: dict[str, Any] = json.loads(record.read_text())["hosts"]
    return found


def test_it_sleeps_unless_a_drift_run_asks_for_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRYDOCK_DRIFT_RECORD", raising=False)
    assert CallbackModule().disabled


def test_changes_are_noted_and_what_stays_is_not(record: Path) -> None:
    callback = CallbackModule()
    callback.v2_runner_on_ok(result("a", Task("Same", dest="/x"), changed=False))
    callback.v2_runner_on_ok(result("a", Task("Write", dest="/etc/x"), changed=True))
    found = written(callback, record, "a", "b")
    assert found["a"]["changes"] == [{"task": "Write", "role": "drydock.serving.edge", "file": "/etc/x", "diff": None}]
    assert found["b"] == {"changes": [], "problems": [], "notes": []}


def test_an_edge_that_is_closed_on_purpose_is_noted_once_and_is_no_change(record: Path) -> None:
    callback = CallbackModule()
    closed = {"since": "2026-11-21T04:15:00Z", "by": "op@host", "reason": "new disk", "retry_after": 300}
    for _time in range(2):
        callback.v2_runner_on_ok(result("a", Task("Release"), changed=False, maintenance=closed))
    callback.v2_runner_on_ok(result("b", Task("Release"), changed=False, maintenance=None))
    found = written(callback, record, "a", "b")
    assert found["a"]["notes"] == ["The edge is closed for maintenance since 2026-11-21T04:15:00Z by op@host: new disk"]
    assert (found["a"]["changes"], found["b"]["notes"]) == ([], [])


def test_a_handler_is_a_consequence_and_not_noted(record: Path) -> None:
    callback = CallbackModule()
    callback.v2_runner_on_ok(result("a", Handler(), changed=True))
    assert written(callback, record, "a")["a"]["changes"] == []


def test_failures_that_count_and_silence_are_problems(record: Path) -> None:
    callback = CallbackModule()
    callback.v2_runner_on_failed(result("a", Task("Try"), msg="no"), ignore_errors=True)
    callback.v2_runner_on_failed(result("b", Task("Try"), msg="no"))
    callback.v2_runner_on_unreachable(result("c", Task("Try"), msg="silence"))
    found = written(callback, record, "a", "b", "c")
    assert [len(found[name]["problems"]) for name in "abc"] == [0, 1, 1]
    assert found["c"]["problems"][0]["kind"] == "unreachable"


def test_arguments_of_a_task_without_log_are_not_noted(record: Path) -> None:
    callback = CallbackModule()
    task = Task("Write", dest="/etc/c4n4ry")
    task.no_log = True
    callback.v2_runner_on_ok(result("a", task, changed=True, censored="hidden"))
    assert "c4n4ry" not in json.dumps(written(callback, record, "a"))
