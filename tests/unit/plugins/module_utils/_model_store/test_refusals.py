# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sync refuses: wrong bytes, missing room, a busy or tampered store."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._model_store import execute
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership

from .conftest import DET, REC, Store, failure, sha256


def test_wrong_bytes_leave_the_old_set_active_and_nothing_under_a_final_name(store: Store) -> None:
    store.sync(store.model("ocr", "3.9", det_onnx=DET))
    new = store.model("ocr", "4.0", det_onnx=REC, rec_onnx=b"rec")
    store.origin.files[new["files"][1]["urls"][0]] = b"bad"
    error = failure(store, new)
    assert error.kind == "checksum_mismatch"
    assert f"expected sha256:{sha256(b'rec')}, found sha256:{sha256(b'bad')}" in error.message
    assert store.result["changed"] is False
    assert store.active("ocr") == {"det.onnx": DET}
    assert store.versions("ocr") == ["3.9"]
    assert store.blobs() == {sha256(DET), sha256(REC)}
    assert list(store.layout.partial.iterdir()) == []


def test_the_models_of_one_call_change_together_or_not_at_all(store: Store) -> None:
    store.sync(store.model("a", "1", m=DET), store.model("b", "1", m=DET))
    new_a, new_b = store.model("a", "2", m=REC), store.model("b", "2", m=b"bbb")
    store.origin.files[new_b["files"][0]["urls"][0]] = b"bad"
    failure(store, new_a, new_b)
    assert store.active("a") == store.active("b") == {"m": DET}


@pytest.mark.parametrize("check", [True, False])
def test_room_is_checked_before_the_first_byte(store: Store, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    class Full:
        f_bavail, f_frsize = 8_100, 1_000_000

    monkeypatch.setattr(os, "statvfs", lambda _path: Full)
    model = store.model("ocr", "4.0", det_onnx=DET)
    model["files"][0]["size"] = 14_200_000_000
    error = failure(store, model, check=check, reserve=1_000_000_000)
    assert error.kind == "no_space"
    assert "needs 14.2 GB in 1 file(s) and 1.0 GB in reserve, has 8.1 GB free on /" in error.message
    assert "Next step: free 7.1 GB there" in error.message
    assert store.origin.asked == []
    assert not store.root.exists()


def test_what_is_in_place_needs_no_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET)
    store.sync(model)
    assert store.sync(model, reserve=1 << 60)["changed"] is False


def test_a_size_that_contradicts_the_digest_is_the_operators_mistake(store: Store) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET)
    store.sync(model)
    model["files"][0]["size"] += 1
    error = failure(store, model)
    assert error.kind == "invalid_input"
    assert f"but the file with the digest sha256:{sha256(DET)} has {len(DET)}" in error.message
    assert store.active("ocr") == {"det.onnx": DET}


def test_a_second_sync_waits_with_a_bound_and_says_for_whom(store: Store) -> None:
    store.sync(store.model("ocr", "1", det_onnx=DET))
    held = {}

    def other(name: str) -> None:
        if name.startswith("place"):
            held["error"] = failure(Store(store.root), store.model("ocr", "3", det_onnx=b"x"))

    store.sync(store.model("ocr", "2", det_onnx=REC), step=other)
    assert held["error"].kind == "busy"
    assert re.search(rf"for more than 2 s \(process {os.getpid()} of \w+, since .* UTC\)", held["error"].message)
    assert store.active("ocr") == {"det.onnx": REC}


def test_a_lock_held_by_somebody_unnamed_is_still_respected(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    with (store.layout.state / "lock").open("r+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert "left no name" in failure(store, store.model("ocr", "2", det_onnx=REC)).message
        assert store.sync(model)["changed"] is False  # with nothing to do nobody is waited for


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256", "sets", "sets/ocr", "partial", "state", "quarantine"])
def test_a_symbolic_link_inside_the_store_is_never_written_through(store: Store, tmp_path: Path, place: str) -> None:
    store.sync(store.model("ocr", "1", det_onnx=DET))
    (store.root / place).rename(tmp_path / "elsewhere")
    (store.root / place).symlink_to(tmp_path / "elsewhere")
    error = failure(store, store.model("ocr", "2", det_onnx=REC))
    assert error.kind == "store_damaged"
    assert str(store.root / place) in error.message


def test_a_link_to_sets_elsewhere_is_neither_mended_nor_cleared(store: Store, tmp_path: Path) -> None:
    model = store.model("ocr", "1", m=DET)
    store.sync(model)
    outside = tmp_path / "outside"
    shutil.copytree(store.root / "sets/ocr/1", outside / "1")
    (outside / ".drydock-precious").mkdir()
    (store.root / "sets" / "evil").symlink_to(outside)
    before = sorted((path, path.lstat().st_ino) for path in outside.rglob("*"))
    store.overwrite(store.root / "sets/ocr/1/m", b"rot")
    assert store.sync(model)["changed"] is True
    assert store.sync(store.model("ocr", "1", m=REC))["changed"] is True
    assert sorted((path, path.lstat().st_ino) for path in outside.rglob("*")) == before


@pytest.mark.parametrize("harmed", ["1", "2"])
def test_a_link_inside_a_set_is_never_written_through(store: Store, tmp_path: Path, harmed: str) -> None:
    store.sync(store.model("ocr", "1", d__m=DET))
    model = store.model("ocr", "2", d__m=DET, n=REC)
    store.sync(model)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "m").write_bytes(b"precious")
    place = store.root / "sets/ocr" / harmed / "d"
    shutil.rmtree(place)
    place.symlink_to(outside)
    store.overwrite(store.layout.blob(sha256(DET)), b"rot")
    store.sync(model)
    assert (outside / "m").read_bytes() == b"precious"
    assert [path.name for path in outside.iterdir()] == ["m"]
    assert store.active("ocr") == {"d/m": DET, "n": REC}


def test_a_pipe_in_the_place_of_a_manifest_or_blob_holds_nobody_up(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    for path in (store.root / "sets/ocr/1/manifest.json", store.layout.blob(sha256(DET))):
        path.unlink()
        os.mkfifo(path)
    before = signal.signal(signal.SIGALRM, lambda *_frame: pytest.fail("waits for a writer"))
    signal.alarm(5)
    try:
        store.sync(model, check=True)
        store.sync(model)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert store.active("ocr") == {"det.onnx": DET}


def test_two_first_syncs_may_make_the_same_directories(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.layout = Layout(root=store.root / "not" / "there" / "yet")
    real = Path.exists
    # the other one makes them right after this one has looked
    monkeypatch.setattr(Path, "exists", lambda path: real(path) or path.mkdir(parents=True) is not None)
    execute.prepare(store.layout, Ownership(uid=-1, gid=-1, file_mode=0o444))
    assert store.layout.state.is_dir()


def test_a_directory_in_the_place_of_the_current_link_is_not_removed(store: Store) -> None:
    (store.root / "sets" / "ocr" / "current").mkdir(parents=True)
    assert failure(store, store.model("ocr", "1", det_onnx=DET)).kind == "store_damaged"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"blobs": 5}', '{"blobs": {"x": [1, 2]}}', '{"blobs": {"x": "y"}}']
)
def test_unreadable_receipts_only_cost_a_hash(store: Store, content: str) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    store.layout.receipts.write_text(content)
    assert store.sync(model)["changed"] is False
    assert sha256(DET) in store.layout.receipts.read_text()


def test_a_refusal_of_the_operating_system_is_a_failure_with_a_next_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(30, "Read-only file system", "/srv/x")

    monkeypatch.setattr(os, "link", refuse)
    error = failure(store, store.model("ocr", "1", det_onnx=DET))
    assert error.kind == "read_only"
    for part in ("/srv/x", "What serves now is untouched.", "Remount that file system"):
        assert part in error.message


def test_receipts_that_cannot_be_kept_do_not_hide_why_a_run_failed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    model = store.model("ocr", "1", det_onnx=DET)
    store.origin.files = dict.fromkeys(store.origin.files, b"x" * len(DET))
    monkeypatch.setattr(execute, "save_receipts", refuse)
    assert failure(store, model).kind == "checksum_mismatch"
