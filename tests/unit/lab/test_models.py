# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from lab.checkout import this_checkout
from lab.errors import LabError
from lab.models import Model, ModelFile, extract, is_pinned, models

CONTENT = b"a model"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("package/det.onnx", CONTENT)
    return path


def test_a_pinned_file_gets_its_name(archive: Path, tmp_path: Path) -> None:
    file = ModelFile(name="det.onnx", member="package/det.onnx", sha256=hashlib.sha256(CONTENT).hexdigest())
    extract(archive, [file], tmp_path)
    assert is_pinned(tmp_path / "det.onnx", file)


def test_another_file_than_the_pinned_one_never_gets_its_name(archive: Path, tmp_path: Path) -> None:
    file = ModelFile(name="det.onnx", member="package/det.onnx", sha256="0" * 64)
    with pytest.raises(LabError, match="expected 0000"):
        extract(archive, [file], tmp_path)
    assert not (tmp_path / "det.onnx").exists()


def test_the_checkouts_definitions_can_be_read() -> None:
    found = models(this_checkout())
    assert all(isinstance(model, Model) and model.files and len(model.wheel_sha256) == 64 for model in found)
    assert {model.name for model in found} >= {"ocr"}
