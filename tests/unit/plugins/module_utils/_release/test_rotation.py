# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that takes its host out of service for the balancers in front of it, and puts it back."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.world import World


def flag(world: World) -> Path:
    return world.root / "edge" / "out-of-service"


def out_at(world: World, stack: dict[str, object], **options: Any) -> dict[str, bool]:
    """Step -> whether the host was out of service when it began."""
    found: dict[str, bool] = {}
    world.release(stack, on_step=lambda step: found.update({step: flag(world).exists()}), **options)
    return found


def test_the_host_is_out_of_service_from_before_anything_is_touched_until_the_release_serves(world: World) -> None:
    world.with_edge()
    world.release()
    begun = world.clock.now
    out = out_at(world, world.with_api(image="api:2"), out_of_service=10.0)
    first, last = RELEASE_STEPS.index("leave"), RELEASE_STEPS.index("enter")
    assert [step for step in RELEASE_STEPS if out[step]] == list(RELEASE_STEPS[first + 1 : last + 1])
    assert not flag(world).exists()
    assert world.clock.now - begun >= 10.0
    consistent(world)


def test_the_file_is_one_that_nginx_may_look_for_and_says_who_and_why(world: World) -> None:
    world.release()
    seen: dict[str, Any] = {}

    def look(step: str) -> None:
        if step == "up":
            seen.update(json.loads(flag(world).read_text()), mode=stat.S_IMODE(flag(world).stat().st_mode))

    world.release(world.with_api(image="api:2"), on_step=look, out_of_service=1.0)
    assert seen == {"release": "r002", "since": "2026-11-21T04:15:00Z", "actor": "op@ctl", "mode": 0o644}


@pytest.mark.parametrize("option", [0.0, 10.0])
def test_without_the_wish_or_on_a_first_release_the_host_stays_in_service(world: World, option: float) -> None:
    if not option:
        world.release()
    assert not any(out_at(world, world.with_api(), out_of_service=option).values())
    assert not any(out_at(world, world.with_api(image="api:2")).values())


def test_a_release_that_fails_puts_the_host_back_with_what_served(world: World) -> None:
    world.with_edge()
    world.docker.sick = {"api:2"}
    world.release()
    world.failing(world.with_api(image="api:2"), out_of_service=10.0)
    assert not flag(world).exists()
    consistent(world)


def test_a_host_on_which_nothing_serves_any_more_stays_out_until_something_does(world: World) -> None:
    world.release()
    new = world.with_api(image="api:2")
    new["db_config"] = "x = 2"

    def fall_sick(step: str) -> None:
        if step == "up":
            world.docker.sick = {"api:1", "api:2", "db:1"}
            for item in world.docker.containers.values():
                item.health = "unhealthy"

    error = world.failing(new, on_step=fall_sick, out_of_service=10.0)
    assert "The host stays out of service for the balancers in front of it." in error.message
    assert flag(world).exists()
    world.docker.sick = set()
    for item in world.docker.containers.values():
        item.health = "healthy"
    assert "put the host back into service" in " ".join(world.release(check=True)["actions"])
    world.release()
    assert not flag(world).exists()
    consistent(world)


def test_a_host_that_a_person_took_out_of_service_stays_out_and_is_not_waited_for(world: World) -> None:
    world.with_edge()
    world.release()
    flag(world).write_text("")
    assert not world.release()["changed"]
    begun = world.clock.now
    world.release(world.with_api(image="api:2"), out_of_service=1000.0)
    assert flag(world).exists()
    assert world.clock.now - begun < 1000.0


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize("then", ["new", "old"])
def test_a_run_killed_while_the_host_is_out_of_service_has_it_put_back_by_the_next(
    world: World, step: str, then: str
) -> None:
    world.with_edge()
    world.release()
    new = world.with_api(image="api:2")

    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        world.release(new, on_step=kill, out_of_service=10.0)
    world.release(new if then == "new" else world.stack)
    consistent(world)
