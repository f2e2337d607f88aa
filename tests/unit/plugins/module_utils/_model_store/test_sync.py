# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole sync on a real directory: what it makes, finds, mends, keeps and removes."""

from __future__ import annotations

import ctypes
import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._model_store import blobs, execute

from .conftest import DET, REC, Store, failure, sha256


def test_a_set_is_made_of_read_only_links_to_blobs_with_a_manifest(store: Store) -> None:
    result = store.sync(store.model("ocr", "4.0", det_onnx=DET, tok__vocab_json=REC))
    place = store.root / "sets" / "ocr" / "4.0"
    assert result["changed"] is True
    assert result["bytes_fetched"] == result["planned_bytes"] == len(DET) + len(REC)
    assert store.active("ocr") == {"det.onnx": DET, "tok/vocab.json": REC}
    assert (store.root / "sets" / "ocr" / "current").readlink() == Path("4.0")
    blob = store.root / "blobs" / "sha256" / sha256(DET)[:2] / sha256(DET)
    assert blob.stat().st_ino == (place / "det.onnx").stat().st_ino
    modes = {name: stat.S_IMODE((place / name).stat().st_mode) for name in ("det.onnx", "manifest.json", "tok", ".")}
    assert modes == {"det.onnx": 0o444, "manifest.json": 0o444, "tok": 0o755, ".": 0o755}
    assert json.loads((place / "manifest.json").read_text()) == {
        "name": "ocr",
        "version": "4.0",
        "files": {
            "det.onnx": {"sha256": sha256(DET), "size": len(DET)},
            "tok/vocab.json": {"sha256": sha256(REC), "size": len(REC)},
        },
    }


def test_a_second_run_changes_nothing_reads_nothing_and_asks_nobody(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET)
    first = store.sync(model)
    before = store.snapshot()
    store.origin.asked.clear()
    monkeypatch.setattr(blobs, "hash_file", lambda _path: pytest.fail("hashed again"))
    second = store.sync(model)
    assert (second["changed"], second["diff"], second["bytes_fetched"]) == (False, [], 0)
    assert store.snapshot() == before
    assert store.origin.asked == []
    assert second.keys() == first.keys()


def test_check_mode_on_nothing_tells_the_plan_and_makes_nothing(store: Store) -> None:
    result = store.sync(store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC), check=True)
    assert not store.root.exists()
    assert store.origin.asked == []
    assert (result["changed"], result["bytes_fetched"], result["planned_bytes"]) == (True, 0, len(DET) + len(REC))
    assert result["sets"][0]["state"] == "created"
    assert [file["state"] for file in result["sets"][0]["files"]] == ["fetched", "fetched"]
    assert re.match(
        r"would fetch 1\.5 kB in 2 files, keep 1 version, free [0-9.]+ [kMGT]B after; 1 set\(s\) to be created\.",
        result["msg"],
    )


def test_check_mode_and_the_run_tell_the_same(store: Store) -> None:
    store.sync(store.model("ocr", "3.9", det_onnx=DET, old_onnx=b"old"))
    model = store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC)
    before = store.snapshot()
    told = store.sync(model, check=True)
    assert store.snapshot() == before
    done = store.sync(model)
    ignored = {"bytes_fetched", "free_bytes", "free_bytes_after", "msg", "sources"}
    assert {key: value for key, value in told.items() if key not in ignored} == {
        key: value for key, value in done.items() if key not in ignored
    }


def test_a_new_version_shows_old_and_new_digests_and_shares_what_is_the_same(store: Store) -> None:
    store.sync(store.model("ocr", "3.9", det_onnx=DET, rec_onnx=b"old"))
    result = store.sync(store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC))
    assert result["bytes_fetched"] == len(REC)
    assert {file["path"]: file["state"] for file in result["sets"][0]["files"]} == {
        "det.onnx": "linked",
        "rec.onnx": "fetched",
    }
    (diff,) = result["diff"]
    assert diff["before_header"] == "model ocr (active: 3.9)"
    assert diff["after_header"] == "model ocr (active: 4.0)"
    same = f"det.onnx sha256:{sha256(DET)} {len(DET)} bytes\n"
    assert diff["before"] == f"active 3.9\n{same}rec.onnx sha256:{sha256(b'old')}\n"
    assert diff["after"] == f"active 4.0\n{same}rec.onnx sha256:{sha256(REC)} {len(REC)} bytes\n"
    assert store.active("ocr") == {"det.onnx": DET, "rec.onnx": REC}


def test_going_back_to_a_kept_version_needs_no_origin(store: Store) -> None:
    old, new = store.model("ocr", "3.9", det_onnx=DET), store.model("ocr", "4.0", det_onnx=REC)
    store.sync(old)
    store.sync(new)
    store.origin.files.clear()
    result = store.sync(old)
    assert result["sets"][0]["state"] == "activated"
    assert store.active("ocr") == {"det.onnx": DET}
    assert store.versions("ocr") == ["3.9", "4.0"]


@pytest.mark.parametrize("check", [True, False])
def test_a_flipped_byte_is_found_by_its_changed_times(store: Store, check: bool) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC)
    store.sync(model)
    rotten = b"X" + DET[1:]
    store.overwrite(store.root / "sets/ocr/4.0/det.onnx", rotten)
    result = store.sync(model, check=check)
    assert result["changed"] is True
    assert result["sets"][0]["state"] == "repaired"
    assert {file["path"]: file["state"] for file in result["sets"][0]["files"]} == {
        "det.onnx": "repaired",
        "rec.onnx": "unchanged",
    }
    (diff,) = result["diff"]
    assert f"det.onnx DAMAGED: sha256:{sha256(rotten)}, {len(rotten)} bytes" in diff["before"]
    (found,) = result["quarantined"]
    assert found["checksum"] == f"sha256:{sha256(DET)}"
    if check:
        assert store.active("ocr")["det.onnx"] == rotten
    else:
        assert store.active("ocr") == {"det.onnx": DET, "rec.onnx": REC}
        assert Path(found["moved_to"]).read_bytes() == rotten
        assert store.sync(model)["changed"] is False


def test_rot_that_leaves_no_trace_in_the_times_is_found_by_reading_everything(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET)
    store.sync(model)
    # the receipt is made to match, as it does when the disk itself forgets a bit
    store.overwrite(store.root / "sets/ocr/4.0/det.onnx", b"X" + DET[1:])
    blob = os.lstat(store.layout.blob(sha256(DET)))
    receipt = [blob.st_size, blob.st_mtime_ns, blob.st_ino, blob.st_ctime_ns]
    store.layout.receipts.write_text(json.dumps({"blobs": {sha256(DET): receipt}}))
    assert store.sync(model)["changed"] is False
    assert store.sync(model, full=True)["sets"][0]["state"] == "repaired"
    assert store.active("ocr") == {"det.onnx": DET}
    assert store.sync(model, full=True)["changed"] is False


def test_a_repaired_blob_is_repaired_in_every_version_that_shares_it(store: Store) -> None:
    old, new = store.model("ocr", "3.9", det_onnx=DET), store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC)
    store.sync(old)
    store.sync(new)
    store.overwrite(store.root / "sets/ocr/4.0/det.onnx", b"rot")
    store.sync(new)
    assert (store.root / "sets/ocr/3.9/det.onnx").read_bytes() == DET


def test_a_blob_fetched_again_only_later_is_repaired_in_every_version_too(store: Store) -> None:
    old, new = store.model("ocr", "3.9", det_onnx=DET), store.model("ocr", "4.0", det_onnx=DET, rec_onnx=REC)
    store.sync(old)
    store.sync(new)
    store.overwrite(store.root / "sets/ocr/4.0/det.onnx", b"rot")
    served, store.origin.files = store.origin.files, {}
    failure(store, new)
    store.origin.files = served
    store.sync(new)
    assert (store.root / "sets/ocr/3.9/det.onnx").read_bytes() == DET


def test_a_damaged_file_that_cannot_be_fetched_is_named_and_stays_until_it_can(store: Store) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET)
    store.sync(model)
    store.overwrite(store.root / "sets/ocr/4.0/det.onnx", b"rot")
    served, store.origin.files = store.origin.files, {}
    error = failure(store, model)
    assert error.kind == "unreachable"
    assert "ocr 4.0: det.onnx could not be fetched" in error.message
    assert store.result["quarantined"][0]["checksum"] == f"sha256:{sha256(DET)}"
    assert store.active("ocr") == {"det.onnx": b"rot"}
    store.origin.files = served
    store.sync(model)
    assert store.active("ocr") == {"det.onnx": DET}


# What may happen to a set behind the store's back: it is found, told in check mode, and mended without the origin.
def _remove_link(place: Path) -> None:
    (place / "tok/vocab.json").unlink()


def _replace_file(place: Path) -> None:
    (place / "det.onnx").unlink()
    (place / "det.onnx").write_bytes(DET)


def _put_directory(place: Path) -> None:
    (place / "det.onnx").unlink()
    (place / "det.onnx" / "x").mkdir(parents=True)


def _put_link(place: Path) -> None:
    (place / "det.onnx").unlink()
    (place / "det.onnx").symlink_to("/etc/passwd")


def _replace_directory_by_link(place: Path) -> None:
    (place / "tok").rename(place.parent.parent.parent.parent / "moved")
    (place / "tok").symlink_to(place.parent.parent.parent.parent / "moved")


def _add_file(place: Path) -> None:
    (place / "intruder").write_bytes(b"x")


def _add_directory(place: Path) -> None:
    (place / "more" / "files").mkdir(parents=True)
    (place / "more" / "files" / "x").write_bytes(b"x")


def _edit_manifest(place: Path) -> None:
    (place / "manifest.json").unlink()
    (place / "manifest.json").write_text("{}")


def _remove_manifest(place: Path) -> None:
    (place / "manifest.json").unlink()


def _remove_current(place: Path) -> None:
    (place.parent / "current").unlink()


def _point_elsewhere(place: Path) -> None:
    (place.parent / "current").unlink()
    (place.parent / "current").symlink_to("/etc")


def _open_to_writers(place: Path) -> None:
    place.chmod(0o777)
    (place / "det.onnx").chmod(0o666)
    (place / "manifest.json").chmod(0o400)


def _forget_receipts(place: Path) -> None:
    (place.parent.parent.parent / "state/receipts.json").unlink()
    (place.parent.parent.parent / "sets").chmod(0o700)


@pytest.mark.parametrize(
    "hurt",
    [
        _remove_link,
        _replace_file,
        _put_directory,
        _put_link,
        _replace_directory_by_link,
        _add_file,
        _add_directory,
        _edit_manifest,
        _remove_manifest,
        _remove_current,
        _point_elsewhere,
        _open_to_writers,
        _forget_receipts,
    ],
)
def test_a_set_changed_by_others_is_told_and_mended(store: Store, hurt: Callable[[Path], None]) -> None:
    model = store.model("ocr", "4.0", det_onnx=DET, tok__vocab_json=REC)
    store.sync(model)
    place = store.root / "sets" / "ocr" / "4.0"
    hurt(place)
    store.origin.files.clear()
    before = store.snapshot()
    told = store.sync(model, check=True)
    assert (told["changed"], bool(told["diff"])) == (True, True)
    assert store.snapshot() == before
    store.sync(model)
    assert store.active("ocr") == {"det.onnx": DET, "tok/vocab.json": REC}
    assert sorted(path.name for path in place.iterdir()) == ["det.onnx", "manifest.json", "tok"]
    assert store.sync(model)["changed"] is False
    assert Path("/etc/passwd").stat().st_mode & 0o777 == 0o644


def test_the_same_version_with_other_files_replaces_the_whole_set(store: Store, mounted: set[Path]) -> None:
    store.sync(store.model("ocr", "4.0", det_onnx=DET, old_onnx=b"old"))
    inode = (store.root / "sets/ocr/4.0").stat().st_ino
    model = store.model("ocr", "4.0", det_onnx=REC)
    told = store.sync(model, check=True)
    result = store.sync(model)
    assert result["sets"][0]["state"] == told["sets"][0]["state"] == "replaced"
    assert result["bytes_freed"] == told["bytes_freed"] == len(DET) + len(b"old")
    assert store.active("ocr") == {"det.onnx": REC}
    assert store.blobs() == {sha256(REC)}
    assert store.versions("ocr") == ["4.0"]
    assert (store.root / "sets/ocr/4.0").stat().st_ino != inode


def test_a_replaced_set_that_a_container_still_mounts_keeps_its_files_until_it_is_unmounted(
    store: Store, mounted: set[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync(store.model("ocr", "4.0", det_onnx=DET))
    old = os.open(store.root / "sets/ocr/4.0", os.O_RDONLY)
    monkeypatch.setattr(execute, "mounted_under", lambda _root: frozenset({Path(f"/proc/self/fd/{old}").readlink()}))
    model = store.model("ocr", "4.0", det_onnx=REC)
    store.sync(model)
    aside = Path(f"/proc/self/fd/{old}").readlink()
    os.close(old)
    assert (aside / "det.onnx").read_bytes() == DET
    mounted.add(aside)
    assert store.sync(model)["changed"] is False
    mounted.clear()
    result = store.sync(model)
    assert result["collected"] == [str(aside.relative_to(store.root))]
    assert store.blobs() == {sha256(REC)}


def test_file_systems_without_an_exchange_step_get_the_same_result(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync(store.model("ocr", "4.0", det_onnx=DET))
    monkeypatch.setattr(ctypes, "CDLL", lambda *_args, **_options: object())
    store.sync(store.model("ocr", "4.0", det_onnx=REC))
    assert store.active("ocr") == {"det.onnx": REC}
    assert store.versions("ocr") == ["4.0"]


def test_only_the_last_versions_stay_and_their_blobs_with_them(store: Store, mounted: set[Path]) -> None:
    for number in range(4):
        result = store.sync(store.model("ocr", f"{number}", det_onnx=b"%d" % number, same_onnx=DET))
    assert store.versions("ocr") == ["2", "3"]
    assert store.blobs() == {sha256(b"2"), sha256(b"3"), sha256(DET)}
    assert result["collected"] == ["sets/ocr/1"]
    assert result["bytes_freed"] == 1
    assert store.sync(store.model("ocr", "3", det_onnx=b"3", same_onnx=DET))["changed"] is False


def test_going_back_and_forth_keeps_what_was_used_last(store: Store) -> None:
    versions = {name: store.model("ocr", name, det_onnx=name.encode()) for name in ("1", "2", "3")}
    store.keep = 3
    for name in ("1", "2", "3", "1"):
        store.sync(versions[name])
    store.keep = 2
    store.sync(versions["1"])
    assert store.versions("ocr") == ["1", "3"]


def test_a_version_that_a_running_container_mounts_is_not_removed(store: Store, mounted: set[Path]) -> None:
    store.keep = 1
    store.sync(store.model("ocr", "1", det_onnx=b"1"))
    mounted.add(store.root / "sets" / "ocr" / "1")
    result = store.sync(store.model("ocr", "2", det_onnx=b"2"))
    assert result["kept"] == [{"name": "ocr", "version": "1", "reason": "mounted by a running container"}]
    assert store.versions("ocr") == ["1", "2"]
    assert store.sync(store.model("ocr", "2", det_onnx=b"2"))["changed"] is False
    mounted.clear()
    assert store.sync(store.model("ocr", "2", det_onnx=b"2"))["collected"] == ["sets/ocr/1"]


def test_a_version_that_is_mounted_while_the_new_one_arrives_is_not_removed(store: Store, mounted: set[Path]) -> None:
    store.keep = 1
    store.sync(store.model("ocr", "1", det_onnx=b"1"))

    def roll_back(name: str) -> None:
        if name.startswith("fetch"):
            mounted.add(store.root / "sets" / "ocr" / "1")

    result = store.sync(store.model("ocr", "2", det_onnx=b"2"), step=roll_back)
    assert store.versions("ocr") == ["1", "2"]
    assert (result["collected"], result["bytes_freed"]) == ([], 0)
    assert [(kept["version"], kept["reason"]) for kept in result["kept"]] == [("1", "mounted by a running container")]


def test_other_models_in_the_store_are_left_alone(store: Store) -> None:
    store.keep = 1
    store.sync(store.model("ocr", "1", det_onnx=DET))
    store.sync(store.model("asr", "1", enc_onnx=REC))
    store.now += 10 * 24 * 3600
    assert store.sync(store.model("asr", "1", enc_onnx=REC))["changed"] is False
    assert store.active("ocr") == {"det.onnx": DET}


def test_leftovers_go_after_a_day_and_parts_still_wanted_stay(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    stale, wanted = store.layout.partial / f"{'a' * 64}.part", sha256(REC)
    orphan = store.root / "blobs" / "sha256" / "bb" / ("b" * 64)
    orphan.parent.mkdir()
    for path in (stale, orphan, store.layout.part(wanted).data):
        path.write_bytes(b"x")
        os.utime(path, (store.now, store.now))
    more = store.model("ocr", "1", det_onnx=DET)
    assert store.sync(more)["changed"] is False
    # the change time of a file cannot be set; a clock a day ahead of this machine's is as good
    store.now = max(store.now, os.lstat(orphan).st_ctime) + 25 * 3600
    blocked = store.model("ocr", "1", det_onnx=DET, rec_onnx=REC)
    store.origin.files.clear()
    part, seen = store.layout.part(wanted).data, []
    failure(store, blocked, step=lambda name: seen.append((name, part.exists())))
    assert ("fetch", True) in seen
    part.write_bytes(b"x")
    os.utime(part, (store.now - 25 * 3600,) * 2)
    result = store.sync(model)
    assert {Path(path).name for path in result["collected"]} == {stale.name, orphan.name, f"{wanted}.part"}
    assert store.sync(model)["changed"] is False


def test_a_quarantined_blob_goes_after_a_month(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    store.overwrite(store.root / "sets/ocr/1/det.onnx", b"rot")
    store.sync(model)
    store.now += 29 * 24 * 3600
    assert store.sync(model)["changed"] is False
    store.now += 2 * 24 * 3600
    assert store.sync(model)["collected"][0].startswith("quarantine/")


@pytest.mark.parametrize("jump", [10**9, -(10**8)])
def test_a_clock_that_jumped_does_not_change_which_version_was_used_last(store: Store, jump: int) -> None:
    versions = {name: store.model("ocr", name, det_onnx=name.encode()) for name in ("1", "2", "3")}
    store.sync(versions["1"])
    store.now += jump
    store.sync(versions["2"])
    store.now -= jump
    store.sync(versions["3"])
    assert store.versions("ocr") == ["2", "3"]


def test_a_set_that_got_other_files_while_the_clock_was_behind_was_still_used_after_older_ones(store: Store) -> None:
    store.keep = 3
    for version, data in (("1", b"1"), ("2", b"2"), ("2", b"22"), ("3", b"3"), ("4", b"4")):
        model = store.model("ocr", version, det_onnx=data)
        store.sync(model)
    assert store.versions("ocr") == ["2", "3", "4"]
    assert store.sync(model)["changed"] is False


def test_what_seems_to_come_from_the_future_is_kept(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DET)
    store.sync(model)
    part = store.layout.partial / f"{'a' * 64}.part"
    part.write_bytes(b"x")
    os.utime(part, (store.now + 10**8,) * 2)
    assert store.sync(model)["changed"] is False
    assert part.exists()
