# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _reader
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


def test_both_streams_and_the_exit_status_come_back() -> None:
    verdict = _reader.ask(
        [sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr); exit(3)"], 10
    )
    assert verdict.rc == 3
    assert set(verdict.output.split()) == {"out", "err"}


def test_a_reader_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    with pytest.raises(DrydockError) as caught:
        _reader.ask(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; sleep 60"], 1)
    assert caught.value.kind == "validator_timeout"
    child = Path("/proc") / (tmp_path / "child").read_text().strip() / "stat"
    deadline = time.monotonic() + 30  # it was killed; on a busy machine it dies when its turn comes
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(stat: Path) -> bool:
    """Dead, and perhaps not yet fetched, is not alive."""
    try:
        return not stat.read_text().split(") ")[1].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_child_that_got_away_does_not_hold_up_the_answer() -> None:
    began = time.monotonic()
    with pytest.raises(DrydockError) as caught:
        _reader.ask(["sh", "-c", "setsid sleep 7 & sleep 60"], 0.2)
    assert caught.value.kind == "validator_timeout"
    assert time.monotonic() - began < 5


def test_a_missing_reader_is_named() -> None:
    assert not _reader.installed("no-such-reader")
    with pytest.raises(DrydockError) as caught:
        _reader.ask(["no-such-reader"], 1)
    assert caught.value.kind == "validator_missing"
    assert "no-such-reader is not installed" in caught.value.message


def test_programs_in_the_system_directories_are_found_without_them_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert _reader.installed("ldconfig")


def test_no_shell_reads_the_words() -> None:
    assert _reader.ask(["echo", "$HOME; false"], 10).output == "$HOME; false"


def test_the_end_of_a_long_output_is_kept_for_messages() -> None:
    verdict = _reader.Verdict(rc=1, output="a" * 5000 + "the reason")
    assert verdict.said.endswith("the reason")
    assert len(verdict.said) == _reader.OUTPUT_LIMIT + 2
