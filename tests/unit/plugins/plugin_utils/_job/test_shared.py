# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one run know of each other."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._job.shared import Shared, names_in
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot

HALF = Snapshot(bytes_done=1, bytes_total=2, rate=3.0, updated=7.0)


@dataclass
class Time:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def test_all_hosts_of_the_run_are_seen_by_each(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    one, other = Shared(folder, "lab-1", DOWNLOAD), Shared(folder, "../etc/läb 2", DOWNLOAD)
    assert one.hosts() == {}
    one.tell(HALF)
    other.tell(Snapshot(phase="wait"))
    assert one.hosts() == other.hosts() == {"lab-1": HALF, "../etc/läb 2": Snapshot(phase="wait")}
    one.leave()
    assert names_in(folder) == ["../etc/läb 2"]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [folder] * 2


def test_one_of_many_draws_at_a_time(tmp_path: Path) -> None:
    clock = Time()
    one, other = (Shared(tmp_path, name, DOWNLOAD, now=clock) for name in ("lab-1", "lab-2"))
    assert one.may_draw()
    assert not other.may_draw()
    clock.now += 0.3
    assert other.may_draw()


def test_nobody_draws_just_after_a_host_is_done(tmp_path: Path) -> None:
    clock = Time()
    one, other = (Shared(tmp_path, name, DOWNLOAD, now=clock) for name in ("lab-1", "lab-2"))
    one.tell(HALF)
    one.leave()
    clock.now += 0.4
    assert not other.may_draw()
    clock.now += 0.2
    assert other.may_draw()


def test_a_folder_that_is_gone_or_spoilt_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    shared = Shared(tmp_path / "file" / "below", "lab-1", DOWNLOAD)
    shared.tell(HALF)
    shared.leave()
    assert shared.may_draw()
    for name, text in (("a", "{"), ("b", "[]"), ("c", '{"host": "x"}'), ("d", '{"host": "x", "status": []}')):
        (tmp_path / f"{name}.json").write_text(text)
    assert Shared(tmp_path, "lab-1", DOWNLOAD).hosts() == {}
