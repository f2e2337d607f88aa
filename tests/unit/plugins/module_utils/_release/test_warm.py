# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What served before runs on, so that the way back takes no start; and a run that dies on that way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release import waiting
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import EDGE_FIRST, RELEASING
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import Warm, read_warm, write_warm

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.world import World

DOCUMENTATION = Path(__file__).parents[5] / "docs" / "releases.md"


def warm_stack(world: World, image: str = "api:1", **worker: Any) -> dict[str, Any]:
    """Two services, of which one is behind the edge; what is behind it is kept warm."""
    world.docker.images.add("api:2")
    stack = world.with_worker(**{"environment": {"IMAGE": image}, **worker})
    stack["services"]["api"]["image"] = image
    stack["release"] = {"keep_warm": True}
    return stack


def two(world: World) -> None:
    """Two releases that differ in both services."""
    world.with_edge()
    world.release(warm_stack(world))
    world.release(warm_stack(world, "api:2"))


@pytest.fixture
def asked_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens: whether a path says that its service is ready is told by the test, through ``World.unready``."""
    targets = waiting.targets_for
    monkeypatch.setattr(waiting, "targets_for", lambda name, **about: targets(name, **{**about, "url": None}))


def steps_of(world: World, to: str | None = None) -> list[str]:
    taken: list[str] = []
    world.back(to, on_step=taken.append)
    return taken


def test_what_is_behind_the_edge_runs_on_and_nothing_else(world: World) -> None:
    two(world)
    assert world.kept() == {"demo-blue-api-1"}
    assert world.running() == {"demo-base-db-1", "demo-green-api-1", "demo-green-worker-1", "demo-blue-api-1"}
    assert world.result["kept"] == ["demo-blue-api-1"]
    consistent(world)


def test_it_is_found_under_its_name_by_nobody(world: World) -> None:
    two(world)
    assert "demo" not in world.docker.containers[("demo-blue", "api")].networks


def test_without_the_wish_nothing_runs_on(world: World) -> None:
    stack = warm_stack(world)
    stack["release"] = {"keep_warm": False}
    world.release(stack)
    stack = warm_stack(world, "api:2")
    stack["release"] = {"keep_warm": False}
    world.release(stack)
    assert world.kept() == set()
    assert world.running() == {"demo-base-db-1", "demo-green-api-1", "demo-green-worker-1"}


def test_a_run_that_has_nothing_to_do_sees_nothing_wrong_with_it(world: World) -> None:
    two(world)
    assert world.release(warm_stack(world, "api:2"))["kind"] == "none"


def test_a_repair_leaves_it_alone_and_does_not_bring_it_back(world: World) -> None:
    two(world)
    world.docker.containers[("demo-green", "api")].state = "exited"
    assert world.release(warm_stack(world, "api:2"))["kind"] == "repair"
    assert "demo-blue-api-1" in world.running()
    world.docker.containers[("demo-blue", "api")].state = "exited"
    world.docker.containers[("demo-green", "worker")].state = "exited"
    world.release(warm_stack(world, "api:2"))
    assert "demo-blue-api-1" not in world.running()
    assert not world.release(warm_stack(world, "api:2"))["changed"]


def test_what_was_sick_is_not_worth_keeping(world: World) -> None:
    world.with_edge()
    world.release(warm_stack(world))
    world.docker.containers[("demo-blue", "api")].health = "unhealthy"
    world.release(warm_stack(world, "api:2"))
    assert world.kept() == set()
    assert "demo-blue-api-1" not in world.running()


def test_the_next_release_ends_it_before_its_own_come_up_there(world: World) -> None:
    two(world)
    seen: dict[str, set[str]] = {}
    three = warm_stack(world, "api:2", environment={"N": "3"})
    three["services"]["api"]["environment"] = {"N": "3"}

    def look(step: str) -> None:
        seen[step] = world.running()

    world.release(three, on_step=look)
    assert "demo-blue-api-1" in seen["up"]
    assert world.colours() == {"api": "blue", "worker": "blue"}
    assert world.kept() == {"demo-green-api-1"}
    consistent(world)


def test_the_next_release_ends_it_also_where_nothing_comes_up(world: World) -> None:
    two(world)
    world.release(warm_stack(world, "api:2", environment={"N": "3"}))
    assert world.kept() == set()
    assert world.running() == {"demo-base-db-1", "demo-green-api-1", "demo-blue-worker-1"}
    consistent(world)


def test_a_release_that_fails_leaves_no_note_of_what_it_has_ended(world: World) -> None:
    two(world)
    world.docker.sick = {"api:3"}
    world.docker.images.add("api:3")
    assert world.failing(warm_stack(world, "api:3")).kind == "unhealthy"
    assert world.kept() == set()
    assert world.running() == {"demo-base-db-1", "demo-green-api-1", "demo-green-worker-1"}
    assert not world.release(warm_stack(world, "api:2"))["changed"]


def test_its_release_is_not_pruned(world: World) -> None:
    world.with_edge()
    for number in range(4):
        stack = warm_stack(world)
        stack["services"]["api"]["environment"] = {"N": str(number)}
        world.release(stack, keep=1)
    warm = read_warm(Layout(root=world.root, secrets=world.secrets))
    assert warm is not None
    assert (world.root / "releases" / warm.release / "release.json").is_file()


def test_when_its_time_is_over_it_is_ended_by_a_repair(world: World) -> None:
    two(world)
    layout = Layout(root=world.root, secrets=world.secrets)
    note = read_warm(layout)
    assert note is not None
    write_warm(layout, Warm(note.release, note.of, "2026-11-21T04:30:00Z", note.containers))
    assert not world.release(warm_stack(world, "api:2"))["changed"]
    world.time = "2026-11-21T04:30:00Z"
    assert world.release(warm_stack(world, "api:2"))["kind"] == "repair"
    assert "demo-blue-api-1" not in world.running()
    assert world.kept() == set()
    assert not world.release(warm_stack(world, "api:2"))["changed"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"release": "r001"}'])
def test_a_note_that_cannot_be_read_keeps_nothing(world: World, text: str) -> None:
    two(world)
    (world.root / "state" / "warm.json").write_text(text)
    assert world.release(warm_stack(world, "api:2"))["kind"] == "repair"
    assert "demo-blue-api-1" not in world.running()


# -- the way back ----------------------------------------------------------------------------------------------------


def test_the_edge_is_led_back_before_anything_is_started(world: World) -> None:
    two(world)
    assert world.docker.nginx is not None
    seen: dict[str, tuple[str, set[str]]] = {}
    nginx = world.docker.nginx
    api = world.docker.containers[("demo-blue", "api")]

    def look(step: str) -> None:
        seen[step] = nginx.ask("/")[1], world.running()

    world.back(on_step=look)
    assert tuple(seen) == EDGE_FIRST.steps
    assert seen["switch"][0] == "127.0.0.1:18501"
    assert seen["up"][0] == "127.0.0.1:18001"
    assert "demo-blue-worker-1" not in seen["up"][1]
    assert world.docker.containers[("demo-blue", "api")] is api
    assert world.serving_now() == {"db": "db:1", "api": "api:1", "worker": "api:1"}
    assert world.colours() == {"api": "blue", "worker": "blue"}
    assert world.kept() == {"demo-green-api-1"}
    assert world.result["switched"] is not None
    consistent(world)


def test_it_goes_to_and_fro_without_a_start(world: World) -> None:
    two(world)
    assert steps_of(world)[5] == "switch"
    assert steps_of(world, "r002")[5] == "switch"
    assert world.colours() == {"api": "green", "worker": "green"}
    consistent(world)


@pytest.mark.usefixtures("asked_by_hand")
@pytest.mark.parametrize("trouble", ["ended", "unhealthy", "not ready", "another", "component"])
def test_where_it_is_not_all_warm_everything_is_started_first(world: World, trouble: str) -> None:
    world.with_edge()
    first, second = warm_stack(world), warm_stack(world, "api:2")
    for stack in (first, second):
        stack["services"]["api"]["health"]["path"] = "/ready"
    if trouble == "component":
        second["db_config"] = "x = 2"
    world.release(first)
    world.release(second)
    container = world.docker.containers[("demo-blue", "api")]
    if trouble == "ended":
        container.state = "exited"
    elif trouble == "unhealthy":
        container.health = "unhealthy"
    elif trouble == "another":
        container.hash = "of somebody else"
    elif trouble == "not ready":
        world.unready = {"http://127.0.0.1:18001/ready"}
    taken: list[str] = []

    def look(step: str) -> None:
        taken.append(step)
        world.unready = set()

    world.back(on_step=look)
    assert tuple(taken) == RELEASING.steps
    assert world.docker.containers[("demo-blue", "api")].image == "api:1"
    consistent(world)


@pytest.mark.usefixtures("asked_by_hand")
def test_a_container_that_stops_answering_on_the_way_is_not_led_to(world: World) -> None:
    world.with_edge()
    for image in ("api:1", "api:2"):
        stack = warm_stack(world, image)
        stack["services"]["api"]["health"]["path"] = "/ready"
        world.release(stack)

    def look(step: str) -> None:
        if step == "rejoin":
            world.unready = {"http://127.0.0.1:18001/ready"}

    error = world.not_back(on_step=look)
    assert (error.kind, error.details["step"]) == ("unhealthy", "rejoin")
    assert world.current.identity == "r002"
    assert "demo-blue-api-1" not in world.named()
    consistent(world)


def test_when_the_rest_does_not_start_the_edge_is_led_forward_again(world: World) -> None:
    two(world)
    world.docker.sick = {"api:1"}  # the one that is kept runs already
    error = world.not_back()
    assert error.details["step"] == "healthy"
    assert "r002 was not touched and serves" in error.message
    assert world.current.identity == "r002"
    assert world.kept() == {"demo-blue-api-1"}
    consistent(world)
    world.docker.sick = set()
    assert steps_of(world)[5] == "switch"


def test_an_image_that_is_gone_is_found_after_the_switch_and_the_edge_led_forward(world: World) -> None:
    two(world)
    world.docker.images.discard("api:1")
    error = world.not_back()
    assert error.details["step"] == "images"
    assert "was not touched and serves" in error.message
    assert world.current.identity == "r002"
    consistent(world)


def test_what_is_kept_warm_is_gone_back_to_without_its_image(world: World) -> None:
    world.with_edge()
    world.docker.images.add("api:2")
    for image in ("api:1", "api:2"):
        world.release({**world.with_api(image=image), "release": {"keep_warm": True}})
    world.docker.images.discard("api:1")
    world.back()
    assert world.serving_now()["api"] == "api:1"
    consistent(world)


@pytest.mark.parametrize("then", ["the way back again", "the inventory"])
@pytest.mark.parametrize("step", EDGE_FIRST.steps)
def test_a_way_back_that_dies_at_a_step_is_finished_or_undone(world: World, step: str, then: str) -> None:
    two(world)
    kill_at(world, step)
    somebody_answers(world)
    if then == "the inventory":
        world.release(warm_stack(world, "api:2"))
        assert world.serving_now()["api"] == "api:2"
    else:
        world.back("r001")
        assert world.serving_now()["api"] == "api:1"
    consistent(world)


@pytest.mark.parametrize("step", RELEASING.steps)
def test_a_way_back_with_starts_that_dies_at_a_step_is_finished_or_undone(world: World, step: str) -> None:
    world.with_edge()
    world.given = {"db_password": "old"}
    world.release()
    world.given = {"db_password": "new"}
    world.docker.images.add("api:2")
    world.release(world.with_api(image="api:2"))
    kill_at(world, step)
    somebody_answers(world)
    world.given = {}
    world.back("r001")
    assert (world.secret("api"), world.serving_now()["api"]) == ("old", "api:1")
    consistent(world)


@pytest.mark.parametrize("step", RELEASING.steps)
def test_a_release_that_keeps_the_old_one_warm_and_dies_at_a_step_is_finished_or_undone(
    world: World, step: str
) -> None:
    world.with_edge()
    world.release(warm_stack(world))

    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        world.release(warm_stack(world, "api:2"), on_step=kill)
    somebody_answers(world)
    world.release(warm_stack(world, "api:2"))
    consistent(world)
    assert not world.release(warm_stack(world, "api:2"))["changed"]


def test_a_way_back_killed_at_any_call_of_the_engine_is_undone_by_the_inventory(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    killed = 0
    while True:
        world = World(tmp_path_factory.mktemp("kill"))
        two(world)
        world.docker.die_at = len(world.docker.calls) + killed
        try:
            world.back()
        except KilledError:
            world.docker.die_at = None
            killed += 1
        else:
            break
        somebody_answers(world)
        world.release(warm_stack(world, "api:2"))
        assert world.serving_now()["api"] == "api:2"
        consistent(world)
    assert killed > 20


def kill_at(world: World, step: str) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        world.back(on_step=kill)


def somebody_answers(world: World) -> None:
    """Whoever the edge leads to runs and is healthy."""
    assert world.docker.nginx is not None
    _status, upstream = world.docker.nginx.ask("/")
    colour = {"127.0.0.1:18001": "blue", "127.0.0.1:18501": "green"}[upstream]
    container = world.docker.containers[(f"demo-{colour}", "api")]
    assert (container.state, container.health) == ("running", "healthy")


def test_the_documentation_names_the_steps_in_the_order_they_are_taken() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    sentence = text[text.index("The order is then") :].partition(", and the other steps")[0]
    assert tuple(re.findall(r"`(\w+)`", sentence)) == EDGE_FIRST.steps[:7]


def test_the_note_says_whose_they_are_and_until_when(world: World) -> None:
    two(world)
    note = json.loads((world.root / "state" / "warm.json").read_text())
    assert note == {
        "schema": 1,
        "release": "r001",
        "of": "r002",
        "until": None,
        "containers": ["demo-blue-api-1"],
    }
