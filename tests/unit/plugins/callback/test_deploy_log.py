# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's log of releases, from the engine's own events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.callback.deploy_log import CallbackModule

CANARY = "canary-Vq8wT2mZ"
DONE: dict[str, Any] = {
    "changed": True,
    "kind": "release",
    "release": "r002",
    "previous": "r001",
    "durations": {"images": 1.25, "healthy": 2.5},
    "actions": ["pull the image api:2"],
    "diff": [{"before": CANARY}],
}
FAILURE = {"kind": "unhealthy", "step": "healthy", "evidence": "/opt/ocr/failures/r002", "last_words": CANARY}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "deployments.jsonl"


@pytest.fixture
def callback(path: Path, monkeypatch: pytest.MonkeyPatch) -> CallbackModule:
    plugin = CallbackModule()
    monkeypatch.setattr(plugin, "get_option", {"path": str(path)}.__getitem__)
    plugin.v2_playbook_on_start(SimpleNamespace(_file_name="site.yml"))
    return plugin


def event(
    action: str = "drydock.serving.release",
    *,
    check: bool = False,
    no_log: bool = False,
    state: str = "switched",
    **values: Any,
) -> Any:
    written = {"stack": "{{ stack_model }}", "reason": "{{ why }}", "secrets": "{{ all }}", "state": "{{ state }}"}
    args = {"stack": {"name": "ocr"}, "reason": "faster", "secrets": {"postgres_password": CANARY}, "state": state}
    return SimpleNamespace(
        _host=SimpleNamespace(get_name=lambda: "web1"),
        _task=SimpleNamespace(action=action, check_mode="{{ check }}", no_log="{{ quiet }}", args=written),
        _task_fields={"args": args, "check_mode": check, "no_log": no_log},
        _result=values,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_release_is_a_line_with_names_and_versions(callback: Any, path: Path) -> None:
    callback.v2_runner_on_ok(event(**DONE))
    (line,) = lines(path)
    assert line.pop("at").endswith("Z")
    assert line == {
        "host": "web1",
        "playbook": "site.yml",
        "stack": "ocr",
        "outcome": "released",
        "release": "r002",
        "previous": "r001",
        "reason": "faster",
        "duration": 3.75,
        "actions": ["pull the image api:2"],
        "failure": None,
    }


@pytest.mark.parametrize(
    ("happens", "outcome"),
    [
        (lambda it: it.v2_runner_on_ok(event(changed=True, kind="repair")), "repaired"),
        (lambda it: it.v2_runner_on_ok(event(changed=True, kind="none")), "changed"),
        (lambda it: it.v2_runner_on_ok(event(changed=True, kind="release", prepared="r003")), "prepared"),
        (lambda it: it.v2_runner_on_ok(event(state="abandoned", changed=True, kind="none")), "abandoned"),
        (lambda it: it.v2_runner_on_failed(event(msg="no"), ignore_errors=True), "failed"),
        (lambda it: it.v2_runner_on_unreachable(event(unreachable=True)), "unreachable"),
    ],
)
def test_each_end_of_a_release_has_its_word(
    callback: Any, path: Path, happens: Callable[[Any], None], outcome: str
) -> None:
    happens(callback)
    assert [line["outcome"] for line in lines(path)] == [outcome]


@pytest.mark.parametrize(
    "quiet",
    [
        event(changed=False, kind="none"),
        event(check=True, **DONE),
        event("ansible.builtin.copy", changed=True),
        event("drydock.serving.release_info", changed=True),
    ],
)
def test_what_released_nothing_is_not_logged(callback: Any, path: Path, quiet: Any) -> None:
    callback.v2_runner_on_ok(quiet)
    assert not path.exists()


def test_a_failure_is_told_with_kind_step_and_evidence_alone(callback: Any, path: Path) -> None:
    callback.v2_runner_on_failed(event(**{**DONE, "failure": FAILURE, "msg": CANARY}))
    (line,) = lines(path)
    assert line["failure"] == {"kind": "unhealthy", "step": "healthy", "evidence": "/opt/ocr/failures/r002"}


def test_no_secret_argument_diff_or_message_gets_into_the_log(callback: Any, path: Path) -> None:
    callback.v2_runner_on_ok(event(**DONE))
    callback.v2_runner_on_failed(event(**{**DONE, "failure": FAILURE, "msg": CANARY}))
    assert CANARY not in path.read_text()


def test_of_a_task_without_log_no_argument_is_noted(callback: Any, path: Path) -> None:
    callback.v2_runner_on_ok(event(no_log=True, changed=True, censored="hidden"))
    (line,) = lines(path)
    assert (line["stack"], line["reason"], line["duration"], line["outcome"]) == (None, "", None, "changed")


def test_a_log_that_cannot_be_written_is_one_warning(
    callback: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(callback._display, "warning", said.append)
    path.mkdir(parents=True)
    callback.v2_runner_on_ok(event(**DONE))
    callback.v2_runner_on_ok(event(**DONE))
    assert len(said) == 1
    assert str(path) in said[0]
