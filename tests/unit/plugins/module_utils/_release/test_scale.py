# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another number of replicas without Ansible: from what lies on the host, as a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.scale import Scale, memory, scale
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.test_replicas import apis, servers
from tests.unit.plugins.module_utils._release.world import World

GIB = 1024**3


def scaled_to(
    world: World, *, check: bool = False, force: bool = False, total: int = GIB, on_step: Any = None, **counts: int
) -> dict[str, Any]:
    """Scale once."""
    world.number += 1
    result = empty_result()
    scale(
        world.desired(world.stack).layout,
        Scale(counts, force=force),
        Options(
            identity=f"r{world.number:03}",
            started="2026-11-21T04:15:00Z",
            actor="op@host",
            reason="the morning peak",
            reserve=1,
        ),
        world.host(on_step),
        check_mode=check,
        result=result,
        total=lambda: total,
    )
    return result


def test_more_and_fewer_are_releases_of_the_same_with_who_and_why(world: World) -> None:
    nginx = world.with_edge()
    world.given = {"db_password": "from the vault"}
    world.release(world.with_replicas(1))
    first, files = world.docker.containers[("demo-blue", "api")], dict(world.current.files)

    assert scaled_to(world, api=3)["moved"] == {"api-2": "blue", "api-3": "blue"}
    record = world.current
    assert (record.rest["actor"], record.rest["reason"]) == ("op@host", "the morning peak")
    assert dict(record.files) == files
    assert world.secret("api-3") == "from the vault"
    assert servers(nginx.loaded) == ["18001", "19002", "19003"]
    consistent(world)

    scaled_to(world, api=2)
    assert apis(world) == {"demo-blue-api-1", "demo-blue-api-2-1"}
    assert world.docker.containers[("demo-blue", "api")] is first
    consistent(world)


def test_a_number_that_is_there_already_changes_nothing(world: World) -> None:
    world.release(world.with_replicas(2))
    assert not scaled_to(world, api=2)["changed"]
    assert world.current.identity == "r001"


def test_a_check_says_what_would_be_done_and_does_nothing(world: World) -> None:
    world.release(world.with_replicas(1))
    assert "replicas api: 1 -> 3" in scaled_to(world, check=True, api=3)["actions"]
    assert apis(world) == {"demo-blue-api-1"}


def test_the_inventory_s_number_comes_back_with_its_next_run_and_a_check_tells(world: World) -> None:
    world.release(world.with_replicas(2))
    scaled_to(world, api=4)
    assert "replicas api: 4 -> 2" in world.release(world.with_replicas(2), check=True)["actions"]
    world.release(world.with_replicas(2))
    assert len(apis(world)) == 2


def test_what_was_settled_for_auto_is_what_is_scaled_from(world: World) -> None:
    world.release(world.with_replicas(2))
    kept = json.loads((world.root / "current" / "model.json").read_text())["model"]
    assert kept["services"]["api"]["replicas"]["count"] == 2


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_scaling_that_is_killed_is_finished_or_undone_by_the_next(world: World, step: str) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    world.with_edge()
    world.release(world.with_replicas(1))
    with pytest.raises(KilledError):
        scaled_to(world, api=3, on_step=kill)
    scaled_to(world, api=2)
    consistent(world)
    assert len(apis(world)) == 2


def test_no_release_is_removed_that_the_inventory_may_want_to_keep(world: World) -> None:
    for number in range(8):
        world.release(world.with_replicas(1, environment={"N": str(number)}), keep=8)
    scaled_to(world, api=2)
    assert len(list((world.root / "releases").iterdir())) == 9


@pytest.mark.parametrize("force", [False, True])
def test_more_than_the_host_has_memory_for_is_refused_unless_forced(world: World, force: bool) -> None:
    world.release(world.with_replicas(1, resources={"memory": GIB}))
    if force:
        scaled_to(world, api=3, force=True, total=3 * GIB)
        assert len(apis(world)) == 3
        scaled_to(world, api=2, total=GIB)  # fewer is never too much
        assert len(apis(world)) == 2
    else:
        with pytest.raises(
            DrydockError, match="could then use 3072 MiB; the host has 3072 MiB, and 256 MiB"
        ) as failure:
            scaled_to(world, api=3, total=3 * GIB)
        assert failure.value.kind == "no_memory"
        assert len(apis(world)) == 1


def test_without_a_release_there_is_nothing_to_scale(world: World) -> None:
    with pytest.raises(DrydockError, match="nothing to scale") as failure:
        scaled_to(world, api=2)
    assert failure.value.kind == "not_released"


def test_a_release_that_was_edited_on_the_host_is_not_scaled(world: World) -> None:
    world.release(world.with_replicas(1))
    path = world.root / "current" / "services" / "compose.yaml"
    path.write_text(path.read_text() + "# edited\n")
    with pytest.raises(DrydockError) as failure:
        scaled_to(world, api=2)
    assert failure.value.kind == "release_altered"
    assert apis(world) == {"demo-blue-api-1"}


def test_the_host_s_memory_is_the_kernel_s_word(tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text("MemTotal:        2048 kB\nMemFree:          100 kB\n")
    assert memory(path) == 2048 * 1024
