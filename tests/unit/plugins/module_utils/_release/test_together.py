# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is made ready, waits, and is switched, given up, or left by a controller that died."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.log import newest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import (
    RELEASE_STEPS,
    from_ready,
    until_ready,
)

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import World

OLD, NEW = "127.0.0.1:18001", "127.0.0.1:18501"


def note_of(world: World) -> Path:
    return world.root / "state" / "prepared.json"


def edit(world: World, **changes: Any) -> None:
    note = json.loads(note_of(world).read_text())
    note_of(world).write_text(json.dumps({**note, **changes}))


def outcomes(world: World) -> list[str]:
    return [line["outcome"] for line in reversed(newest(world.root / "state" / "deployments.jsonl", 20))]


def test_what_is_ready_runs_beside_what_serves_and_nobody_is_led_to_it(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    ready = world.make_ready(world.with_api(image="api:2"))
    assert world.result["release"] == "r001"
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1", "demo-green-api-1"}
    assert nginx.ask("/") == (200, OLD)
    assert (world.current.identity, ready) == ("r001", "r002")


def test_what_was_made_ready_is_switched_by_the_second_call(world: World) -> None:
    nginx = world.with_edge()
    world.given = {"db_password": "old"}
    world.release()
    new = world.with_api(image="api:2")
    world.given = {"db_password": "new"}
    ready = world.make_ready(new)
    assert world.release(new, prepared=ready)["release"] == ready
    assert nginx.ask("/") == (200, NEW)
    assert world.secret("api") == "new"
    consistent(world)
    assert not world.release(new)["changed"]
    assert outcomes(world) == ["released", "prepared", "released"]


def test_a_first_release_is_made_ready_and_switched(world: World) -> None:
    nginx = world.with_edge()
    ready = world.make_ready(world.stack)
    world.release(prepared=ready)
    assert nginx.ask("/") == (200, OLD)
    consistent(world)


def test_a_release_with_nothing_to_do_leaves_nothing_waiting(world: World) -> None:
    world.release()
    assert world.release(until="ready")["prepared"] is None
    assert world.leftovers() == []


def test_a_repair_is_done_at_once_as_it_leads_to_no_other_release(world: World) -> None:
    world.release()
    world.docker.containers[("demo-blue", "api")].state = "exited"
    result = world.release(until="ready")
    assert (result["changed"], result["prepared"]) == (True, None)
    consistent(world)


def test_a_second_call_that_comes_twice_finds_its_work_done(world: World) -> None:
    world.release()
    new = world.with_api(image="api:2")
    ready = world.make_ready(new)
    world.release(new, prepared=ready)
    assert not world.release(new, prepared=ready)["changed"]


@pytest.mark.parametrize("given", [True, False])
def test_what_is_given_up_leaves_the_host_as_it_was_and_no_evidence(world: World, given: bool) -> None:
    world.with_edge()
    world.given = {"db_password": "old"}
    world.release()
    before = world.docker.containers["demo-blue", "api"]
    world.given = {"db_password": "new"}
    ready = world.make_ready(world.with_api(image="api:2", environment={"N": "1"}))
    result = world.give_up(prepared=ready if given else "")
    assert (result["changed"], result["release"]) == (True, "r001")
    assert world.docker.containers["demo-blue", "api"] is before
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.secret("api") == "old"
    assert list((world.root / "failures").iterdir()) == []
    consistent(world)
    world.given = {"db_password": "old"}
    assert not world.release()["changed"]
    assert outcomes(world) == ["released", "prepared", "abandoned"]


def test_giving_up_brings_back_what_was_replaced_where_it_is(world: World) -> None:
    world.release()
    new = world.with_api(image="api:2")
    new["db_config"] = "x = 2"
    world.make_ready(new)
    changed = world.docker.containers[("demo-base", "db")].hash
    world.give_up()
    assert world.docker.containers[("demo-base", "db")].hash != changed
    consistent(world)
    assert not world.release()["changed"]


def test_giving_up_a_first_release_leaves_nothing_that_runs(world: World) -> None:
    world.make_ready(world.stack)
    world.give_up()
    assert world.running() == set()
    world.release()
    consistent(world)


def test_giving_up_nothing_changes_nothing(world: World) -> None:
    world.release()
    assert not world.give_up()["changed"]
    world.make_ready(world.with_api(image="api:2"))
    assert not world.give_up(prepared="r999")["changed"]
    assert note_of(world).exists()


def test_check_mode_says_that_it_would_give_up_and_does_not(world: World) -> None:
    world.release()
    world.make_ready(world.with_api(image="api:2"))
    assert world.give_up(check=True)["changed"]
    assert note_of(world).exists()


def test_what_waits_for_somebody_else_is_refused_with_who_and_until_when(world: World) -> None:
    world.release()
    new = world.with_api(image="api:2")
    world.make_ready(new)
    note = json.loads(note_of(world).read_text())
    attempts: list[Callable[[], object]] = [
        lambda: world.release(new, actor="other@ctl"),
        lambda: world.give_up(actor="other@ctl"),
    ]
    for attempt in attempts:
        with pytest.raises(DrydockError) as caught:
            attempt()
        assert caught.value.kind == "prepared"
        assert f"made by op@ctl from unknown at {note['since']}, kept until {note['expires']}" in caught.value.message
        assert str(note_of(world)) in caught.value.message
    assert world.release(new, prepared="r002")["release"] == "r002"
    consistent(world)


@pytest.mark.parametrize("over", [{"until": 0.0}, {"boot": "another"}])
def test_what_nobody_fetched_in_time_is_undone_by_the_next_run_of_anybody(
    world: World, over: dict[str, object]
) -> None:
    world.with_edge()
    world.release()
    world.make_ready(world.with_api(image="api:2"))
    edit(world, **over)
    result = world.release(actor="other@ctl")
    assert "undid the release r002, ready since" in result["actions"][0]
    assert "not switched by op@ctl" in result["actions"][0]
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    consistent(world)
    assert outcomes(world)[2:] == ["recovered", "repaired"]


def test_who_made_it_ready_and_died_releases_anew_at_once(world: World) -> None:
    world.with_edge()
    world.release()
    new = world.with_api(image="api:2")
    world.make_ready(new)
    assert world.release(new, check=True)["actions"][-1] == "the release r002 is ready and was not switched"
    assert world.release(new)["release"] == "r004"
    consistent(world)


def test_a_note_that_somebody_removed_or_that_is_damaged_protects_nothing(world: World) -> None:
    world.with_edge()
    world.release()
    for damage in ("{", '{"schema": 1}', '{"schema": 9}'):
        world.make_ready(world.with_api(image="api:2"))
        note_of(world).write_text(damage)
        world.release(actor="other@ctl")
        consistent(world)


def moved_on(world: World, what: str) -> dict[str, Any]:
    """Something changes between the two calls; the stack that the second one asks for."""
    new = world.with_api(image="api:2")
    if what == "wish":
        return world.with_api(image="api:2", environment={"N": "1"})
    if what == "secret":
        world.given = {"db_password": "another"}
    elif what == "file":
        path = world.root / "releases" / "r002" / "services" / "compose.yaml"
        path.write_text(path.read_text() + "\n# by hand")
    return new


@pytest.mark.parametrize("what", ["wish", "secret", "file"])
def test_what_moved_meanwhile_is_not_switched_but_given_up(world: World, what: str) -> None:
    nginx = world.with_edge()
    world.release()
    ready = world.make_ready(world.with_api(image="api:2"))
    error = world.failing(moved_on(world, what), prepared=ready)
    assert (error.kind, "something has moved" in error.message) == ("prepared_lost", True)
    assert nginx.ask("/") == (200, OLD)
    consistent(world)


def test_what_was_undone_meanwhile_is_not_switched(world: World) -> None:
    world.with_edge()
    world.release()
    new = world.with_api(image="api:2")
    ready = world.make_ready(new)
    world.give_up()
    error = world.failing(new, prepared=ready)
    assert (error.kind, "not here any more" in error.message) == ("prepared_lost", True)
    consistent(world)


def test_what_became_sick_meanwhile_is_not_switched_and_its_evidence_is_kept(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    new = world.with_api(image="api:2")
    ready = world.make_ready(new)
    world.docker.containers[("demo-green", "api")].health = "unhealthy"
    error = world.failing(new, prepared=ready)
    assert (error.kind, error.details["step"]) == ("unhealthy", "still")
    assert (world.root / "failures" / ready / "failure.json").is_file()
    assert nginx.ask("/") == (200, OLD)
    consistent(world)


@pytest.mark.parametrize("step", until_ready(RELEASE_STEPS))
@pytest.mark.parametrize("then", ["new", "old"])
def test_a_run_killed_on_the_way_to_ready_is_undone_by_the_next_one(world: World, step: str, then: str) -> None:
    world.with_edge()
    world.release()
    new = world.with_api(image="api:2")
    wanted = new if then == "new" else world.stack
    die_at_step(world, step, new, until="ready")
    world.release(wanted)
    consistent(world)
    assert not world.release(wanted)["changed"]


@pytest.mark.parametrize("step", from_ready(RELEASE_STEPS))
@pytest.mark.parametrize("then", ["new", "old"])
def test_a_run_killed_on_the_way_from_ready_is_finished_or_undone_by_the_next_one(
    world: World, step: str, then: str
) -> None:
    nginx = world.with_edge()
    world.release()
    new = world.with_api(image="api:2")
    wanted = new if then == "new" else world.stack
    ready = world.make_ready(new)
    die_at_step(world, step, new, prepared=ready)
    assert nginx.ask("/")[0] == 200
    world.release(wanted)
    consistent(world)
    assert not world.release(wanted)["changed"]


@pytest.mark.parametrize("again", ["give up", "release"])
def test_a_run_killed_at_any_call_of_the_engine_while_it_gives_up_is_completed(
    tmp_path_factory: pytest.TempPathFactory, again: str
) -> None:
    killed = 0
    while True:
        world = World(tmp_path_factory.mktemp("give-up"))
        world.with_edge()
        world.release()
        new = world.with_api(image="api:2")
        new["db_config"] = "x = 2"
        world.make_ready(new)
        world.docker.die_at = len(world.docker.calls) + killed
        try:
            world.give_up()
        except KilledError:
            world.docker.die_at = None
            killed += 1
        else:
            break
        world.give_up() if again == "give up" else world.release()
        consistent(world)
    assert killed > 5


@pytest.mark.parametrize("then", ["give up", "go on", "release"])
def test_what_was_kept_warm_makes_way_for_what_is_made_ready(world: World, then: str) -> None:
    world.with_edge()
    world.docker.images.add("api:3")
    stacks = [{**world.with_api(image=f"api:{number}"), "release": {"keep_warm": True}} for number in (1, 2, 3)]
    for stack in stacks[:2]:
        world.release(stack)
    assert world.kept() == {"demo-blue-api-1"}
    ready = world.make_ready(stacks[2])
    if then == "give up":
        world.give_up()
    elif then == "go on":
        world.release(stacks[2], prepared=ready)
    else:
        world.release(stacks[1])
    wanted = stacks[2] if then == "go on" else stacks[1]
    assert world.running() == {item["name"] for item in world.current.containers.values()} | world.kept()
    assert world.kept() == ({"demo-green-api-1"} if then == "go on" else set())
    assert not world.release(wanted)["changed"]
