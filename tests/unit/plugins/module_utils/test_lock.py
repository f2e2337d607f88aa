# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _lock
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_second_holder_waits_as_long_as_told_and_then_names_the_first(tmp_path: Path) -> None:
    clock = Clock()
    with (
        _lock.held(tmp_path / "lock", timeout=1),
        pytest.raises(DrydockError) as caught,
        _lock.held(tmp_path / "lock", timeout=3, clock=clock, sleep=clock.sleep),
    ):
        pass
    assert caught.value.kind == "busy"
    assert str(os.getpid()) in caught.value.message
    assert clock.now == pytest.approx(3, abs=_lock.POLL_SECONDS)


def test_readers_share_and_a_writer_waits_for_them(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with (
        _lock.held(path, timeout=0, shared=True),
        _lock.held(path, timeout=0, shared=True),
        pytest.raises(DrydockError),
        _lock.held(path, timeout=0),
    ):
        pass
    with _lock.held(path, timeout=0):
        pass


def test_a_reader_where_nothing_ever_ran_holds_nothing_and_makes_nothing(tmp_path: Path) -> None:
    with _lock.held(tmp_path / "state" / "lock", timeout=0, shared=True):
        assert list(tmp_path.iterdir()) == []


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with _lock.held(tmp_path / "lock", timeout=0):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    with _lock.held(tmp_path / "lock", timeout=0):
        pass


def test_a_link_is_not_followed_to_someone_elses_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic"), _lock.held(tmp_path / "lock", timeout=0):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_whoever_waits_is_told_for_whom_while_it_waits(tmp_path: Path) -> None:
    told: list[str] = []
    first = _lock.held(tmp_path / "lock", timeout=0)
    first.__enter__()

    def sleep(_seconds: float) -> None:
        first.__exit__(None, None, None)

    with _lock.held(tmp_path / "lock", timeout=10, clock=lambda: 0.0, sleep=sleep, waiting=told.append):
        assert len(told) == 1
    assert told[0].startswith(f"process {os.getpid()} of ")


def test_a_holder_that_has_not_written_its_name_yet_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("")
    pauses: list[float] = []

    def writes_meanwhile(seconds: float) -> None:
        pauses.append(seconds)
        path.write_text("process 7 of 0\n")

    assert _lock._holder(path, writes_meanwhile) == "process 7 of 0"
    assert len(pauses) == 1
    path.write_text("")
    assert _lock._holder(path, pauses.append) == "a process that left no name"
