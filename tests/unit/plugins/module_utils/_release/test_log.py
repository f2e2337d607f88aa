# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of deployments: what a run writes, and what a reader makes of a damaged file."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release import log

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.world import World

CANARY = "canary-value"


def lines(world: World) -> list[dict[str, Any]]:
    """Everything in the log, newest first."""
    return log.newest(world.root / "state" / "deployments.jsonl", 100)


def test_a_release_is_one_line_with_what_changed_by_name_and_version(world: World) -> None:
    world.release(reason="the first one")
    world.release(world.with_api(image="api:2"), reason="faster")
    second, first = lines(world)
    assert (first["outcome"], first["release"], first["previous"], first["serving"]) == (
        "released",
        "r001",
        None,
        "r001",
    )
    assert first["services"] == ["api", "db"]
    assert first["models"]["ocr"]["before"] is None
    assert first["models"]["ocr"]["after"].startswith("4.0 (")
    assert (second["release"], second["previous"], second["reason"]) == ("r002", "r001", "faster")
    assert second["images"] == {"api": {"before": "api:1", "after": "api:2"}}
    assert (second["services"], second["models"], second["failure"]) == (["api"], {}, None)
    assert (second["stack"], second["actor"], second["at"]) == ("demo", "op@ctl", "2026-11-21T04:15:00Z")
    assert second["duration"] >= 0


def test_a_service_with_other_settings_is_named_though_its_image_stays(world: World) -> None:
    world.release()
    world.release(world.with_api(environment={"N": "1"}))
    assert lines(world)[0]["services"] == ["api"]
    assert lines(world)[0]["images"] == {}


def test_a_model_with_other_bytes_under_the_same_version_is_told(world: World) -> None:
    world.release()
    world.stack["models"][0]["files"][0]["checksum"] = "sha256:bb"
    world.release()
    told = lines(world)[0]["models"]["ocr"]
    assert told["before"] != told["after"]
    assert lines(world)[0]["services"] == ["api"]


def test_a_run_that_has_nothing_to_do_writes_nothing(world: World) -> None:
    world.release()
    world.release()
    world.release(world.with_api(image="api:2"), check=True)
    assert len(lines(world)) == 1


def test_a_repair_names_the_container_that_was_brought_back(world: World) -> None:
    world.release()
    world.docker.containers[("demo-blue", "api")].state = "exited"
    world.release()
    told = lines(world)[0]
    assert (told["outcome"], told["release"], told["services"]) == ("repaired", "r001", ["api"])


def test_a_failure_is_told_with_kind_step_and_evidence_and_what_serves(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    told = lines(world)[0]
    assert told["outcome"] == "failed"
    assert told["failure"] == {
        "kind": "unhealthy",
        "step": "healthy",
        "evidence": str(world.root / "failures" / "r002"),
    }
    assert (told["release"], told["previous"], told["serving"]) == ("r002", "r001", "r001")
    assert told["services"] == ["api"]


def test_a_failure_before_anything_was_touched_has_no_evidence(world: World) -> None:
    world.failing(world.with_api(image="api:9"))
    assert lines(world)[0]["failure"] == {"kind": "image_missing", "step": "images", "evidence": None}
    assert lines(world)[0]["serving"] is None


def test_an_error_that_nobody_foresaw_is_told_as_a_bug(world: World) -> None:
    def break_at(step: str) -> None:
        if step == "stage":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.release(on_step=break_at)
    assert lines(world)[0]["failure"]["kind"] == "bug"


def test_a_run_that_was_killed_is_told_by_the_one_that_settles_it(world: World) -> None:
    def die_at(step: str) -> None:
        if step == "healthy":
            raise KilledError

    world.release()
    with pytest.raises(KilledError):
        world.release(world.with_api(image="api:2"), on_step=die_at)
    assert len(lines(world)) == 1
    world.release(world.with_api(image="api:2"))
    after, settled, _first = lines(world)
    assert (settled["outcome"], after["outcome"]) == ("recovered", "released")
    assert "undid the release r002" in settled["said"][0]


def test_no_value_of_a_secret_is_in_the_log(world: World) -> None:
    world.release()
    world.given = {"db_password": CANARY}
    world.release()
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    assert len(lines(world)) == 3
    assert CANARY not in (world.root / "state" / "deployments.jsonl").read_text()


def test_a_log_that_cannot_be_written_is_a_warning_and_the_release_goes_on(world: World) -> None:
    world.release()
    path = world.root / "state" / "deployments.jsonl"
    path.unlink()
    path.mkdir()
    result = world.release(world.with_api(image="api:2"))
    assert result["release"] == "r002"
    assert str(path) in result["warnings"][0]


# -- the file --------------------------------------------------------------------------------------------------------


def test_a_line_is_one_synced_write_that_only_its_group_may_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    synced: list[int] = []
    really = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return really(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    monkeypatch.setattr(os, "fsync", synced.append)
    path = tmp_path / "log"
    log.append(path, {"outcome": "released", "reason": "line\nbreak"})
    assert [data.count(b"\n") for data in written] == [1]
    assert len(synced) == 2  # the line, and the name of the new file
    assert stat.S_IMODE(path.stat().st_mode) & 0o027 == 0
    assert log.newest(path, 1) == [{"outcome": "released", "reason": "line\nbreak"}]


def test_a_torn_line_is_left_out_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log.append(path, {"n": 1})
    with path.open("ab") as stream:
        stream.write(b'{"n": 2, "rea')
    assert log.newest(path, 5) == [{"n": 1}]
    log.append(path, {"n": 3})
    assert log.newest(path, 5) == [{"n": 3}, {"n": 1}]


def test_lines_that_are_no_attempts_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'[]\n\xff\xfe\n\n"x"\n{"n": 1}\n')
    assert log.newest(path, 5) == [{"n": 1}]


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert log.newest(tmp_path / "none", 5) == []


def test_a_long_log_is_put_aside_once_and_both_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    size = len(json.dumps({"n": 1})) + 1
    for number in range(7):
        log.append(path, {"n": number}, limit=3 * size)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["log", "log.1"]
    assert [entry["n"] for entry in log.newest(path, 3)] == [6, 5, 4]
    assert [entry["n"] for entry in log.newest(path, 9)] == [6, 5, 4, 3]  # 0 to 2 went with the older file
    assert path.stat().st_size <= 3 * size


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    for number in range(9):
        log.append(path, {"n": number})
    monkeypatch.setattr(log, "TAIL", 20)
    assert [entry["n"] for entry in log.newest(path, 9)] == [8, 7]


def test_a_link_in_the_place_of_the_log_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("")
    (tmp_path / "log").symlink_to(other)
    with pytest.raises(OSError, match="symbolic"):
        log.append(tmp_path / "log", {"n": 1})
    assert other.read_text() == ""


def test_a_disk_that_takes_only_a_part_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: really(fd, data[:3]))
    with pytest.raises(OSError, match="No space left"):
        log.append(tmp_path / "log", {"n": 1})
