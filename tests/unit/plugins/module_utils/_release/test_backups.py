# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a release: made whole, read back, kept in their number, and never a reason to lose what serves."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release import backups
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended

from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import World


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def migrating(world: World, number: int = 1, **policy: Any) -> dict[str, Any]:
    """The stack with a database that can be copied, and a migration that is another one for each number."""
    stack = world.with_backup(**policy)
    stack["services"]["api"].update(image="api:2", migrate={"command": ["upgrade", str(number)]})
    return stack


def made(world: World) -> list[Path]:
    return sorted((world.root / "backups").iterdir()) if (world.root / "backups").is_dir() else []


def test_a_release_that_migrates_copies_the_data_before(world: World) -> None:
    world.release(world.with_backup())
    result = world.release(migrating(world))
    (folder,) = made(world)
    assert result["backup"] == str(folder)
    assert folder.name == "20261121T041500Z-r001"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "db.dump": 0o600,
        "manifest.json": 0o600,
        "RESTORE.txt": 0o600,
    }
    assert (folder / "db.dump").read_bytes() == world.programs.copy
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["release"], manifest["before"], manifest["actor"]) == ("r001", "r002", "op@ctl")
    db = manifest["components"]["db"]
    assert db["checksum"] == f"sha256:{hashlib.sha256(world.programs.copy).hexdigest()}"
    assert db["size"] == len(world.programs.copy)
    copied = [index for index, call in enumerate(world.docker.calls) if "dump" in call]
    migrated = [index for index, call in enumerate(world.docker.calls) if "run" in call]
    assert copied[0] < migrated[0]


def test_the_copy_is_made_and_read_back_in_the_container_which_bounds_its_time(world: World) -> None:
    world.release(world.with_backup())
    world.release(migrating(world, timeout=90))
    (dump,) = world.programs.said("dump")
    assert dump.argv == (*("docker", "exec", "--interactive", "demo-base-db-1", "timeout", "-k", "10", "90", "dump"),)
    assert dump.timeout > 90
    (check,) = world.programs.said("check")
    assert check.given == world.programs.copy
    assert (check.argv[-3:], check.timeout) == (("10", "90", "check"), dump.timeout)  # a large copy takes as long
    restore = (made(world)[0] / "RESTORE.txt").read_text()
    assert f"  bring demo-base-db-1 {made(world)[0]}/db.dump {world.root}/data/db" in restore


@pytest.mark.parametrize(
    ("before", "migrates", "copies"),
    [("migrate", False, 0), ("migrate", True, 1), ("always", False, 1), ("never", True, 0)],
)
def test_when_a_backup_is_made_is_said_by_the_stack(world: World, before: str, migrates: bool, copies: int) -> None:
    world.release(world.with_backup())
    stack = migrating(world, before=before)
    if not migrates:
        del stack["services"]["api"]["migrate"]
    said = world.release(stack, check=True)["actions"]
    assert any("copy the data of db" in action for action in said) is bool(copies)
    assert made(world) == []
    world.release(stack)
    assert len(made(world)) == copies


def test_a_first_release_has_nothing_to_lose(world: World) -> None:
    world.docker.images.add("api:2")
    assert world.release(migrating(world))["backup"] is None
    assert made(world) == []


@pytest.mark.parametrize(
    ("word", "ended", "words"),
    [
        ("dump", Ended(1, "could not connect password=hunter2"), "could not connect"),
        ("dump", Ended(124), "did not end within"),
        ("dump", Ended(None), "did not end within"),
        ("dump", Ended(127, "exec: dump: not found"), "a program is missing"),
        ("check", Ended(1, "unexpected end of file"), "cannot be read back"),
    ],
)
def test_a_backup_that_fails_stops_the_release_before_anything_is_migrated(
    world: World, word: str, ended: Ended, words: str
) -> None:
    world.release(world.with_backup())
    world.programs.ends = {word: ended}
    error = world.failing(migrating(world))
    assert (error.kind, error.details["step"]) == ("backup_failed", "backup")
    assert words in error.message
    assert "hunter2" not in error.message
    assert world.docker.jobs.begun == []
    assert made(world) == []
    consistent(world)


def test_an_empty_copy_is_no_backup(world: World) -> None:
    world.release(world.with_backup())
    world.programs.copy = b""
    error = world.failing(migrating(world))
    assert error.kind == "backup_failed"
    assert "is empty" in error.message
    assert made(world) == []


def test_room_is_looked_for_before_the_copy_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release(world.with_backup())
    data = world.root / "data" / "db" / "table"
    data.write_bytes(b"x" * 100_000)

    def usage(place: Path) -> Usage:
        return Usage(0, 0, 90_000 if "backups" in str(place) else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    error = world.failing(migrating(world))
    assert error.kind == "no_space"
    assert world.programs.said("dump") == []
    consistent(world)


def test_a_copy_that_leaves_no_room_is_given_up_and_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release(world.with_backup())

    def usage(_place: Path) -> Usage:
        return Usage(0, 0, 10 if world.programs.said("dump") else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    error = world.failing(migrating(world), reserve=1000)
    assert error.kind == "no_space"
    assert "given up and removed" in error.message
    assert made(world) == []


def test_the_newest_ones_are_kept_also_when_the_clock_was_set_back(world: World) -> None:
    world.release(world.with_backup())
    for number in range(1, 5):
        world.time = f"20{30 - number}-11-21T04:15:00Z"
        world.release(migrating(world, number, keep=2))
    found = backups.read_all(world.desired(world.stack).layout)
    assert [item["sequence"] for item in found] == [4, 3]
    assert len(made(world)) == 2


def test_two_backups_in_one_second_have_names_of_their_own(world: World) -> None:
    world.release(world.with_backup())
    world.docker.sick = {"api:2"}
    world.failing(migrating(world))
    world.failing(migrating(world))
    assert [path.name for path in made(world)] == ["20261121T041500Z-r001", "20261121T041500Z-r001-2"]


def test_what_a_killed_run_has_left_of_a_backup_is_removed_by_the_next_one(world: World) -> None:
    world.release(world.with_backup())
    die_at_step(world, "backup", migrating(world))
    (world.root / "backups").mkdir(exist_ok=True)
    left = world.root / "backups" / "20261121T041500Z-r001.staging"
    left.mkdir()
    (left / "db.dump").write_text("half")
    world.release()
    assert made(world) == []
    consistent(world)
