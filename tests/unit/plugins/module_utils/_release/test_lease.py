# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease: who holds a stack is told as it is, whatever the clock says and however the holder ended."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import lease as leases
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import (
    BEAT,
    EXPIRY,
    Clocks,
    Lease,
    holder,
    lease,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.world import World

OWNER = {
    "actor": "alice@laptop",
    "host": "laptop",
    "since": "2026-11-21T04:00:00Z",
    "reason": "new model",
    "doing": "release r001",
}
OTHER = {"actor": "bob@ci", "host": "ci", "since": "2026-11-21T05:00:00Z", "reason": "", "doing": "release r002"}
HOLD = """
import sys
from pathlib import Path
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
root = Path(sys.argv[1])
with lease(Layout(root=root, secrets=root), {"actor": "alice@laptop", "host": "laptop", "doing": "release r001"}):
    print("held", flush=True)
    if len(sys.argv) > 2:
        SubprocessRunner().run(["sh", "-c", f"echo $$ > {root}/child; kill -9 $PPID; exec sleep 60"])
    sys.stdin.read()
"""


@dataclass
class Times:
    """A wall clock and a steady one, each set by the test."""

    wall: float = 1_800_000_000.0
    steady: float = 1000.0
    boot: str = "this boot"

    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: self.wall, steady=lambda: self.steady, boot=lambda: self.boot)


@pytest.fixture(name="layout")
def _layout(tmp_path: Path) -> Layout:
    layout = Layout(root=tmp_path, secrets=tmp_path)
    layout.make()
    return layout


@pytest.fixture(name="times")
def _times() -> Times:
    return Times()


@pytest.fixture(name="stopped")
def _stopped(layout: Layout) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "held\n"
    yield run
    run.kill()
    run.communicate()


def refused(layout: Layout, times: Times) -> DrydockError:
    with pytest.raises(DrydockError) as failure, lease(layout, OTHER, times.clocks()):
        pass
    assert failure.value.kind == "locked"
    return failure.value


def note(layout: Layout) -> dict[str, Any]:
    return dict(json.loads(layout.lease.read_text()))


def test_a_living_holder_is_told_with_who_since_when_why_doing_what_and_when_last_seen(
    layout: Layout, times: Times
) -> None:
    with lease(layout, OWNER, times.clocks()) as held:
        times.wall += 60
        held.doing("release r001, step images")
        times.steady += 3
        error = refused(layout, times)
    for words in (
        "alice@laptop from laptop",
        "since 2026-11-21T04:00:00Z",
        "reason: new model",
        "doing: release r001, step images (since 2027-01-15T08:01:00Z)",
        "last sign of life: 2027-01-15T08:01:00Z (3 s ago)",
        "Wait for it to end",
    ):
        assert words in error.message
    assert error.details["state"] == "alive"


def test_a_holder_without_a_sign_of_life_is_named_as_stuck_with_what_to_do(layout: Layout, times: Times) -> None:
    with lease(layout, OWNER, times.clocks()):
        times.steady += EXPIRY + 1
        error = refused(layout, times)
    assert error.details["state"] == "stuck"
    assert f"({EXPIRY + 1:g} s ago)" in error.message
    assert f"kill -9 {os.getpid()}" in error.message


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_clock_that_is_set_makes_no_living_holder_stuck_and_no_stuck_one_alive(
    layout: Layout, times: Times, jump: float
) -> None:
    with lease(layout, OWNER, times.clocks()) as held:
        times.wall += jump
        assert refused(layout, times).details["state"] == "alive"
        held.beat()
        assert refused(layout, times).details["state"] == "alive"
        times.steady += EXPIRY + 1
        assert refused(layout, times).details["state"] == "stuck"


def test_a_sign_of_life_is_given_until_the_run_is_over(layout: Layout, times: Times) -> None:
    held = Lease(layout.lease, OWNER, times.clocks())
    waited = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        times.steady += seconds
        return len(waited) > 3

    held.beat_until(wait)
    assert waited == [BEAT] * 4
    assert note(layout)["beat"] == 1000.0 + 3 * BEAT


def test_the_note_says_when_it_expires(layout: Layout, times: Times) -> None:
    with lease(layout, OWNER, times.clocks()):
        assert note(layout)["heartbeat"] == "2027-01-15T08:00:00Z"
        assert note(layout)["expires"] == "2027-01-15T08:00:30Z"
        assert layout.lease.stat().st_mode & 0o777 == 0o600
    assert not layout.lease.exists()


def test_a_disk_that_takes_no_more_does_not_end_a_release_that_holds_the_lease(
    layout: Layout, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    layout.lease.write_text(json.dumps({"actor": "somebody else"}))
    monkeypatch.setattr(leases, "_write", full)
    with lease(layout, OWNER, times.clocks()) as held:
        held.doing("release r001, step images")
        assert "somebody else" not in refused(layout, times).message


def test_a_lease_that_ended_by_itself_leaves_nothing_to_take_over(layout: Layout, times: Times) -> None:
    with lease(layout, OWNER, times.clocks()):
        pass
    with lease(layout, OTHER, times.clocks()) as held:
        assert held.taken_over is None
    assert holder(layout) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"actor": 5, "pid": "x", "beat": "y"}'])
def test_a_note_that_cannot_be_read_is_taken_over_and_does_not_hide_a_holder(
    layout: Layout, times: Times, text: str
) -> None:
    layout.lease.write_text(text)
    with lease(layout, OWNER, times.clocks()) as held:
        assert held.taken_over is not None
        layout.lease.write_text(text)
        error = refused(layout, times)
    assert error.details["state"] == "unknown"
    assert "Another run is working on this stack" in error.message


def test_a_holder_that_was_stopped_is_named_as_stuck_at_once_and_serves_on_when_continued(
    layout: Layout, stopped: subprocess.Popen[str]
) -> None:
    os.kill(stopped.pid, signal.SIGSTOP)
    os.waitpid(stopped.pid, os.WUNTRACED)
    with pytest.raises(DrydockError) as failure, lease(layout, OTHER):
        pass
    assert failure.value.details["state"] == "stuck"
    assert f"kill -CONT {stopped.pid}" in failure.value.message
    assert failure.value.details["processes"] == [f"{comm(stopped.pid)} (process {stopped.pid})"]
    os.kill(stopped.pid, signal.SIGCONT)
    os.waitpid(stopped.pid, os.WCONTINUED)
    with pytest.raises(DrydockError) as failure, lease(layout, OTHER):
        pass
    assert failure.value.details["state"] == "alive"


@pytest.mark.usefixtures("stopped")
def test_a_lock_that_was_removed_lets_nobody_work_beside_who_holds_the_stack(layout: Layout) -> None:
    layout.lock.unlink()
    with pytest.raises(DrydockError) as failure, lease(layout, OTHER):
        pass
    assert (failure.value.kind, failure.value.details["owner"]["actor"]) == ("locked", "alice@laptop")
    assert note(layout)["actor"] == "alice@laptop"


def test_a_dead_holder_s_lease_is_taken_over_and_said(layout: Layout, stopped: subprocess.Popen[str]) -> None:
    stopped.kill()
    stopped.wait()
    seen = holder(layout)
    assert seen is not None
    assert seen["state"] == "orphaned"
    with lease(layout, OTHER) as held:
        assert held.taken_over is not None
        assert held.taken_over["actor"] == "alice@laptop"
        assert held.taken_over["doing"] == "release r001"
        assert note(layout)["actor"] == "bob@ci"


def test_a_program_that_outlives_its_dead_run_is_named(layout: Layout) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root), "die"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
    )
    run.wait()
    child = int((layout.root / "child").read_text())
    try:
        with pytest.raises(DrydockError) as failure, lease(layout, OTHER):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
    assert failure.value.details["state"] == "orphaned"
    assert "That run has died" in failure.value.message
    assert f"(process {child})" in failure.value.message


def test_a_release_says_at_each_step_what_it_does_and_from_where(world: World) -> None:
    told: list[dict[str, Any]] = []
    world.release(
        on_step=lambda _step: told.append(json.loads((world.root / "state" / "lease.json").read_text())),
        controller="laptop",
        reason="new model",
    )
    assert [entry["doing"] for entry in told] == [f"release r001, step {step}" for step in RELEASE_STEPS]
    assert {(entry["actor"], entry["host"], entry["reason"]) for entry in told} == {("op@ctl", "laptop", "new model")}
    assert world.result["lease_taken_over"] is None


def test_a_release_that_takes_over_a_dead_run_s_lease_says_whose(world: World) -> None:
    world.release()
    (world.root / "state" / "lease.json").write_text(json.dumps({**OTHER, "pid": 1, "process": "x"}))
    result = world.release(world.with_api(image="api:2"))
    assert result["lease_taken_over"]["actor"] == "bob@ci"
    assert result["lease_taken_over"]["host"] == "ci"
    assert world.leftovers() == []


def comm(process: int) -> str:
    return Path(f"/proc/{process}/comm").read_text().strip()
