# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one host's download is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import (
    Known,
    Lines,
    Place,
    Silent,
    closing,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._job.rhythm import Rhythm
from ansible_collections.drydock.serving.plugins.plugin_utils._job.screen import CLEAR, drawn
from ansible_collections.drydock.serving.plugins.plugin_utils._job.shared import Shared, names_in
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot


def at(percent: int) -> Snapshot:
    return Snapshot(bytes_done=percent, bytes_total=100, rate=1.0, eta=100 - percent)


def test_a_log_gets_the_first_the_tenths_and_the_last() -> None:
    told: list[str] = []
    lines = Lines("lab-1", told.append, monotonic=lambda: 0.0, rhythm=Rhythm(30.0))
    for percent in (1, 5, 12, 13, 14):
        lines.show(at(percent))
    lines.close()
    assert told == [
        "progress: [lab-1] 1 % of 100 bytes, 1 bytes/s, 1 min 39 s left",
        "progress: [lab-1] 12 % of 100 bytes, 1 bytes/s, 1 min 28 s left",
        "progress: [lab-1] 14 % of 100 bytes, 1 bytes/s, 1 min 26 s left",
    ]


def test_the_last_line_is_not_said_twice_and_nothing_comes_of_nothing() -> None:
    told: list[str] = []
    lines = Lines("lab-1", told.append, monotonic=lambda: 0.0, rhythm=Rhythm(30.0))
    lines.close()
    lines.show(at(5))
    lines.close()
    assert len(told) == 1


def test_what_is_over_soon_leaves_no_line_in_a_log() -> None:
    told: list[str] = []
    now = [0.0]
    lines = Lines("lab-1", told.append, monotonic=lambda: now[0], rhythm=Rhythm(30.0, 10.0))
    for second in (0.0, 5.0, 9.9):
        now[0] = second
        lines.show(at(5))
    lines.close()
    assert told == []
    now[0] = 10.0
    lines.show(at(5))
    assert len(told) == 1


def test_a_note_is_one_clean_line() -> None:
    told: list[str] = []
    Lines("lab-1", told.append, monotonic=lambda: 0.0, rhythm=Rhythm(30.0)).note("does not answer\nok: [lab-2]\x1b[2J")
    assert told == ["progress: [lab-1] does not answerok: [lab-2][2J"]


def test_a_terminal_shows_all_hosts_on_one_line_and_keeps_notes(tmp_path: Path) -> None:
    drawings: list[str] = []
    lines: list[str] = []
    log: list[str] = []
    other = Shared(tmp_path, "lab-2", DOWNLOAD)
    other.tell(at(30))
    shared = Shared(tmp_path, "lab-1", DOWNLOAD, now=iter(range(0, 100_000_000_000, 1_000_000_000)).__next__)
    place = Place(
        shared,
        drawings.append,
        lines=Lines("lab-1", lines.append, monotonic=lambda: 0.0, rhythm=Rhythm(30.0)),
        log=Lines("lab-1", log.append, monotonic=lambda: 0.0, rhythm=Rhythm(30.0)),
        width=lambda: 200,
    )
    known = Known(shared, place)
    known.show(at(10))
    known.note("does not answer")
    known.show(at(11))
    known.close()
    assert drawings[0] == drawn("2 hosts: 20 % of 200 bytes, 2 bytes/s | lab-2 30 % 1 bytes/s | lab-1 10 % 1 bytes/s")
    assert drawings[1] == drawings[-1] == CLEAR
    assert lines == ["progress: [lab-1] does not answer"]
    assert [line[:24] for line in log] == ["progress: [lab-1] 10 % o", "progress: [lab-1] 11 % o"]
    assert names_in(tmp_path) == ["lab-2"]


def test_a_host_is_known_from_its_start_also_when_nothing_is_shown(tmp_path: Path) -> None:
    known = Known(Shared(tmp_path, "lab-1", DOWNLOAD), Silent())
    assert Shared(tmp_path, "lab-2", DOWNLOAD).hosts() == {"lab-1": Snapshot(phase="start")}
    known.show(at(1))
    known.note("anything")
    known.close()
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(("ends", "forgotten"), [(KeyboardInterrupt, False), (TimeoutError, True), (SystemExit, True)])
def test_an_interrupted_run_still_knows_its_hosts(tmp_path: Path, ends: type[BaseException], forgotten: bool) -> None:
    with pytest.raises(ends), closing(Known(Shared(tmp_path, "lab-1", DOWNLOAD), Silent())):
        raise ends
    assert (names_in(tmp_path) == []) is forgotten
