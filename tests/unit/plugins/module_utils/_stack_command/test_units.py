# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of a stack: written and enabled once, removed when they shall not be, and nobody else's are touched."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.units import (
    UnitFile,
    apply,
    differences,
    units,
)

NAME = "ocr-probation.service"


class Systemctl:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(tuple(argv))
        return Completed(tuple(argv), 0)


def wanted() -> tuple[UnitFile, ...]:
    return units("ocr", root="/opt/100%", command="/usr/local/bin/ocr")


def place(folder: Path, *, present: bool) -> tuple[int, Systemctl]:
    found, runner = differences("ocr", wanted(), present=present, directory=folder), Systemctl()
    apply(found, runner, directory=folder)
    return len(found), runner


def test_they_are_written_and_enabled_once(tmp_path: Path) -> None:
    count, runner = place(tmp_path, present=True)
    assert (count, runner.calls) == (len(wanted()), [("systemctl", "daemon-reload")])
    link = tmp_path / "multi-user.target.wants" / NAME
    assert link.readlink() == tmp_path / NAME
    assert place(tmp_path, present=True)[0] == 0
    assert place(tmp_path, present=True)[1].calls == []


def test_what_was_changed_or_disabled_by_hand_is_put_right(tmp_path: Path) -> None:
    place(tmp_path, present=True)
    text = (tmp_path / NAME).read_text()
    (tmp_path / NAME).write_text(text + "# mine\n")
    (tmp_path / "multi-user.target.wants" / NAME).unlink()
    (found,) = [
        item for item in differences("ocr", wanted(), present=True, directory=tmp_path) if item.path.name == NAME
    ]
    assert found.diff()["before"].endswith("# mine\n")
    place(tmp_path, present=True)
    assert (tmp_path / NAME).read_text() == text
    assert (tmp_path / "multi-user.target.wants" / NAME).is_symlink()


def test_they_are_removed_with_what_enables_them(tmp_path: Path) -> None:
    place(tmp_path, present=True)
    place(tmp_path, present=False)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert place(tmp_path, present=False)[0] == 0


def test_a_unit_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("[Service]\nExecStart=/bin/true\n")
    for present in (True, False):
        with pytest.raises(DrydockError, match="was not written by this collection") as caught:
            place(tmp_path, present=present)
        assert caught.value.kind == "unit_foreign"


def test_a_host_without_systemd_gets_none(tmp_path: Path) -> None:
    assert differences("ocr", wanted(), present=True, directory=tmp_path / "none") == []


def test_the_watcher_comes_back_when_it_dies_and_only_where_there_is_something_to_watch() -> None:
    (unit,) = [item for item in wanted() if item.name == NAME]
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(unit.text)
    assert parser["Unit"]["ConditionPathExists"] == "/opt/100%%/state/probation.json"
    assert parser["Service"]["ExecStart"] == '"/usr/local/bin/ocr" probation'
    assert parser["Service"]["Restart"] == "on-failure"
