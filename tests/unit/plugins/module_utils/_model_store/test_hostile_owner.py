# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets may be owned by an ordinary user, and root works in them: nothing outside the store may suffer from that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._checksum import hash_file
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store import layout, sets
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Ownership


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that is none of the store's business."""
    place = tmp_path / "etc"
    place.mkdir()
    path = place / "shadow"
    path.write_bytes(b"root:*:")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", [str, lambda path: f"../../../../etc/{path.name}", lambda path: f"{path}\0"])
def test_a_manifest_that_calls_a_path_a_digest_removes_nothing_elsewhere(
    store: Any, outside: Path, mounted: set[Path], name: Callable[[Path], str]
) -> None:
    store.keep = 1
    store.sync(store.model("ocr", "1", det_onnx=b"one"))
    manifest = store.root / "sets" / "ocr" / "1" / "manifest.json"
    manifest.unlink()
    files = {"det.onnx": {"sha256": name(outside), "size": 7}}
    manifest.write_text(json.dumps({"name": "ocr", "version": "1", "files": files}))
    store.sync(store.model("ocr", "2", det_onnx=b"two"))
    assert outside.read_bytes() == b"root:*:"
    assert store.versions("ocr") == ["2"]


def swap(place: Path, target: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to(target)


def test_a_directory_exchanged_for_a_link_while_root_tidies_it_loses_nothing_elsewhere(
    store: Any, outside: Path, mounted: set[Path]
) -> None:
    model = store.model("ocr", "1", det_onnx=b"one")
    store.sync(model)
    place = store.root / "sets" / "ocr" / "1"
    (place / "shadow").write_bytes(b"bait")

    def step(name: str) -> None:
        if name == "remove shadow":
            swap(place, outside.parent)

    with pytest.raises(DrydockError, match="symbolic link was put among the directories") as caught:
        store.sync(model, step=step)
    assert caught.value.kind == "store_damaged"
    assert outside.read_bytes() == b"root:*:"


def test_nothing_elsewhere_gets_the_owner_of_the_store(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "set").symlink_to(outside.parent)
    with pytest.raises(DrydockError, match="Nothing was done there"):
        Ownership(uid=-1, gid=-1, file_mode=0o444).apply(tmp_path / "set" / "shadow")
    assert outside.stat().st_mode & 0o777 == 0o600


def test_nothing_elsewhere_gets_another_time(store: Any, outside: Path, mounted: set[Path]) -> None:
    os.utime(outside, (1, 1))
    first, second = store.model("ocr", "1", det_onnx=b"one"), store.model("ocr", "2", det_onnx=b"two")
    store.sync(first)
    store.sync(second)
    manifest = store.root / "sets" / "ocr" / "1" / "manifest.json"

    def step(name: str) -> None:
        if name == "activate ocr/1":
            manifest.unlink()
            manifest.symlink_to(outside)

    store.sync(first, step=step)
    assert outside.stat().st_mtime == 1


def test_a_manifest_without_end_is_not_read(store: Any, mounted: set[Path]) -> None:
    model = store.model("ocr", "1", det_onnx=b"one")
    store.sync(model)
    manifest = store.root / "sets" / "ocr" / "1" / "manifest.json"
    manifest.chmod(0o644)
    os.truncate(manifest, 1 << 40)
    assert store.sync(model)["sets"][0]["state"] == "replaced"


def test_what_goes_while_it_is_looked_at_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    scandir = os.scandir

    def gone(directory: str) -> Any:
        if directory != str(tmp_path):
            (Path(directory) / "file").unlink()
            Path(directory).rmdir()
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", gone)
    assert set(sets.walk(tmp_path)) == {"a", "b"}


def test_a_pipe_in_the_place_of_a_blob_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "blob")
    assert hash_file(tmp_path / "blob") == hashlib.sha256().hexdigest()


def test_without_proc_there_is_a_store_as_well(store: Any, mounted: set[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "OPEN", store.root / "proc")
    store.keep = 1
    store.sync(store.model("ocr", "1", det_onnx=b"one"))
    store.sync(store.model("ocr", "2", det_onnx=b"two"))
    assert store.versions("ocr") == ["2"]
