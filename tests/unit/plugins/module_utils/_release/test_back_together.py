# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way back that is made ready first, as on several hosts none is led back before all can be."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import (
    RELEASE_STEPS,
    from_ready,
    until_ready,
)

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.test_together import outcomes
from tests.unit.plugins.module_utils._release.test_warm import two, warm_stack
from tests.unit.plugins.module_utils._release.world import World

OLD, NEW = "127.0.0.1:18001", "127.0.0.1:18501"
ME = {"actor": "op@ctl"}


def released(world: World, *, warm: bool) -> None:
    """Two releases, of which the second one serves; the first one is kept warm or has ended."""
    if warm:
        two(world)
        return
    world.with_edge()
    for image in ("api:1", "api:2"):
        world.release({**warm_stack(world, image), "release": {}})


def ready(world: World) -> str:
    found = world.back(until="ready")["prepared"]
    assert isinstance(found, str)
    return found


def asked(world: World) -> tuple[int, str]:
    assert world.docker.nginx is not None
    return world.docker.nginx.ask("/")


@pytest.mark.parametrize("warm", [True, False])
def test_nobody_is_led_back_before_the_second_call(world: World, warm: bool) -> None:
    released(world, warm=warm)
    made = ready(world)
    assert asked(world) == (200, NEW)
    assert (world.current.identity, world.result["release"]) == ("r002", "r002")
    assert (world.result["rolled_back_to"], world.result["rolled_back_from"]) == ("r001", "r002")
    assert world.back(prepared=made)["release"] == made
    assert asked(world) == (200, OLD)
    assert world.serving_now() == {"db": "db:1", "api": "api:1", "worker": "api:1"}
    assert world.current.rest["rolled_back_to"] == "r001"
    consistent(world)
    assert outcomes(world)[2:] == ["prepared", "rolled_back"]


def test_what_is_warm_is_not_started_anew(world: World) -> None:
    released(world, warm=True)
    api = world.docker.containers["demo-blue", "api"]
    world.back(prepared=ready(world))
    assert world.docker.containers["demo-blue", "api"] is api
    assert world.kept() == {"demo-green-api-1"}


@pytest.mark.parametrize("warm", [True, False])
def test_a_way_back_that_is_given_up_leaves_what_serves_and_what_was_warm(world: World, warm: bool) -> None:
    released(world, warm=warm)
    kept, api = world.kept(), world.docker.containers.get(("demo-blue", "api"))
    ready(world)
    result = world.give_up(actor="op@host")
    assert (result["changed"], result["release"]) == (True, "r002")
    assert asked(world) == (200, NEW)
    assert world.kept() == kept
    assert world.docker.containers.get(("demo-blue", "api")) is api
    consistent(world)
    world.back(prepared=ready(world))
    assert world.serving_now()["api"] == "api:1"
    consistent(world)


@pytest.mark.parametrize("warm", [True, False])
def test_what_became_sick_while_it_waited_is_not_led_to_and_nothing_of_it_runs_on(world: World, warm: bool) -> None:
    released(world, warm=warm)
    kept, made = world.kept(), ready(world)
    world.docker.containers["demo-blue", "worker"].health = "unhealthy"
    error = world.not_back(prepared=made)
    assert (error.kind, error.details["step"]) == ("unhealthy", "still")
    assert asked(world) == (200, NEW)
    assert world.kept() == kept
    consistent(world)


def test_a_second_call_that_comes_twice_finds_its_work_done_and_goes_no_further_back(world: World) -> None:
    released(world, warm=False)
    made = ready(world)
    world.back("r001", prepared=made)
    assert not world.back("r001", prepared=made)["changed"]
    assert world.current.identity == made


@pytest.mark.parametrize("then", ["back", "the inventory"])
@pytest.mark.parametrize("warm", [True, False])
def test_a_way_back_that_is_left_ready_is_undone_by_the_next_run(world: World, warm: bool, then: str) -> None:
    released(world, warm=warm)
    ready(world)
    if then == "back":
        world.back()
        assert world.serving_now()["api"] == "api:1"
    else:
        release = {"keep_warm": True} if warm else {}
        world.release({**warm_stack(world, "api:2"), "release": release}, actor="op@host")
        assert world.serving_now()["api"] == "api:2"
    consistent(world)


@pytest.mark.parametrize("step", [*until_ready(RELEASE_STEPS), *from_ready(RELEASE_STEPS)])
@pytest.mark.parametrize("warm", [True, False])
def test_a_way_back_in_two_calls_that_dies_at_a_step_is_finished_or_undone(world: World, warm: bool, step: str) -> None:
    released(world, warm=warm)
    first = step in until_ready(RELEASE_STEPS)
    made = "" if first else ready(world)

    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        world.back(on_step=kill, until="ready" if first else "switched", prepared=made)
    assert asked(world)[0] == 200
    world.back("r001")
    assert world.serving_now()["api"] == "api:1"
    consistent(world)


def test_a_host_whose_edge_is_led_back_first_stays_in_service(world: World) -> None:
    released(world, warm=True)
    out = world.root / "edge" / "out-of-service"
    seen: dict[str, bool] = {}
    world.back(on_step=lambda step: seen.update({step: out.exists()}), out_of_service=10.0)
    assert not any(seen.values())
    consistent(world)
