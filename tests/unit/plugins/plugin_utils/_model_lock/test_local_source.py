# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the controller as sources: every file is listed or told, whatever its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources.local import LocalBackend
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import ResolvedSet, SetRequest


def resolve(folder: Path) -> ResolvedSet:
    return LocalBackend().resolve(SetRequest(name="m", version="1", where="models.m", source=f"file://{folder}"))


def refusal(folder: Path) -> str:
    with pytest.raises(DrydockError) as caught:
        resolve(folder)
    assert caught.value.message.encode()
    return caught.value.message


def test_a_name_in_another_encoding_is_listed_so_that_it_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    assert {item.urls[0].rpartition("/")[2] for item in resolve(tmp_path).files} == {"a.json", "caf%E9.json"}


def test_a_link_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).symlink_to("/etc/hostname")
    assert "caf\\udce9 is a link that leads out" in refusal(tmp_path)


def test_links_that_go_round_are_told(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert "one is not a file; two is not a file" in refusal(tmp_path)


def test_a_folder_that_cannot_be_read_is_told_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.json").write_text("{}")
    real = os.scandir

    def closed(path: Any) -> Any:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert "closed cannot be read (Permission denied)" in refusal(tmp_path)


def test_a_folder_that_goes_meanwhile_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_arguments: Any, **_options: Any) -> Any:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(os, "walk", gone)
    assert "cannot be read: No such file or directory. Lock again." in refusal(tmp_path)
