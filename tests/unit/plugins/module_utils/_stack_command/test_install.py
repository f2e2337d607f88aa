# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the command is put: whole, for everybody, and never in the place of something else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.install import (
    execute,
    header,
    make_plan,
)

OLD = header("ocr", version="1.0.0", digest="a" * 64) + b"old"
NEW = header("ocr", version="1.1.0", digest="b" * 64) + b"new"


def test_it_is_written_for_everybody_once(tmp_path: Path) -> None:
    plan = make_plan("ocr", NEW, directory=tmp_path / "local" / "bin", searched=())
    assert plan.changed
    execute(plan)
    path = tmp_path / "local" / "bin" / "ocr"
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (NEW, 0o755)
    assert not make_plan("ocr", NEW, directory=path.parent, searched=()).changed


def test_an_older_one_is_replaced_and_the_diff_says_which(tmp_path: Path) -> None:
    (tmp_path / "ocr").write_bytes(OLD)
    (tmp_path / "ocr").chmod(0o700)
    plan = make_plan("ocr", NEW, directory=tmp_path, searched=())
    diff = plan.diff()
    assert diff["before"].startswith(f"version 1.0.0, sha256 {'a' * 64}, {len(OLD)} bytes, mode 0700")
    assert diff["after"].startswith(f"version 1.1.0, sha256 {'b' * 64}, {len(NEW)} bytes, mode 0755")
    execute(plan)
    assert (tmp_path / "ocr").read_bytes() == NEW


def test_one_that_lost_its_mode_gets_it_back(tmp_path: Path) -> None:
    (tmp_path / "ocr").write_bytes(NEW)
    (tmp_path / "ocr").chmod(0o777)
    plan = make_plan("ocr", NEW, directory=tmp_path, searched=())
    assert plan.changed
    execute(plan)
    assert stat.S_IMODE((tmp_path / "ocr").stat().st_mode) == 0o755


@pytest.mark.parametrize("content", [NEW, None])
def test_a_file_of_somebody_else_is_neither_replaced_nor_removed(tmp_path: Path, content: bytes | None) -> None:
    (tmp_path / "ocr").write_text("#!/bin/sh\n# drydock.serving is nice\n")
    with pytest.raises(DrydockError, match="was not written by this collection") as caught:
        make_plan("ocr", content, directory=tmp_path, searched=())
    assert caught.value.kind == "command_foreign"


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ocr").symlink_to("/bin/true")
    with pytest.raises(DrydockError) as caught:
        make_plan("ocr", NEW, directory=tmp_path, searched=())
    assert caught.value.kind == "symlink"


def test_a_program_of_the_same_name_elsewhere_is_not_hidden(tmp_path: Path) -> None:
    for name in ("bin", "local"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "ocr"
    program.touch(mode=0o755)
    searched = [str(tmp_path / "local"), str(tmp_path / "bin")]
    with pytest.raises(DrydockError, match=f"^{program} is a program") as caught:
        make_plan("ocr", NEW, directory=tmp_path / "local", searched=searched)
    assert caught.value.kind == "program_shadowed"
    assert not make_plan("ocr", None, directory=tmp_path / "local", searched=searched).changed
    program.chmod(0o644)
    assert make_plan("ocr", NEW, directory=tmp_path / "local", searched=searched).changed


def test_its_own_directory_by_another_name_is_not_another_program(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "alias").symlink_to("usr")
    execute(make_plan("ocr", NEW, directory=tmp_path / "usr", searched=()))
    assert not make_plan("ocr", NEW, directory=tmp_path / "usr", searched=[str(tmp_path / "alias")]).changed


def test_it_is_removed_when_it_shall_not_be(tmp_path: Path) -> None:
    execute(make_plan("ocr", NEW, directory=tmp_path, searched=()))
    plan = make_plan("ocr", None, directory=tmp_path)
    assert (plan.changed, plan.diff()["after"]) == (True, "")
    execute(plan)
    assert os.listdir(tmp_path) == []  # noqa: PTH208  # names are enough
    assert not make_plan("ocr", None, directory=tmp_path).changed
