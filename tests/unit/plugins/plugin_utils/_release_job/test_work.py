# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller does with a release: begins it, follows that of an earlier run, and says how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job import hooks, work
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Told

ARGUMENTS = {"stack": {"name": "ocr", "paths": {"root": "/opt/ocr"}}, "secrets": {"a": "b"}}
PENDING = {"pending": True, "running": None}
RUNNING = {"pending": True, "running": {"pid": 12, "actor": "op@ctl", "since": "2026-11-21T04:15:00Z"}}
DONE = {"changed": True, "release": "r002"}
NOTHING = {"changed": False, "release": "r002"}
LOCKED = {"failed": True, "failure": {"kind": "locked"}}


class Reporter(Told):
    def close(self) -> None:
        """It is closed by whoever opens it."""


class Script(work.Work):
    """The work with hosts from a script: how each release that is begun ends, and what each look finds."""

    def __init__(self, ends: list[dict[str, Any] | Exception], looks: list[dict[str, Any]] | None) -> None:
        self.ends, self.looks = iter(ends), iter(looks or [])
        self.begun: list[Mapping[str, Any]] = []
        self.followed: list[str] = []
        self.told = Reporter()
        action = SimpleNamespace(
            _task=SimpleNamespace(delegate_to=None), _loader=SimpleNamespace(get_basedir=lambda: "/")
        )
        super().__init__(
            action, "m", ARGUMENTS, {"inventory_hostname": "lab-1"}, None if looks is None else lambda: next(self.looks)
        )

    def _reporter(self) -> Any:
        return self.told

    def _follower(self, _reporter: Any) -> Any:
        return SimpleNamespace(run=self._run, follow=self._follow)

    def _run(self, module: str, arguments: Mapping[str, Any], alone: Mapping[str, Any]) -> dict[str, Any]:
        assert (module, alone) == ("m", ARGUMENTS)
        self.begun.append(arguments)
        end = next(self.ends)
        if isinstance(end, Exception):
            raise end
        return end

    def _follow(self, _other: Any, called: str) -> dict[str, Any]:
        self.followed.append(called)
        return {}


def left(items: Iterator[Any]) -> int:
    return len(list(items))


def test_what_is_to_be_done_is_done_in_a_job_that_is_watched() -> None:
    script = Script([DONE], [])
    assert script.run(PENDING) == DONE
    assert script.begun == [{**ARGUMENTS, "job": "watched"}]


def test_what_is_done_without_a_look_is_begun_and_its_end_is_the_result() -> None:
    assert Script([DONE], None).run({}) == DONE
    assert Script([LOCKED], None).run({}) == LOCKED


def test_a_run_that_wants_the_same_is_followed_and_its_work_not_done_again() -> None:
    script = Script([], [NOTHING])
    assert script.run(RUNNING) == NOTHING
    assert script.followed == ["process 12"]
    assert script.told.notes == ["follows a run of op@ctl that wants the same, since 2026-11-21T04:15:00Z, process 12"]


def test_what_a_followed_run_did_not_reach_is_done_here() -> None:
    script = Script([DONE], [PENDING])
    assert script.run(RUNNING) == DONE
    assert (len(script.followed), len(script.begun)) == (1, 1)


def test_somebody_who_was_quicker_and_wants_the_same_is_followed() -> None:
    script = Script([LOCKED], [RUNNING, NOTHING])
    assert script.run(PENDING) == NOTHING
    assert script.followed == ["process 12"]


def test_somebody_who_wants_something_else_is_not_waited_for() -> None:
    script = Script([LOCKED], [PENDING])
    assert script.run(PENDING) == LOCKED
    assert script.followed == []
    assert left(script.looks) == 0


def test_one_that_is_always_too_late_gives_up() -> None:
    script = Script([LOCKED], [RUNNING, RUNNING, RUNNING])
    assert script.run(RUNNING) == LOCKED
    assert len(script.followed) == work.FOLLOWED


def test_a_release_that_died_is_told_with_what_serves_and_what_is_next() -> None:
    with pytest.raises(DrydockError, match="on lab-1 broke off: its process is gone") as caught:
        Script([Died("its process is gone")], []).run(PENDING)
    assert caught.value.kind == "interrupted"


def test_a_hook_is_told_where_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(hooks, "run", lambda hook, record, **how: seen.update(hook=hook, record=record, **how))
    question = Question("0" * 32, "smoke", "before", "switch", {"id": "r002"})
    Script([], [])._hook({"name": "smoke"}, question)
    assert (seen["hook"], seen["record"], seen["folder"]) == ({"name": "smoke"}, {"id": "r002"}, "/")
    assert seen["environment"] == {
        "DRYDOCK_HOST": "lab-1",
        "DRYDOCK_STACK": "ocr",
        "DRYDOCK_RELEASE": "r002",
        "DRYDOCK_HOOK": "smoke",
        "DRYDOCK_WHEN": "before",
        "DRYDOCK_PHASE": "switch",
    }
