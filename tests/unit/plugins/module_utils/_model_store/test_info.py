# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What model_info tells of a store, and what reading it again finds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _atomic, _lock
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store import facts, info, reading, scrub
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock

from .conftest import DET, REC, Store, sha256


def tell(store: Store, *, budget: int = 0, check: bool = False) -> dict[str, Any]:
    result = info.empty_result()
    ticks = iter(range(10**6))
    clock = Clock(now=lambda: store.now, monotonic=lambda: float(next(ticks)), sleep=store.sleep)
    info.tell(store.root, budget=budget, lock_timeout=2, clock=clock, result=result, check=check)
    assert result.keys() == info.empty_result().keys()
    assert result["scrub"].keys() == info.empty_result()["scrub"].keys()
    return result


def rot(store: Store, data: bytes, bad: bytes) -> Path:
    """Other bytes under the same times, as a disk does it."""
    blob = store.layout.blob(sha256(data))
    found = blob.stat()
    store.overwrite(blob, bad)
    os.utime(blob, ns=(found.st_atime_ns, found.st_mtime_ns))
    return blob


def test_a_store_that_is_not_there_holds_nothing(store: Store) -> None:
    result = tell(store, budget=10**9)
    assert (result["changed"], result["sets"], result["damaged"]) == (False, [], [])
    assert result["msg"].startswith("0 model(s) in 0 version(s)")
    assert not store.root.exists()


def test_sets_versions_and_sizes_are_told_without_reading_or_writing(
    store: Store, mounted: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    store.sync(store.model("ocr", "2", m=DET, tok__n=REC), store.model("asr", "7", m=DET))
    monkeypatch.setattr(facts, "mounted_under", lambda _root: frozenset({store.root / "sets/ocr/1"}))
    (store.layout.partial / f"{'a' * 64}.part").write_bytes(b"12345")
    before = store.snapshot()
    with _lock.held(store.layout.lock, timeout=0):
        result = tell(store)
    del before[str(store.layout.lock)]
    assert {path: one for path, one in store.snapshot().items() if path != str(store.layout.lock)} == before
    assert result["sets"] == [
        {
            "name": "asr",
            "current": "7",
            "versions": [{"version": "7", "files": 1, "bytes": len(DET), "mounted": False}],
        },
        {
            "name": "ocr",
            "current": "2",
            "versions": [
                {"version": "1", "files": 1, "bytes": len(DET), "mounted": True},
                {"version": "2", "files": 2, "bytes": len(DET) + len(REC), "mounted": False},
            ],
        },
    ]
    assert result["blobs"] == {"count": 2, "bytes": len(DET) + len(REC)}
    assert result["partial"] == {"count": 1, "bytes": 5}
    assert (result["quarantine"]["count"], result["damaged"], result["changed"]) == (0, [], False)
    assert result["scrub"]["never"] == 2
    assert result["free_bytes"] > 0


@pytest.mark.parametrize(
    ("harm", "path", "says"),
    [
        (lambda place: (place / "m").unlink(), "m", "missing"),
        (lambda place: ((place / "m").unlink(), (place / "m").write_bytes(b"x")), "m", "another file, 1 bytes"),
        (lambda place: (place / "manifest.json").unlink(), "manifest.json", "manifest is missing"),
    ],
)
def test_a_set_that_is_not_what_its_manifest_says_is_told(store: Store, harm: Any, path: str, says: str) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    harm(store.root / "sets/ocr/1")
    result = tell(store)
    (damage,) = result["damaged"]
    assert says in damage["found"]
    assert damage["sets"] == [{"name": "ocr", "version": "1", "path": path}]
    assert says in result["msg"]


def test_a_manifest_that_points_outside_its_set_is_not_followed(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    manifest = store.root / "sets/ocr/1/manifest.json"
    content = json.loads(manifest.read_text())
    content["files"]["../../../../../etc/passwd"] = {"sha256": "a" * 64, "size": 1}
    store.overwrite(manifest, json.dumps(content).encode())
    assert tell(store)["damaged"] == []


def test_a_link_in_the_place_of_the_store_is_not_followed(store: Store, tmp_path: Path) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    store.layout.sets.rename(tmp_path / "elsewhere")
    store.layout.sets.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DrydockError, match="must be a directory"):
        tell(store)


def test_rot_is_quarantined_told_with_whom_it_hits_and_fetched_again(store: Store) -> None:
    models = store.model("ocr", "2", m=DET, n=REC), store.model("asr", "1", k=DET)
    store.sync(store.model("ocr", "1", m=DET))
    store.sync(*models)
    blob = rot(store, DET, b"X" + DET[1:])
    result = tell(store, budget=10**9)
    assert result["changed"] is True
    (damage,) = result["damaged"]
    assert damage["checksum"] == f"sha256:{sha256(DET)}"
    assert damage["found"] == f"sha256:{sha256(b'X' + DET[1:])}, {len(DET)} bytes"
    assert {(use["name"], use["version"], use["path"]) for use in damage["sets"]} == {
        ("ocr", "1", "m"),
        ("ocr", "2", "m"),
        ("asr", "1", "k"),
    }
    assert Path(damage["moved_to"]).read_bytes() == b"X" + DET[1:]
    assert "serve it until the next model_sync" in result["msg"]
    assert not blob.exists()
    assert store.active("ocr")["m"] == b"X" + DET[1:]
    assert sha256(DET) not in json.loads(store.layout.receipts.read_text())["blobs"]
    again = tell(store, budget=10**9)
    assert (again["changed"], len(again["damaged"])) == (False, 3)  # told until it is mended, place by place
    store.sync(*models)
    healed = tell(store, budget=10**9)
    assert (healed["damaged"], healed["changed"]) == ([], False)
    assert (store.root / "sets/ocr/1/m").read_bytes() == DET


def test_a_file_the_disk_cannot_read_is_damaged_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.sync(store.model("ocr", "1", m=DET))

    def broken(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(scrub, "read_through", broken)
    (damage,) = tell(store, budget=10**9)["damaged"]
    assert damage["found"] == "unreadable (Input/output error)"
    assert not store.layout.blob(sha256(DET)).exists()


def test_in_check_mode_rot_is_told_and_nothing_moved_or_remembered(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    rot(store, DET, b"X" + DET[1:])
    before = store.snapshot()
    result = tell(store, budget=10**9, check=True)
    assert (result["changed"], result["damaged"][0]["moved_to"], result["scrub"]["files"]) == (False, None, 1)
    assert store.snapshot() == before


def fill(store: Store, count: int, size: int) -> list[bytes]:
    """So many files of one size, in the order in which they are due when none was read yet."""
    files = sorted((bytes([65 + index]) * size for index in range(count)), key=sha256)
    store.sync(store.model("ocr", "1", **{f"f{index}": data for index, data in enumerate(files)}))
    return files


def reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    seen: list[str] = []
    real = reading.read_through

    def read(path: Path) -> Any:
        seen.append(path.name)
        return real(path)

    monkeypatch.setattr(scrub, "read_through", read)
    return seen


def test_the_budget_is_never_exceeded_and_the_next_call_goes_on_where_this_stopped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [sha256(data) for data in fill(store, 5, 100)]
    seen = reads(store, monkeypatch)
    for call in range(5):
        store.now += 86400
        result = tell(store, budget=250)
        assert (result["scrub"]["bytes"], result["scrub"]["files"]) == (200, 2), call
    assert seen == names * 2
    assert result["scrub"]["never"] == 0
    assert result["scrub"]["last"] > result["scrub"]["oldest"]


def test_what_is_new_comes_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 3, 100)
    tell(store, budget=10**6)
    store.sync(store.model("asr", "1", m=b"z" * 100))
    seen = reads(store, monkeypatch)
    tell(store, budget=100)
    assert seen == [sha256(b"z" * 100)]


@pytest.mark.parametrize("jump", [-(10**8), 10**8])
def test_a_clock_that_jumps_changes_nothing_about_whose_turn_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    names = [sha256(data) for data in fill(store, 4, 100)]
    seen = reads(store, monkeypatch)
    for step in (0, jump, -jump, jump, 0, 0, 0, 0):
        store.now += step
        tell(store, budget=100)
    assert seen == names * 2


def test_a_file_bigger_than_the_budget_is_told_and_holds_up_no_other(store: Store) -> None:
    store.sync(store.model("ocr", "1", big=b"b" * 1000, small=b"s" * 10))
    result = tell(store, budget=100)
    assert result["scrub"]["too_big"] == [f"sha256:{sha256(b'b' * 1000)}"]
    assert (result["scrub"]["files"], result["scrub"]["never"]) == (1, 1)
    assert "bigger than the budget" in result["msg"]


def test_a_sync_at_work_is_waited_for_with_a_bound_and_then_left_alone(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    rot(store, DET, b"X" + DET[1:])
    with _lock.held(store.layout.lock, timeout=0):
        result = tell(store, budget=10**9)
    assert f"process {os.getpid()}" in result["scrub"]["skipped"]
    assert (result["scrub"]["files"], result["changed"]) == (0, False)
    assert tell(store, budget=10**9)["changed"] is True


def test_two_scrubs_do_not_read_the_same_at_the_same_time(store: Store) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    with _lock.held(store.layout.state / "scrub.lock", timeout=0):
        assert tell(store, budget=10**9)["scrub"]["skipped"]


def test_a_sync_that_begins_while_a_rotten_file_is_read_is_not_pushed_aside(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    blob = rot(store, DET, b"X" + DET[1:])
    real = reading.read_through
    lock = _lock.held(store.layout.lock, timeout=0)

    def read(path: Path) -> Any:
        lock.__enter__()
        return real(path)

    monkeypatch.setattr(scrub, "read_through", read)
    result = tell(store, budget=10**9)
    lock.__exit__(None, None, None)
    assert (result["changed"], result["damaged"][0]["moved_to"], blob.exists()) == (False, None, True)
    assert "stays in its place" in result["scrub"]["skipped"]
    monkeypatch.setattr(scrub, "read_through", real)
    assert tell(store, budget=10**9)["changed"] is True


def test_a_file_that_was_mended_while_it_was_read_is_not_moved(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    blob = rot(store, DET, b"X" + DET[1:])
    real = reading.read_through

    def read(path: Path) -> Any:
        found = real(path)
        blob.unlink()
        blob.write_bytes(DET)
        return found

    monkeypatch.setattr(scrub, "read_through", read)
    assert tell(store, budget=10**9)["changed"] is False
    assert blob.read_bytes() == DET


@pytest.mark.parametrize("content", ["", "[]", '{"blobs": 5}', '{"blobs": {"x": [1]}}', '{"blobs": {"x": ["a", 2]}}'])
def test_what_was_remembered_unreadably_is_read_again(store: Store, content: str) -> None:
    store.sync(store.model("ocr", "1", m=DET))
    store.layout.scrub.write_text(content)
    assert tell(store, budget=10**9)["scrub"]["files"] == 1
    assert tell(store)["scrub"]["never"] == 0


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 1024 * 1024, 1024 * 1024 + 7, 3 * 1024 * 1024])
@pytest.mark.parametrize("direct", [True, False])
def test_all_bytes_are_read_past_the_cache_and_through_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, direct: bool
) -> None:
    path = tmp_path / "f"
    path.write_bytes(os.urandom(size))
    real = os.open

    def without(name: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return real(name, flags, *rest, **named)

    if not direct:
        monkeypatch.setattr(os, "open", without)
    digest, found = reading.read_through(path)
    assert (digest, found.st_size) == (sha256(path.read_bytes()), size)


def test_a_link_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        reading.read_through(tmp_path / "l")


@pytest.mark.parametrize(("budget", "timeout"), [("a lot", 1.0), ("1GB", -1.0)])
def test_what_cannot_be_read_is_refused(budget: str, timeout: float) -> None:
    with pytest.raises(DrydockError, match="expected"):
        info.parse("/srv", budget, timeout)


def test_a_sync_takes_nothing_away_that_a_scrub_is_writing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    model = store.model("ocr", "1", det_onnx=b"one")
    store.sync(model)
    seen = []

    def write_json(dest: Path, value: Any) -> None:
        staged = _atomic.stage(dest, b"{}", mode=0o600)
        seen.append((store.sync(model)["changed"], staged.exists()))
        staged.unlink()
        _atomic.write_json(dest, value)

    monkeypatch.setattr(scrub, "write_json", write_json)
    store.scrub()
    assert seen == [(False, True)]
    assert store.layout.scrub.exists()
