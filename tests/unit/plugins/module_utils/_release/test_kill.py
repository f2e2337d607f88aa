# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that dies anywhere: afterwards the old or the new release serves, and nothing is left over."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS, REPAIR_STEPS

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.world import World


def consistent(world: World) -> None:
    """What runs is what is recorded as current, and nothing lies about."""
    record = world.current
    for name, unit in record.containers.items():
        container = world.docker.containers[(f"demo-{unit['part']}", name)]
        assert container.hash == unit["config_hash"]
        assert unit["part"] == "base" or "demo" in container.networks
    assert world.running() == {unit["name"] for unit in record.containers.values()} | world.kept()
    assert not world.kept() & world.named()
    assert world.secret_file("api").is_file()
    if world.docker.nginx is not None:
        assert world.docker.nginx.loaded == (world.root / "edge" / "upstreams.conf").read_text()
        ports = [item["host_port"] for name, item in record.containers.items() if name.startswith("api")]
        answers = {world.docker.nginx.ask("/") for _port in ports}
        assert answers == {(200, f"127.0.0.1:{port}") for port in ports}
    assert world.leftovers() == []
    assert not (world.root / "state" / "lease.json").exists()


def die_at_step(world: World, step: str, stack: dict[str, object], **options: Any) -> None:
    def kill(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        world.release(stack, on_step=kill, **options)


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize("then", ["the new stack again", "the old stack"])
def test_a_run_killed_at_a_step_is_finished_or_undone_by_the_next_one(world: World, step: str, then: str) -> None:
    world.with_edge()
    world.given = {"db_password": "old"}
    world.release()
    new = world.with_api(image="api:2")
    world.given = {"db_password": "new"}
    die_at_step(world, step, new)
    assert world.release(new if then.startswith("the new") else world.stack, check=True)["changed"]

    if then == "the new stack again":
        world.release(new)
        assert world.serving() == {"db": "db:1", "api": "api:2"}
        assert world.secret("api") == "new"
    else:
        world.given = {"db_password": "old"}
        world.release()
        assert world.serving() == {"db": "db:1", "api": "api:1"}
        assert world.secret("api") == "old"
    consistent(world)
    assert not world.release(new if then.startswith("the new") else world.stack)["changed"]


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_whatever_step_a_run_dies_at_somebody_who_is_healthy_answers_through_the_edge(world: World, step: str) -> None:
    nginx = world.with_edge()
    world.release()
    die_at_step(world, step, world.with_api(image="api:2"))
    _status, upstream = nginx.ask("/")
    colour = {"127.0.0.1:18001": "blue", "127.0.0.1:18501": "green"}[upstream]
    assert world.docker.containers[(f"demo-{colour}", "api")].state == "running"
    assert world.docker.containers[(f"demo-{colour}", "api")].health == "healthy"


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_services_of_two_colours_are_brought_together_again_after_a_kill(world: World, step: str) -> None:
    world.with_edge()
    world.release(world.with_worker())
    new = world.with_worker()
    new["services"]["api"]["environment"] = {"N": "1"}
    die_at_step(world, step, new)
    world.release(new)
    consistent(world)
    assert world.colours() == {"api": "green", "worker": "blue"}
    newest = world.with_worker(environment={"N": "2"}, publish=[{"port": 9000}])
    die_at_step(world, step, newest)
    world.release(newest)
    consistent(world)
    assert not world.release(newest)["changed"]


@pytest.mark.parametrize("step", REPAIR_STEPS)
def test_a_repair_killed_at_a_step_is_completed_by_the_next_run(world: World, step: str) -> None:
    world.with_edge()
    world.release()
    world.docker.containers[("demo-blue", "api")].state = "exited"
    (world.root / "edge" / "upstreams.conf").write_text("")
    die_at_step(world, step, world.stack)
    world.release()
    consistent(world)
    assert not world.release()["changed"]


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_first_release_killed_at_a_step_is_completed_by_the_next_run(world: World, step: str) -> None:
    die_at_step(world, step, world.stack)
    world.release()
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    consistent(world)


def test_a_run_killed_at_any_call_of_the_engine_is_undone_by_a_run_of_the_old_stack(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    killed = 0
    while True:
        world = World(tmp_path_factory.mktemp("kill"))
        world.with_edge()
        world.release()
        new = world.with_api(image="api:2")
        world.docker.die_at = len(world.docker.calls) + killed
        try:
            world.release(new)
        except KilledError:
            world.docker.die_at = None
            killed += 1
        else:
            break
        world.release()
        assert world.serving() == {"db": "db:1", "api": "api:1"}
        consistent(world)
    assert killed > 15


def test_a_run_killed_while_it_goes_back_is_brought_back_by_the_next_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    killed = 0
    while True:
        world = World(tmp_path_factory.mktemp("back"))
        world.with_edge()
        world.docker.sick = {"api:2"}
        world.release()
        seen = len(world.docker.calls)
        new = world.with_api(image="api:2")
        world.docker.die_at = seen + 10 + killed
        try:
            world.failing(new)
        except KilledError:
            world.docker.die_at = None
            killed += 1
        else:
            break
        world.release()
        assert world.serving() == {"db": "db:1", "api": "api:1"}
        consistent(world)
    assert killed > 10


def test_what_a_kill_in_the_middle_of_a_write_leaves_is_removed_and_data_are_not_touched(world: World) -> None:
    world.release()
    beside = [
        world.root / "x",
        *(path for path in (*world.root.rglob("*"), *world.secrets.rglob("*")) if path.is_file()),
    ]
    left = [path.with_name(f".drydock-{path.name}.abc") for path in beside]
    theirs = world.root / "data" / "db" / ".drydock-theirs"
    for path in (*left, theirs):
        path.write_text("half of it")
    (world.root / ".drydock-current.77").symlink_to("releases/gone")
    world.release(world.with_api(image="api:2"))
    assert theirs.exists()
    theirs.unlink()
    assert world.leftovers() == []
    assert list(world.secrets.rglob(".drydock-*")) == []


def test_a_journal_of_a_newer_version_is_left_alone_whatever_else_is_in_it(world: World) -> None:
    world.release()
    journal = world.root / "state" / "journal.json"
    journal.write_text('{"schema": 99, "releases": ["r002"]}')
    assert world.failing(world.with_api(image="api:2")).kind == "state_unreadable"
    assert "99" in journal.read_text()


DAMAGED = ('{"release": "r0', "[]", "{}", '{"schema": 1, "release": 5, "step": "up", "previous": null, "hash": "x"}')


@pytest.mark.parametrize("text", DAMAGED)
def test_a_journal_that_cannot_be_read_is_cleaned_up_and_the_release_goes_on(world: World, text: str) -> None:
    world.release()
    (world.root / "state" / "journal.json").write_text(text)
    (world.root / "releases" / "r000.staging").mkdir()
    result = world.release()
    assert result["changed"]
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    consistent(world)
