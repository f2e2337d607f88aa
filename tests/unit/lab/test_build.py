# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.archive import File, pack
from lab.build import tree_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM x\n")
    (folder / "init").write_text("#!/bin/sh\n")
    return folder


def test_the_same_files_have_the_same_digest_wherever_they_lie(tree: Path, tmp_path: Path) -> None:
    before = tree_digest([tree], "base")
    moved = tree.rename(tmp_path / "elsewhere")
    assert tree_digest([moved], "base") == before


@pytest.mark.parametrize("change", ["content", "name", "mode", "extra"])
def test_any_change_gives_another_digest(tree: Path, change: str) -> None:
    before = tree_digest([tree], "base")
    if change == "content":
        (tree / "init").write_text("#!/bin/dash\n")
    elif change == "name":
        (tree / "init").rename(tree / "start")
    elif change == "mode":
        (tree / "init").chmod(0o755)
    assert tree_digest([tree], "other" if change == "extra" else "base") != before


def test_compiled_python_does_not_count(tree: Path) -> None:
    before = tree_digest([tree])
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert tree_digest([tree]) == before


def test_an_archive_of_the_same_files_is_the_same_bytes() -> None:
    file = File(path="etc/x", content=b"x", mode=0o600, owner=1000)
    assert pack(file) == pack(file)
