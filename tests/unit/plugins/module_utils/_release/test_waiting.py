# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is waited for: containers that run, paths that say alive and ready, each with its time."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.target import ContainerSpec, HttpSpec
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Health, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import unit_targets

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
