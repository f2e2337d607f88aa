# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is waited for: containers that run, paths that say alive and ready, each with its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.target import ContainerSpec, HttpSpec
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Health, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import SETTLED, Looks, unit_targets

from tests.unit.plugins.module_utils._release.world import World


def unit(**health: Any) -> Unit:
    return Unit(
        name="api",
        service="api",
        part="green",
        stack="demo",
        image="x",
        uid=1,
        gid=1,
        ports={"green": 18501},
        health=Health(**health),
    )


def test_a_service_with_one_path_is_waited_for_in_one_phase() -> None:
    container, path = unit_targets(unit(path="/ready", start_period=5))
    assert isinstance(container.spec, ContainerSpec)
    assert isinstance(path.spec, HttpSpec)
    assert {container.phase, path.phase} == {"ready"}
    assert {container.budget, path.budget} == {65.0}


def test_a_service_that_says_it_is_alive_goes_through_phases_of_its_own() -> None:
    found = unit_targets(unit(path="/ready", live="/live", live_within=10, ready_within=600))
    assert [(item.name, item.phase) for item in found] == [
        ("api process", "process"),
        ("api http://127.0.0.1:18501/live", "port"),
        ("api", "ready"),
        ("api http://127.0.0.1:18501/ready", "ready"),
    ]
    assert {item.group for item in found} == {"api"}
    assert [(item.budget, item.span) for item in found] == [(60.0, None), (None, 10), (None, 600), (None, 600)]
    assert found[0].watched  # to the end: one that crashes while its model loads is told as that


def test_phases_without_a_time_of_their_own_share_that_of_the_start() -> None:
    found = unit_targets(unit(path="/ready", live="/live", start_period=40))
    assert {(item.budget, item.span) for item in found} == {(100.0, None)}


def test_a_model_that_loads_for_long_does_not_need_a_long_time_to_be_alive() -> None:
    found = unit_targets(unit(path="/ready", ready_within=900))
    assert [(item.phase, item.budget, item.span) for item in found] == [
        ("process", 60.0, None),
        ("ready", None, 900),
        ("ready", None, 900),
    ]


@pytest.mark.parametrize("state", ["exited", "dead"])
def test_a_container_that_ends_while_its_model_loads_is_not_waited_for(world: World, state: str) -> None:
    world.release()
    world.docker.endings = {"api:2": {"Status": state, "ExitCode": 3}}
    new = world.with_api(image="api:2")
    new["services"]["api"]["health"] = {"command": ["true"], "phases": {"ready": 3600}}
    before = world.clock()
    error = world.failing(new, wait_timeout=7200.0)
    assert error.message.splitlines()[0].startswith("The service api ended with exit code 3")
    assert world.clock() - before < 60


def test_an_engine_that_restarts_is_told_as_that_and_not_as_a_container_that_is_gone(world: World) -> None:
    world.release()
    world.docker.answering = False
    report = world.host().waiter.wait_recorded(world.current.containers, limit=3)
    assert "The Docker engine is unreachable" in report.message()
    assert "there is no container" not in report.message()


def test_the_record_tells_when_each_target_was_healthy(world: World) -> None:
    world.release()
    targets = {item["target"] for item in world.current.rest["timeline"] if item["ok"]}
    assert targets == {"db", "api"}


class Scripted:
    """An engine that says one thing after another of each container."""

    def __init__(self, **told: list[dict[str, Any] | None]) -> None:
        self.told = told
        self.calls = 0

    def inspect_all(self, containers: Sequence[str]) -> dict[str, dict[str, Any]]:
        self.calls += 1
        said = {name: self.told[name].pop(0) for name in containers}
        return {name: item for name, item in said.items() if item is not None}


def running(health: str | None = None, *, restarts: int = 0) -> dict[str, Any]:
    state: dict[str, Any] = {"Status": "running", **({"Health": {"Status": health}} if health else {})}
    return {"Id": "1", "RestartCount": restarts, "State": state}


def looked(engine: Scripted, spec: ContainerSpec, times: int) -> list[bool]:
    looks = Looks(cast("Engine", engine), sorted(engine.told))
    return [looks.look(spec, 1.0).ok for _time in range(times)]


def test_a_container_without_a_health_check_has_to_run_for_some_looks() -> None:
    engine = Scripted(api=[running()] * SETTLED)
    assert looked(engine, ContainerSpec(container="api"), SETTLED) == [*[False] * (SETTLED - 1), True]


def test_one_that_has_run_for_long_enough_is_healthy_as_soon_as_it_says_so() -> None:
    engine = Scripted(api=[*[running("starting")] * (SETTLED + 2), running("healthy")])
    found = looked(engine, ContainerSpec(container="api"), SETTLED + 3)
    assert found == [*[False] * (SETTLED + 2), True]


def test_one_that_restarts_meanwhile_begins_again() -> None:
    engine = Scripted(api=[running(), running(), *[running(restarts=1)] * (SETTLED + 1)])
    found = looked(engine, ContainerSpec(container="api", max_restarts=9), SETTLED + 3)
    assert found == [*[False] * (SETTLED + 2), True]


def test_all_containers_are_looked_at_by_one_call_of_the_engine_each_time() -> None:
    engine = Scripted(api=[running()] * 3, db=[running()] * 3)
    looks = Looks(cast("Engine", engine), sorted(engine.told))
    for _time in range(3):
        for name in ("api", "db"):
            looks.look(ContainerSpec(container=name), 1.0)
    assert engine.calls == 3


def test_one_that_is_not_there_does_not_hide_the_others() -> None:
    engine = Scripted(api=[None], db=[running("unhealthy")])
    looks = Looks(cast("Engine", engine), sorted(engine.told))
    assert looks.look(ContainerSpec(container="api"), 1.0).summary == "there is no container api"
    assert "unhealthy instead of healthy" in looks.look(ContainerSpec(container="db"), 1.0).summary
