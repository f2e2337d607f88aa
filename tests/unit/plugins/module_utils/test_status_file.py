# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file in which a long run tells how far it is."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._status_file import StatusFile


def test_it_is_whole_private_and_names_its_process(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path)
    file.write({"step": "up"})
    file.write({"step": "healthy"})
    assert json.loads(path.read_text()) == {"step": "healthy", "pid": os.getpid()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["status.json"]


def test_it_goes_with_its_process_and_that_of_another_stays(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    file = StatusFile(path)
    file.write({})
    file.end()
    assert not path.exists()
    file.write({})
    path.write_text('{"pid": 1}')
    file.end()
    assert file.read() == {"pid": 1}


def test_what_cannot_be_read_or_written_stops_nothing(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "missing" / "status.json")
    file.write({"step": "up"})
    file.end()
    assert file.read() == {}
    (tmp_path / "status.json").write_text("[1")
    assert StatusFile(tmp_path / "status.json").read() == {}


def test_a_link_that_somebody_laid_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".drydock-status.json.{os.getpid()}").symlink_to(victim)
    StatusFile(tmp_path / "status.json").write({"step": "up"})
    assert victim.read_text() == "mine"
