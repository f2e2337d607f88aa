# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model set: every way it can be wrong is found before anything is loaded, and named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ocr.errors import CannotStartError
from ocr.model_set import load_verified, open_model_set

CONTENTS = {"det.onnx": b"detects", "rec.onnx": b"recognises", "cls.onnx": b"classifies"}


def entry(content: bytes) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


def write(directory: Path, manifest: Any = None) -> Path:
    for name, content in CONTENTS.items():
        (directory / name).write_bytes(content)
    files = {name: entry(content) for name, content in CONTENTS.items()}
    whole = {"name": "ocr", "version": "4.0", "files": files} if manifest is None else manifest
    (directory / "manifest.json").write_text(whole if isinstance(whole, str) else json.dumps(whole))
    return directory


def test_a_set_that_is_what_its_manifest_says_is_opened(tmp_path: Path) -> None:
    opened = open_model_set(write(tmp_path))
    assert (opened.name, opened.version) == ("ocr", "4.0")
    assert load_verified(opened, "det.onnx") == b"detects"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"detectS", "det.onnx: sha256"),
        (b"detect", "det.onnx: 6 bytes, expected 7"),
        (b"", "det.onnx: 0 bytes, expected 7"),
        (None, "det.onnx: No such file"),
    ],
)
def test_a_file_that_differs_is_refused_by_name(tmp_path: Path, content: bytes | None, said: str) -> None:
    write(tmp_path)
    if content is None:
        (tmp_path / "det.onnx").unlink()
    else:
        (tmp_path / "det.onnx").write_bytes(content)
    with pytest.raises(CannotStartError, match=said) as caught:
        open_model_set(tmp_path)
    assert "Deliver the set again" in str(caught.value)


def test_everything_wrong_is_reported_at_once(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "det.onnx").write_bytes(b"detectS")
    (tmp_path / "cls.onnx").unlink()
    with pytest.raises(CannotStartError) as caught:
        open_model_set(tmp_path)
    assert "det.onnx: sha256" in str(caught.value)
    assert "cls.onnx: No such file" in str(caught.value)


def test_a_manifest_without_a_needed_model_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"name": "ocr", "version": "4.0", "files": {"det.onnx": entry(b"detects")}})
    with pytest.raises(CannotStartError, match=r"rec\.onnx: not in the manifest; cls\.onnx: not in the manifest"):
        open_model_set(tmp_path)


def test_a_set_that_is_not_mounted_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match="Is the set mounted at"):
        open_model_set(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "manifest",
    [
        "{",
        "[]",
        '{"name": "ocr", "version": "4.0"}',
        '{"name": "ocr", "version": "4.0", "files": {"det.onnx": {"size": 7}}}',
        '{"name": "ocr", "version": "4.0", "files": {"../det.onnx": {"sha256": "00", "size": 7}}}',
        '{"name": "ocr", "version": "4.0", "files": {"/det.onnx": {"sha256": "00", "size": 7}}}',
    ],
)
def test_a_manifest_of_another_form_is_refused(tmp_path: Path, manifest: str) -> None:
    with pytest.raises(CannotStartError, match=r"manifest\.json"):
        open_model_set(write(tmp_path, manifest))


def test_a_file_that_changes_between_check_and_load_is_not_loaded(tmp_path: Path) -> None:
    opened = open_model_set(write(tmp_path))
    (tmp_path / "det.onnx").write_bytes(b"detectS")
    with pytest.raises(CannotStartError, match="changed while the service started"):
        load_verified(opened, "det.onnx")
