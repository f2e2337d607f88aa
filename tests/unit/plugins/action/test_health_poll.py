# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When polling is followed, and when it is a module like any other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.action import health_poll
from ansible_collections.drydock.serving.plugins.modules.health_poll import ARGUMENT_SPEC
from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import Follower
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Told


class Action(health_poll.ActionModule):
    def __init__(self, *, background: int = 0, native: bool = False) -> None:
        self._task = SimpleNamespace(async_val=background, delegate_to=None)
        shell = SimpleNamespace(tmpdir="/home/ops/.ansible/tmp/ansible-tmp-1")
        self._connection = SimpleNamespace(
            has_native_async=native, always_pipeline_modules=False, _shell=shell, transport="ssh"
        )

    @property
    def _display(self) -> Any:
        return SimpleNamespace(verbosity=0)


def test_the_defaults_are_those_of_the_module() -> None:
    assert ARGUMENT_SPEC["timeout"]["default"] == health_poll.TIMEOUT


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "the default": ({}, {}, True),
    "long": ({"timeout": "300"}, {}, True),
    "short": ({"timeout": 10}, {}, False),
    "no number": ({"timeout": "soon"}, {}, False),
    "in the background": ({}, {"background": 60}, False),
    "a connection that detaches by itself": ({}, {"native": True}, False),
    "nobody sees it": ({"progress": "off"}, {}, False),
}


@pytest.mark.parametrize("case", CASES)
def test_only_what_may_take_long_and_is_seen_is_followed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRYDOCK_PROGRESS", raising=False)
    arguments, how, followed = CASES[case]
    assert Action(**how)._worth_a_job(arguments, arguments.get("progress")) is followed


def follow(monkeypatch: pytest.MonkeyPatch, end: dict[str, Any] | Exception) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the task returns when the job ends like this, and what the module was given."""
    given: dict[str, Any] = {}

    def run(follower: Follower[Any], module: str, arguments: Any, *, alone: Any) -> dict[str, Any]:
        given.update(module=module, arguments=arguments, alone=alone, status=follower.status)
        if isinstance(end, Exception):
            raise end
        return end

    monkeypatch.setattr(Follower, "run", run)
    return Action()._follow({"targets": []}, {}, Told(), "lab-1"), given


def test_it_tells_how_far_it_is_beside_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    done = {"changed": False, "invocation": {"module_args": {"status_file": "/x", "timeout": 60}}}
    result, given = follow(monkeypatch, done)
    status = "/home/ops/.ansible/tmp/ansible-tmp-1/status.json"
    assert given["arguments"] == {"targets": [], "status_file": status}
    assert (given["alone"], given["status"]) == ({"targets": []}, status)
    assert result["invocation"]["module_args"] == {"status_file": None, "timeout": 60}


def test_one_that_was_killed_is_a_failure_of_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    result, _given = follow(monkeypatch, Died("its process is gone"))
    assert (result["failed"], result["changed"], result["failure"]["kind"]) == (True, False, "interrupted")
    assert "Polling on lab-1 broke off: its process is gone." in result["msg"]


def test_on_this_machine_it_is_no_job_and_still_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    action, given = Action(), dict[str, Any]()
    action._connection.transport = "local"
    monkeypatch.setattr(action, "_execute_module", lambda **how: given.update(how["module_args"]) or {"changed": False})
    assert action._follow({"targets": []}, {}, Told(), "one") == {"changed": False}
    assert given["status_file"].endswith("/status.json")
