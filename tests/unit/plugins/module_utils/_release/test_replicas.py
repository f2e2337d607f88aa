# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several containers of a service: how many, which come and go, and that no request is lost by it."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import unit_hash
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import parse_desired
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import (
    replica_name,
    replicas_for,
    scaled,
    settle,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import (
    EDGE_FIRST,
    RELEASE_STEPS,
    REPAIR_STEPS,
)

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import World


def servers(text: str) -> list[str]:
    """The ports that the edge leads to."""
    return re.findall(r"server 127\.0\.0\.1:(\d+)", text)


def apis(world: World) -> set[str]:
    """Containers of the service that run."""
    return {name for name in world.running() if "-api-" in name}


@pytest.mark.parametrize(
    ("cores", "replicas"), [(1, 1), (3, 1), (4, 2), (7, 2), (8, 4), (15, 4), (16, 8), (64, 8), (0.5, 1)]
)
def test_auto_follows_from_the_cores(cores: float, replicas: int) -> None:
    assert replicas_for(cores) == replicas


def test_the_first_replica_is_called_as_the_service_and_the_others_by_their_number() -> None:
    assert [replica_name("api", number) for number in (1, 2, 16)] == ["api", "api-2", "api-16"]


def test_auto_is_settled_within_what_there_may_be_and_nothing_else_is_touched(world: World) -> None:
    stack = world.with_replicas("auto", most=3)
    assert settle(stack, count=16)["services"]["api"]["replicas"]["count"] == 3
    assert settle(stack, count=4)["services"]["api"]["replicas"]["count"] == 2
    assert settle(world.with_replicas(3), count=1) == world.with_replicas(3)
    assert settle(world.stack, count=1) == world.stack


def test_a_model_whose_auto_was_not_settled_is_refused(world: World) -> None:
    with pytest.raises(DrydockError) as failure:
        parse_desired(world.with_replicas("auto"), [])
    assert "'auto'" in failure.value.message


@pytest.mark.parametrize(
    ("counts", "kind", "words"),
    [
        ({"web": 2}, "unknown_service", "no service web. It has: api"),
        ({"api": 0}, "invalid_input", "api=0: it can have 1 to 4"),
        ({"api": 5}, "invalid_input", r"api=5: it can have 1 to 4\. For more, set replicas\.max"),
    ],
)
def test_what_cannot_be_scaled_is_refused_with_why(world: World, counts: dict[str, int], kind: str, words: str) -> None:
    with pytest.raises(DrydockError, match=words) as failure:
        scaled(world.with_replicas(1), counts)
    assert failure.value.kind == kind


def test_a_service_that_publishes_ports_of_the_host_is_not_scaled(world: World) -> None:
    with pytest.raises(DrydockError, match="publishes ports of the host"):
        scaled(world.with_replicas(1, most=1, publish=[{"port": 9000}]), {"api": 2})


def test_replicas_share_everything_but_their_name_and_their_ports(world: World) -> None:
    desired = world.desired(world.with_replicas(2))
    first, second = desired.of("blue")
    assert (first.name, second.name) == ("api", "api-2")
    assert (first.service, second.service) == ("api", "api")
    assert (first.first, second.first) == (True, False)
    assert first.host_port != second.host_port
    assert desired.secrets_dir(first, {"api": "v1"}) == desired.secrets_dir(second, {"api": "v1"})
    values = desired.variables("blue", {"api": "v1"})
    assert {key for key in values if key.startswith("SECRETS")} == {"SECRETS_API", "SECRETS_DIR_API"}
    ports = {key for key in values if key.startswith("PORT")}
    assert ports == {"PORT_API", "PORT_API_2", "PORT_API_3", "PORT_API_4"}, "the file names all that there may be"


def test_another_number_is_another_wish_for_the_same_containers(world: World) -> None:
    one, two = (world.desired(world.with_replicas(count)) for count in (1, 2))
    assert one.hash({}) != two.hash({})
    assert unit_hash(one, one.of("blue")[0], {}) == unit_hash(two, two.of("blue")[0], {})


def test_a_block_of_a_replica_that_there_is_none_of_is_about_nobody_else(world: World) -> None:
    desired = world.desired(world.with_replicas(1))
    (api,) = desired.of("blue")
    text = desired.files["services/compose.yaml"].decode()
    changed = text.replace("PORT_API_3", "PORT_API_4")
    other = type(desired)(**{**vars(desired), "files": {**desired.files, "services/compose.yaml": changed.encode()}})
    assert text != changed
    assert unit_hash(desired, api, {}) == unit_hash(other, api, {})


def test_more_replicas_come_up_beside_those_that_serve_and_fewer_end_after_the_switch(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_replicas(1))
    first = world.docker.containers[("demo-blue", "api")]

    result = world.release(world.with_replicas(3))
    assert result["moved"] == {"api-2": "blue", "api-3": "blue"}
    assert "replicas api: 1 -> 3" in result["actions"]
    assert servers(nginx.loaded) == ["18001", "19002", "19003"]
    assert world.docker.containers[("demo-blue", "api")] is first
    assert world.named() >= {"demo-blue-api-1", "demo-blue-api-2-1", "demo-blue-api-3-1"}
    consistent(world)
    assert not world.release(world.with_replicas(3))["changed"]

    led: dict[str, list[str]] = {}
    ran: dict[str, set[str]] = {}

    def look(step: str) -> None:
        led[step], ran[step] = servers(nginx.loaded), apis(world)

    result = world.release(world.with_replicas(1), on_step=look)
    assert result["moved"] == {}
    assert led["switch"] == ["18001", "19002", "19003"]
    assert led["drain"] == ["18001"]
    assert len(ran["stop"]) == 3, "nothing ends before nobody is led to it"
    assert apis(world) == {"demo-blue-api-1"}
    assert world.docker.containers[("demo-blue", "api")] is first
    consistent(world)


def test_all_replicas_move_when_the_image_does_and_new_ones_come_up_beside_them(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_replicas(2))
    result = world.release(world.with_replicas(3, image="api:2"))
    assert result["moved"] == {"api": "green", "api-2": "green", "api-3": "green"}
    assert servers(nginx.loaded) == ["18501", "19502", "19503"]
    assert apis(world) == {"demo-green-api-1", "demo-green-api-2-1", "demo-green-api-3-1"}
    consistent(world)


def test_a_replica_that_does_not_become_healthy_fails_the_release_and_those_before_it_serve(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_replicas(2))
    world.docker.sick = {"api:2"}
    error = world.failing(world.with_replicas(2, image="api:2"))
    assert "was not touched and serves" in error.message
    assert servers(nginx.loaded) == ["18001", "19002"]
    assert apis(world) == {"demo-blue-api-1", "demo-blue-api-2-1"}
    assert not world.release(world.with_replicas(2))["changed"]


def test_a_replica_that_the_edge_does_not_lead_to_fails_the_switch(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_replicas(1))
    nginx.deaf = True
    error = world.failing(world.with_replicas(3))
    assert error.kind == "edge_unconfirmed"
    assert "the ports 19002, 19003" in error.message
    assert apis(world) == {"demo-blue-api-1"}


def test_a_replica_that_is_gone_is_brought_back_alone(world: World) -> None:
    world.release(world.with_replicas(2))
    del world.docker.containers[("demo-blue", "api-2")]
    first = world.docker.containers[("demo-blue", "api")]
    assert world.release(world.with_replicas(2))["kind"] == "repair"
    assert world.docker.containers[("demo-blue", "api")] is first
    consistent(world)


def test_room_for_more_replicas_restarts_nobody(world: World) -> None:
    world.release(world.with_replicas(2, most=2))
    result = world.release(world.with_replicas(2, most=4))
    assert result["kind"] == "release"
    assert result["moved"] == {}


def test_workers_without_a_port_can_be_several(world: World) -> None:
    def workers(count: int) -> dict[str, Any]:
        return world.with_worker(replicas={"count": count, "max": 4, "ports": []})

    world.release(workers(1))
    assert world.release(workers(3))["moved"] == {"worker-2": "blue", "worker-3": "blue"}
    assert world.release(workers(2))["moved"] == {}
    assert {name for name in world.running() if "worker" in name} == {"demo-blue-worker-1", "demo-blue-worker-2-1"}
    consistent(world)


def test_the_log_of_deployments_names_the_service_not_its_replicas(world: World) -> None:
    world.release(world.with_replicas(1))
    world.release(world.with_replicas(3))
    text = (world.root / "state" / "deployments.jsonl").read_text().splitlines()[-1]
    assert '"services": ["api"]' in text


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 1)])
def test_a_change_of_number_killed_at_a_step_is_finished_or_undone(
    world: World, step: str, before: int, after: int
) -> None:
    nginx = world.with_edge()
    world.release(world.with_replicas(before))
    die_at_step(world, step, world.with_replicas(after))
    for _turn in range(before + after):
        _status, upstream = nginx.ask("/")
        led = next(
            container for (_part, name), container in world.docker.containers.items() if upstream in led_by(name)
        )
        assert led.state == "running"
    wanted = world.with_replicas(after if step in RELEASE_STEPS[::2] else before)
    world.release(wanted)
    consistent(world)
    assert len(apis(world)) == wanted["services"]["api"]["replicas"]["count"]
    assert not world.release(wanted)["changed"]


def led_by(name: str) -> set[str]:
    """The addresses in blue of a container, by its name in Compose."""
    port = {"api": 18001, "api-2": 19002, "api-3": 19003}.get(name)
    return {f"127.0.0.1:{port}"}


@pytest.mark.parametrize("step", REPAIR_STEPS)
def test_a_repair_of_a_replica_killed_at_a_step_is_completed(world: World, step: str) -> None:
    world.with_edge()
    world.release(world.with_replicas(2))
    world.docker.containers[("demo-blue", "api-2")].state = "exited"
    die_at_step(world, step, world.with_replicas(2))
    world.release(world.with_replicas(2))
    consistent(world)


def of_two(world: World, *, warm: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Three of one image, then one of another."""
    world.docker.images.add("api:2")
    policy = {"release": {"keep_warm": warm}}
    return {**world.with_replicas(3), **policy}, {**world.with_replicas(1, image="api:2"), **policy}


@pytest.mark.parametrize("warm", [True, False])
def test_the_way_back_brings_the_number_back(world: World, warm: bool) -> None:
    nginx = world.with_edge()
    many, one = of_two(world, warm=warm)
    world.release(many)
    world.release(one)
    assert apis(world) - world.kept() == {"demo-green-api-1"}
    assert len(world.kept()) == (3 if warm else 0)
    world.back()
    assert apis(world) - world.kept() == {"demo-blue-api-1", "demo-blue-api-2-1", "demo-blue-api-3-1"}
    assert servers(nginx.loaded) == ["18001", "19002", "19003"]
    consistent(world)


@pytest.mark.parametrize("warm", [True, False])
@pytest.mark.parametrize("step", EDGE_FIRST.steps)
def test_a_way_back_to_several_killed_at_a_step_is_finished_or_undone(world: World, step: str, warm: bool) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    world.with_edge()
    many, one = of_two(world, warm=warm)
    world.release(many)
    world.release(one)
    with contextlib.suppress(KilledError):  # a cold one has no step `rejoin`
        world.back(on_step=kill)
    world.release(many)
    assert len(apis(world) - world.kept()) == 3
    consistent(world)


def test_a_replica_that_is_one_too_many_is_not_kept_warm(world: World) -> None:
    policy = {"release": {"keep_warm": True}}
    world.release({**world.with_replicas(3), **policy})
    world.release({**world.with_replicas(1), **policy})
    assert world.kept() == set()
    assert apis(world) == {"demo-blue-api-1"}
