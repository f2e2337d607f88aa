# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that hang, flood, leave children behind or do not exist, for real: each ends, what is kept is bounded."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import (
    NOT_FOUND,
    OUTPUT,
    Ended,
    HostPrograms,
)

ENVIRONMENT = {"PATH": os.environ["PATH"], "DRYDOCK_STACK": "demo"}


def run(script: str, *, given: bytes = b"", timeout: float = 30.0) -> Ended:
    return HostPrograms().run(["sh", "-c", script], given=given, environment=ENVIRONMENT, timeout=timeout)


def ended(process: int) -> bool:
    """Whether it is gone; another process does not vanish at once."""
    for _look in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def test_a_program_gets_its_input_and_nothing_of_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT", "canary")
    done = run("cat; env", given=b"the record")
    assert done.code == 0
    assert done.output.startswith("the record")
    assert "DRYDOCK_STACK=demo" in done.output
    assert "VAULT" not in done.output


def test_a_program_that_reads_nothing_is_not_held_up_by_a_long_input() -> None:
    assert run("exit 3", given=b"x" * 1_000_000).code == 3


def test_of_a_program_that_prints_megabytes_the_end_is_kept() -> None:
    done = run("head -c 5000000 /dev/zero | tr '\\0' x; echo; echo the end")
    assert done.code == 0
    assert done.output.endswith("x\nthe end\n")
    assert len(done.output) == OUTPUT


def test_what_is_said_on_both_outputs_is_kept_in_order() -> None:
    assert run("echo one; echo two >&2; echo three").output == "one\ntwo\nthree\n"


def test_a_program_that_hangs_ends_with_everything_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    done = run(f"sleep 300 & echo $! > {told}; echo begun; wait", timeout=0.3)
    assert done.code is None
    assert done.output == "begun\n"
    assert ended(int(told.read_text()))


def test_a_program_that_does_not_want_to_end_is_ended_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible_collections.drydock.serving.plugins.module_utils._release.programs.PATIENCE", 0.1)
    told = tmp_path / "pid"
    assert run(f"trap '' TERM; echo $$ > {told}; while :; do sleep 1; done", timeout=0.3).code is None
    assert ended(int(told.read_text()))


def test_a_child_that_is_left_behind_holds_nobody_up_and_is_ended(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    done = run(f"sleep 300 & echo $! > {told}; echo done", timeout=200)
    assert (done.code, done.output) == (0, "done\n")
    assert ended(int(told.read_text()))


def test_a_child_that_has_left_the_group_is_found_and_ended(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    done = run(f"setsid sh -c 'echo $$ > {told}; exec sleep 300' & while ! [ -s {told} ]; do :; done", timeout=200)
    assert done.code == 0
    assert ended(int(told.read_text()))


def test_a_program_that_is_not_there_or_cannot_be_run_is_told_and_not_raised(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no program")
    for command, words in (("/nowhere/hook", "No such file"), (str(text), "Permission denied")):
        done = HostPrograms().run([command], environment=ENVIRONMENT, timeout=5)
        assert done.code == NOT_FOUND
        assert words in done.output


def test_a_signal_that_ended_a_program_is_told() -> None:
    assert run("kill -9 $$").code == -9


def test_standard_output_goes_to_a_file_and_complaints_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with path.open("wb") as handle:
        done = HostPrograms().save(
            ["sh", "-c", "head -c 3000000 /dev/zero; echo trouble >&2"], handle, timeout=30, watch=lambda: None
        )
    assert (done.code, done.output) == (0, "trouble\n")
    assert path.stat().st_size == 3_000_000


def test_whoever_watches_a_copy_can_end_it(tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def enough() -> None:
        if told.exists() and told.read_text().strip():
            raise DrydockError("no_space", "full")

    with (tmp_path / "copy").open("wb") as handle, pytest.raises(DrydockError, match="full"):
        HostPrograms().save(["sh", "-c", f"echo $$ > {told}; exec sleep 300"], handle, timeout=200, watch=enough)
    assert ended(int(told.read_text()))


def test_a_file_is_read_back_by_a_program(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    path.write_bytes(b"x" * 2_000_000)
    with path.open("rb") as handle:
        assert HostPrograms().feed(["wc", "-c"], handle, timeout=30).output.strip() == "2000000"
