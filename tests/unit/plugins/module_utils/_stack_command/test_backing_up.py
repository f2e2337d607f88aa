# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb backup: whose data it copies, what it writes down, and when it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import holder, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import log_path
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import backing_up
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.backing_up import (
    Order,
    all_backups,
    back_up,
    lines,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

from tests.unit.plugins.module_utils._release.world import World

ORDER = Order(actor="ann@web1", where="web1", reason="before the upgrade")


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(backing_up, "RESERVE", 1)
    return World(tmp_path)


def stack_of(world: World) -> Stack:
    return Stack(name="demo", layout=Layout(root=world.root, secrets=world.secrets), version="1.0.0")


def order_backup(world: World, say: Callable[[str], None] = print) -> Path:
    warnings: list[str] = []
    made = back_up(stack_of(world), ORDER, world.host(), say=say, warn=warnings.append)
    assert warnings == []
    return made


def last_line(world: World) -> dict[str, object]:
    found: dict[str, object] = json.loads(log_path(stack_of(world).layout).read_text().splitlines()[-1])
    return found


def test_it_copies_the_components_of_what_serves_and_tells_it(world: World) -> None:
    world.release(world.with_backup())
    made = order_backup(world)
    manifest = json.loads((made / "manifest.json").read_text())
    assert (manifest["release"], manifest["before"], manifest["reason"]) == ("r001", None, "before the upgrade")
    assert (made / "db.dump").read_bytes() == world.programs.copy
    line = last_line(world)
    assert (line["outcome"], line["actor"], line["serving"]) == ("backed_up", "ann@web1", "r001")
    (told,) = lines(stack_of(world), all_backups(stack_of(world)))
    assert told.startswith(f"{made}  db 0.0 MiB; by ann@web1")
    assert "before the upgrade" in told


def test_what_is_copied_is_told_as_it_begins_to_whoever_waits_and_to_whoever_finds_the_stack_taken(
    world: World,
) -> None:
    world.release(world.with_backup())
    said, doing = list[str](), list[str]()
    world.programs.on_call = lambda _call: doing.append((holder(stack_of(world).layout) or {})["doing"])
    order_backup(world, said.append)
    assert said == doing == ["copying the data of db", "reading the copy of db back, 0.0 MiB"]


def test_as_many_stay_as_the_stack_says(world: World) -> None:
    world.release(world.with_backup(keep=2))
    made = [order_backup(world) for _number in range(4)]
    assert [item["id"] for item in all_backups(stack_of(world))] == [made[3].name, made[2].name]


def test_one_that_fails_is_written_down_and_leaves_nothing(world: World) -> None:
    world.release(world.with_backup())
    world.programs.ends = {"dump": Ended(1, "no connection")}
    with pytest.raises(DrydockError, match="no connection") as failure:
        order_backup(world)
    assert failure.value.kind == "backup_failed"
    assert last_line(world)["outcome"] == "backup_failed"
    assert all_backups(stack_of(world)) == []
    assert world.leftovers() == []


def test_a_stack_that_somebody_works_on_is_left_alone(world: World) -> None:
    world.release(world.with_backup())
    with lease(stack_of(world).layout, {"actor": "op@ctl"}), pytest.raises(DrydockError) as failure:
        order_backup(world)
    assert failure.value.kind == "locked"
    assert world.programs.calls == []


def test_a_stack_without_data_or_without_a_release_is_told_so(world: World) -> None:
    with pytest.raises(DrydockError) as failure:
        order_backup(world)
    assert failure.value.kind == "not_released"
    world.release()  # its component does not know how it is copied
    with pytest.raises(DrydockError) as failure:
        order_backup(world)
    assert failure.value.kind == "no_backup"
    assert lines(stack_of(world), all_backups(stack_of(world))) == ["There are no backups on this host."]
