# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job on the host: what is asked, what is removed, what its result is."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.drydock.serving.plugins.plugin_utils._job import job
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died, Look, Lost
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot

NAME = "j847362519283.4711"


class Action:
    """An action plugin whose host is this machine."""

    def __init__(self, *, module: dict[str, Any] | None = None) -> None:
        self._connection = SimpleNamespace(_shell=SimpleNamespace(quote=shlex.quote))
        self.module, self.commands = module or {}, list[tuple[str, bool]]()
        self.spoils: Any = None

    def _low_level_execute_command(self, command: str, sudoable: bool) -> dict[str, str]:
        self.commands.append((command, sudoable))
        if isinstance(self.spoils, Exception):
            raise self.spoils
        if self.spoils is not None:
            return {"stdout": "", "stderr": self.spoils}
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout, "stderr": done.stderr}

    def _execute_module(self, *, module_name: str, module_args: dict[str, Any], task_vars: Any) -> dict[str, Any]:
        assert module_name == "ansible.legacy.async_status"
        assert module_args["jid"] == NAME
        return self.module


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A host's files: a status file, a running job, the module's file."""
    folder = tmp_path / "ansible-tmp-1"
    folder.mkdir()
    (folder / "AnsiballZ_model_sync.py").write_text("secret")
    (folder / "async_wrapper.py").write_text("")
    (tmp_path / "status it's.json").write_text(json.dumps({"phase": "fetch", "updated": 1, "pid": 1}))
    (tmp_path / NAME).write_text('{"started": true, "finished": false, "ansible_job_id": "x"}')
    return tmp_path


def made(action: Action, place: Path) -> job.Job[Snapshot]:
    started = job.Started(NAME, str(place / NAME), str(place / "ansible-tmp-1"), "AnsiballZ_model_sync.py")
    return job.Job(action, {}, started, kind=DOWNLOAD, status=str(place / "status it's.json"))


def test_one_command_tells_the_status_and_the_state_of_the_job(place: Path) -> None:
    action = Action()
    running = made(action, place)
    assert running.look() == Look(Snapshot(phase="fetch", updated=1.0, pid=1), "running")
    (place / NAME).write_text('{"started": 1, "finished": 0, "ansible_job_id": "x"}')  # before ansible-core 2.19
    assert running.look().job == "running"
    (place / NAME).write_text('{"changed": true, "msg": "started"}')
    assert running.look().job == "finished"
    (place / NAME).unlink()
    (place / "status it's.json").unlink()
    assert running.look() == Look(None, "missing")
    assert len(action.commands) == 4


@pytest.mark.parametrize("spoils", ["sudo: a password is required", AnsibleConnectionFailure("no route to host")])
def test_whatever_is_no_answer_counts_as_lost(place: Path, spoils: Any) -> None:
    action = Action()
    action.spoils = spoils
    with pytest.raises(Lost, match=r"password is required|no route"):
        made(action, place).look()


def test_the_modules_file_goes_once_the_host_has_loaded_it(place: Path) -> None:
    action = Action()
    running = made(action, place)
    module = place / "ansible-tmp-1" / "AnsiballZ_model_sync.py"
    before = place / "ansible-tmp-1" / "AnsiballZ_model_plan.py"  # of the call before, with the same arguments
    before.write_text("secret")
    for updated, there in ((1, True), (1, True), (2, True), (3, False)):
        running.on_look(Look(Snapshot(updated=updated), "running"))
        assert (module.exists(), before.exists()) == (there, there), updated
    asked = len(action.commands)
    running.on_look(Look(Snapshot(updated=4), "running"))
    assert len(action.commands) == asked == 1
    assert (place / "ansible-tmp-1" / "async_wrapper.py").exists()


def test_waiting_for_another_sync_does_not_show_that_this_one_is_loaded_but_time_does(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = made(Action(), place)
    module = place / "ansible-tmp-1" / "AnsiballZ_model_sync.py"
    for updated in range(9):
        running.on_look(Look(Snapshot(phase="wait", updated=updated), "running"))
    assert module.exists()
    later = time.monotonic() + job.LOADED + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    running.on_look(Look(None, "running"))
    assert not module.exists()


def test_the_result_is_the_modules_own_and_nothing_is_left(place: Path) -> None:
    action = Action(
        module={
            "changed": True,
            "msg": "done",
            "ansible_job_id": NAME,
            "finished": True,
            "stderr": "x",
            "invocation": 1,
        }
    )
    assert made(action, place).result() == {"changed": True, "msg": "done", "invocation": 1}
    assert sorted(path.name for path in place.iterdir()) == ["status it's.json"]
    assert [sudoable for _command, sudoable in action.commands] == [True, False]


def test_a_result_that_is_here_is_not_lost_with_the_connection(place: Path) -> None:
    action = Action(module={"changed": True, "finished": True})
    action.spoils = AnsibleConnectionFailure("gone")
    assert made(action, place).result() == {"changed": True}


ENDS = {
    "its result file is gone": {"failed": True, "msg": "could not find job"},
    "ended without a result, as when it is killed": {"failed": True, "cmd": "x", "data": "", "stderr": "", "msg": "T"},
    r"ended without a result \(Killed\)": {"failed": True, "cmd": "x", "data": "", "stderr": "Killed", "msg": "T"},
}


@pytest.mark.parametrize("says", ENDS)
def test_a_module_that_was_killed_is_told_from_one_that_failed(place: Path, says: str) -> None:
    with pytest.raises(Died, match=says):
        made(Action(module={**ENDS[says], "finished": True, "ansible_job_id": NAME}), place).result()


def test_a_bug_of_the_module_stays_visible() -> None:
    found = job.as_of_the_module(
        {"failed": True, "cmd": "x", "data": "", "stderr": "Traceback (most recent call last)", "finished": True}
    )
    assert found["failed"] is True
    assert found["failure"] == {"kind": "internal"}
    assert found["module_stderr"].startswith("Traceback")


def test_processes_of_the_job_are_found_by_its_name(place: Path) -> None:
    running = made(Action(), place)
    assert running.alive() is False
    process = subprocess.Popen(["/bin/sh", "-c", "sleep 30; :", NAME.partition(".")[0], "604800"])
    try:
        assert running.alive() is True
    finally:
        process.kill()
        process.wait()


def test_a_status_file_counts_only_while_its_process_lives(place: Path) -> None:
    status = place / "status it's.json"
    action = Action()
    assert job.current(action, DOWNLOAD, str(status)) == Snapshot(phase="fetch", updated=1.0, pid=1)
    status.write_text(json.dumps({"phase": "fetch", "pid": 2**22 + 7}))
    assert job.current(action, DOWNLOAD, str(status)) is None
    status.unlink()
    assert job.current(action, DOWNLOAD, str(status)) is None


def test_what_controllers_and_hosts_that_died_have_left_goes_with_the_next_job_and_nothing_else_does(
    tmp_path: Path,
) -> None:
    day, week = 24 * 3600, 8 * 24 * 3600 + 60
    jobs = tmp_path / "jobs" / job.OWN
    jobs.mkdir(parents=True)
    done, begun = '{"changed": true}', '{"started": true, "finished": false}'
    for name, text, age in (
        ("j1.1", done, day + 60),
        ("j2.1", done, day - 60),
        ("j3.1", begun, day + 60),
        ("j4.1", begun, week),
        ("notes", done, week),
        (NAME, done, 0),
    ):
        left_since(jobs / name, text, age)
    left_since(tmp_path / "jobs" / "j5.1", done, week)  # of somebody else
    for name, file, age in (
        ("ansible-tmp-1", "AnsiballZ_release.py", 0),
        ("ansible-tmp-2", "AnsiballZ_release.py", day + 60),
        ("ansible-tmp-3", "AnsiballZ_release.py", day - 60),
        ("ansible-tmp-4", "AnsiballZ_copy.py", week),
    ):
        (tmp_path / "tmp" / name).mkdir(parents=True)
        left_since(tmp_path / "tmp" / name / file, "secret", age)
    started = job.Started(NAME, str(jobs / NAME), str(tmp_path / "tmp" / "ansible-tmp-1"), "AnsiballZ_release.py")
    action = Action()
    job.Job(action, {}, started, kind=DOWNLOAD, status="none").tidy()
    assert sorted(path.name for path in jobs.iterdir()) == ["j2.1", "j3.1", "notes"]
    assert (tmp_path / "jobs" / "j5.1").exists()
    assert sorted(path.parent.name for path in (tmp_path / "tmp").rglob("*.py")) == ["ansible-tmp-3", "ansible-tmp-4"]
    assert [sudoable for _command, sudoable in action.commands] == [True, False]


def left_since(path: Path, text: str, age: float) -> None:
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


class Shell:
    """ansible-core's, as far as it is needed to start a job."""

    tmpdir: str | None = "/root/.ansible/tmp/ansible-tmp-1"

    def __init__(self) -> None:
        self.async_dir, self.seen = "/root/.ansible_async", list[str]()

    def set_option(self, name: str, value: str) -> None:
        assert name == "async_dir"
        self.async_dir = value
        self.seen.append(value)


class Task:
    async_val = 0


@pytest.mark.parametrize("fails", [False, True])
def test_the_task_is_as_it_was_once_the_job_is_started(monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    seen: list[int] = []
    shell = Shell()

    def execute(**_how: Any) -> dict[str, Any]:
        seen.append(action._task.async_val)
        if fails:
            raise AnsibleConnectionFailure("gone")
        return {"ansible_job_id": NAME, "results_file": f"/root/.ansible_async/{NAME}", "changed": True}

    action: Any = SimpleNamespace(
        _task=Task(),
        _connection=SimpleNamespace(_shell=shell),
        _execute_module=execute,
        get_shell_option=lambda _name, default: shell.async_dir or default,
    )
    if fails:
        with pytest.raises(AnsibleConnectionFailure):
            job.start(action, "a.b.m", {}, {})
    else:
        assert job.start(action, "a.b.m", {}, {}) == job.Started(
            NAME, f"/root/.ansible_async/{NAME}", "/root/.ansible/tmp/ansible-tmp-1", "AnsiballZ_m.py"
        )
    assert (seen, action._task.async_val) == ([job.TIME_LIMIT], 0)
    assert shell.seen == ["/root/.ansible_async/drydock", "/root/.ansible_async"]


def test_what_could_not_be_started_leaves_its_directory_to_the_plugin() -> None:
    shell = Shell()

    def execute(**_how: Any) -> dict[str, Any]:
        shell.tmpdir = None  # as ansible-core does, because it takes a job for granted
        return {"failed": True, "msg": "could not create directory: /nonexistent/.ansible_async - [Errno 13]"}

    action: Any = SimpleNamespace(
        _task=Task(),
        _connection=SimpleNamespace(_shell=shell),
        _execute_module=execute,
        _cleanup_remote_tmp=False,
        get_shell_option=lambda _name, default: shell.async_dir or default,
    )
    found = job.start(action, "m", {}, {})
    assert isinstance(found, dict)
    assert (found["failed"], found["changed"], job.is_homeless(found)) == (True, False, True)
    assert (shell.tmpdir, action._cleanup_remote_tmp) == ("/root/.ansible/tmp/ansible-tmp-1", True)


@pytest.mark.parametrize("found", [{}, {"failed": True, "msg": "no room"}, {"msg": "could not create directory: x"}])
def test_other_failures_are_not_taken_for_a_user_without_a_home(found: dict[str, Any]) -> None:
    assert not job.is_homeless(found)
