# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that hang, flood, leave children behind or do not exist, for real: each ends, what is kept is bounded."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import (
    NOT_FOUND,
    OUTPUT,
    Ended,
    HostPrograms,
    new_mark,
)

ENVIRONMENT = {"PATH": os.environ["PATH"], "DRYDOCK_STACK": "demo"}


def run(script: str, *, given: bytes = b"", timeout: float = 30.0) -> Ended:
    programs = HostPrograms()
    return programs.run(["sh", "-c", script], mark=new_mark(), given=given, environment=ENVIRONMENT, timeout=timeout)


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
    for command, code, words in (("/nowhere/hook", 127, "No such file"), (str(text), 126, "Permission denied")):
        done = HostPrograms().run([command], mark=new_mark(), environment=ENVIRONMENT, timeout=5)
        assert done.code == code
        assert words in done.output


def test_a_host_without_the_program_that_limits_the_time_of_others_is_told_and_not_raised() -> None:
    done = HostPrograms().run(["true"], mark=new_mark(), environment={"PATH": "/nowhere"}, timeout=5)
    assert (done.code, done.output) == (NOT_FOUND, "timeout: No such file or directory")


def test_a_child_that_has_left_the_group_and_its_environment_is_ended_all_the_same(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    leave = "import os; os.setpgid(0, 0); os.execve('/bin/sh', ['sh', '-c', 'echo $$ > {0}; exec sleep 300'], {{}})"
    script = f'{sys.executable} -c "{leave.format(told)}" & while ! [ -s {told} ]; do :; done'
    assert run(script, timeout=200).code == 0
    assert ended(int(told.read_text()))


HOOK = "HostPrograms().run(argv, mark='the mark', environment=dict(os.environ), timeout=0.1)"
COPY = "HostPrograms().save(argv, open(os.environ['COPY'], 'wb'), timeout=200, watch=lambda: None)"


@dataclass(frozen=True)
class Killed:
    """A program whose run is killed as soon as the program has begun; ``later`` as ``LATER``."""

    place: Path

    def begin(self, how: str, script: str, *, later: float = 300.0) -> int:
        """The program's process."""
        begun = self.place / "begun"
        os.mkfifo(begun)
        code = (
            "import os, sys\n"
            "from ansible_collections.drydock.serving.plugins.module_utils._release import programs\n"
            f"from {HostPrograms.__module__} import HostPrograms\n"
            f"programs.LATER, argv = {later}, ['sh', '-c', sys.argv[1]]\n{how}\n"
        )
        argv = [sys.executable, "-c", code, f"echo $$ > {begun}; {script}"]
        process = subprocess.Popen(argv, env={**os.environ, "COPY": str(self.place / "copy")})
        number = int(begun.read_text())
        process.kill()
        process.wait()
        return number


def test_a_program_whose_run_was_killed_ends_when_its_time_is_over(tmp_path: Path) -> None:
    assert ended(Killed(tmp_path).begin(HOOK, "exec sleep 300", later=0.5))


def test_a_copy_whose_run_was_killed_breaks_off_before_it_fills_the_disk(tmp_path: Path) -> None:
    assert ended(Killed(tmp_path).begin(COPY, "while :; do echo more; done"))


def test_what_a_run_that_was_killed_has_left_is_found_by_its_mark_and_ended_with_everything_it_started(
    tmp_path: Path,
) -> None:
    told = tmp_path / "pid"
    os.mkfifo(told)
    number = Killed(tmp_path).begin(HOOK, f"setsid sh -c 'echo $$ > {told}; exec sleep 300' & exec sleep 300")
    child = int(told.read_text())
    assert not HostPrograms().end("another mark")
    assert HostPrograms().end("the mark")
    assert ended(number)
    assert ended(child)
    assert not HostPrograms().end("the mark")


def test_the_lease_is_free_when_a_run_was_killed_and_its_program_goes_on(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    hold = (
        f"import fcntl; held = open({str(lock)!r}, 'w'); fcntl.flock(held, 2); os.set_inheritable(held.fileno(), True)"
    )
    number = Killed(tmp_path).begin(f"{hold}\n{HOOK}", "exec sleep 300")
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert HostPrograms().end("the mark")
    assert ended(number)


def test_one_that_hangs_in_the_kernel_is_named_and_nothing_is_begun_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    where = HostPrograms.__module__
    monkeypatch.setattr(f"{where}.LOOKS", 1)
    monkeypatch.setattr(f"{where}._left", lambda *_of: [4711])
    monkeypatch.setattr(f"{where}.os.kill", lambda _number, _signal: None)
    with pytest.raises(DrydockError, match="process 4711") as failure:
        HostPrograms().end("the mark")
    assert failure.value.kind == "timed_out"


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
