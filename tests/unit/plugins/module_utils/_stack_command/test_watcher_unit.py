# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's unit: written and enabled once, removed when it shall not be, and nobody else's is touched."""

from __future__ import annotations

import configparser
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.watcher_unit import (
    execute_watcher,
    plan_watcher,
    watcher_text,
)

NAME = "ocr-probation.service"
LINK = f"multi-user.target.wants/{NAME}"
CONTENT = watcher_text("ocr", root=Path("/opt/100%"), command=Path("/usr/local/bin/ocr"))


class Systemctl:
    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(tuple(argv))
        return Completed(tuple(argv), 0)


def place(folder: Path, content: bytes | None) -> Systemctl:
    runner = Systemctl()
    execute_watcher(plan_watcher("ocr", content, directory=folder), runner)
    return runner


def test_it_is_written_and_enabled_once(tmp_path: Path) -> None:
    assert place(tmp_path, CONTENT).calls == [("systemctl", "daemon-reload")]
    assert ((tmp_path / NAME).read_bytes(), (tmp_path / LINK).readlink()) == (CONTENT, tmp_path / NAME)
    assert not plan_watcher("ocr", CONTENT, directory=tmp_path).changed


def test_one_that_was_changed_by_hand_is_put_right(tmp_path: Path) -> None:
    place(tmp_path, CONTENT)
    (tmp_path / NAME).write_bytes(CONTENT + b"# mine\n")
    plan = plan_watcher("ocr", CONTENT, directory=tmp_path)
    assert (plan.changed, plan.diff()["before"].endswith("# mine\n")) == (True, True)
    place(tmp_path, CONTENT)
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_one_that_was_disabled_by_hand_is_enabled_again(tmp_path: Path) -> None:
    place(tmp_path, CONTENT)
    (tmp_path / LINK).unlink()
    assert plan_watcher("ocr", CONTENT, directory=tmp_path).changed
    place(tmp_path, CONTENT)
    assert (tmp_path / LINK).is_symlink()


def test_it_is_removed_with_what_enables_it(tmp_path: Path) -> None:
    place(tmp_path, CONTENT)
    assert plan_watcher("ocr", None, directory=tmp_path).changed
    place(tmp_path, None)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
    assert not plan_watcher("ocr", None, directory=tmp_path).changed


@pytest.mark.parametrize("content", [CONTENT, None])
def test_a_unit_of_somebody_else_is_refused(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / NAME).write_text("[Service]\nExecStart=/bin/true\n")
    with pytest.raises(DrydockError, match="was not written by this collection") as caught:
        plan_watcher("ocr", content, directory=tmp_path)
    assert caught.value.kind == "unit_foreign"


def test_the_watcher_comes_back_when_it_dies_and_only_where_there_is_something_to_watch() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(CONTENT.decode())
    assert parser["Unit"]["ConditionPathExists"] == "/opt/100%%/state/probation.json"
    assert parser["Service"]["ExecStart"] == '"/usr/local/bin/ocr" probation'
    assert parser["Service"]["Restart"] == "on-failure"
    assert parser["Unit"]["StartLimitIntervalSec"] == "0"  # an engine may be away for long
