# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations in a release: when they run, in which order, and what is left when they fail, hang or are killed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import irreversible
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import World

UPGRADE = {"command": ["upgrade", "head"]}


def migrating(world: World, image: str = "api:2", **settings: Any) -> dict[str, Any]:
    """The stack with a migration, in another image than the first release's."""
    return world.with_api(image=image, migrate={**UPGRADE, **settings})


def layout(world: World) -> Layout:
    return world.desired(world.stack).layout


def test_a_migration_runs_in_the_new_image_before_the_new_container_is_up(world: World) -> None:
    world.release()
    world.docker.calls.clear()
    result = world.release(migrating(world, environment={"LEVEL": "a = b"}))
    (job,) = world.docker.jobs.begun
    assert (job.name, job.image, job.command) == ("demo-green-api-migrate", "api:2", ["upgrade", "head"])
    assert job.environment == {"LEVEL": "a = b"}
    assert job.labels == {"drydock.job": "migrate"}
    calls = [index for index, call in enumerate(world.docker.calls) if {"run", "up"} & set(call)]
    assert "run" in world.docker.calls[calls[0]]
    assert result["migrated"] == ["api"]
    assert world.docker.jobs.there == {}
    assert world.serving()["api"] == "api:2"
    assert world.leftovers() == []


def test_a_first_release_migrates_when_its_components_are_healthy(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(migrating(world))
    words = [next((word for word in ("up", "run") if word in call), "") for call in world.docker.calls]
    assert [word for word in words if word] == ["up", "run", "up"]


@pytest.mark.parametrize(
    ("change", "runs"),
    [
        ({}, False),
        ({"environment": {"N": "1"}}, False),
        ({"image": "api:1"}, True),
        ({"migrate": {"command": ["upgrade", "further"]}}, True),
        ({"migrate": {**UPGRADE, "environment": {"LEVEL": "2"}}}, True),
        ({"migrate": {**UPGRADE, "timeout": 5}}, False),
        ({"migrate": None}, False),
    ],
)
def test_a_migration_runs_again_when_its_image_command_or_variables_are_others(
    world: World, change: dict[str, Any], runs: bool
) -> None:
    world.docker.images.add("api:2")
    world.release(migrating(world))
    world.docker.jobs.begun.clear()
    stack = migrating(world)
    stack["services"]["api"].update(change)
    said = world.release(stack, check=True)["actions"]
    assert any("migration of api" in action for action in said) is runs
    assert world.docker.jobs.begun == []  # check mode
    world.release(stack)
    assert bool(world.docker.jobs.begun) is runs
    assert not world.release(stack)["changed"]


def test_a_secret_that_changed_does_not_migrate(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(migrating(world))
    world.given = {"db_password": "another"}
    world.docker.jobs.begun.clear()
    assert world.release(migrating(world))["moved"] == {"api": "green"}
    assert world.docker.jobs.begun == []


def test_a_changed_migration_alone_moves_no_container(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(migrating(world))
    api = world.docker.containers[("demo-blue", "api")]
    result = world.release(migrating(world, command=["upgrade", "further"]))
    assert result["kind"] == "release"
    assert world.docker.jobs.begun[-1].name == "demo-blue-api-migrate"
    assert world.docker.containers[("demo-blue", "api")] is api


def test_services_that_others_depend_on_are_migrated_first(world: World) -> None:
    stack = world.with_worker(migrate=UPGRADE)  # api depends on worker
    stack["services"]["api"]["migrate"] = UPGRADE
    world.release(stack)
    assert [job.service for job in world.docker.jobs.begun] == ["worker", "api"]
    assert world.docker.jobs.most == 1


def test_a_service_with_replicas_is_migrated_once_and_another_number_of_them_does_not_migrate(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(world.with_replicas(3, image="api:2", migrate=UPGRADE))
    assert [job.name for job in world.docker.jobs.begun] == ["demo-blue-api-migrate"]
    world.release(world.with_replicas(2, image="api:2", migrate=UPGRADE))
    assert len(world.docker.jobs.begun) == 1


def test_a_migration_that_fails_leaves_what_serves_and_keeps_its_log(world: World) -> None:
    world.given = {"db_password": "canary-value"}
    world.release()
    world.docker.jobs.failing = {"api": 3}
    world.docker.jobs.says = "no such column, password=hunter2 canary-value"
    error = world.failing(migrating(world))
    assert (error.kind, error.details["exit_code"]) == ("migration_failed", 3)
    assert "exit code 3" in error.message
    assert "no such column" in error.message
    assert "was not touched and serves" in error.message
    log = (world.root / "failures" / "r002" / "migrate-api.log").read_text()
    assert "exit code 3" in log
    assert "hunter2" not in log + error.message
    assert "canary-value" not in log + error.message
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.docker.jobs.there == {}
    assert world.leftovers() == []
    world.docker.jobs.failing = {}
    world.release(migrating(world))
    assert world.serving()["api"] == "api:2"
    assert len(world.docker.jobs.begun) == 2


def test_a_migration_that_was_killed_for_want_of_memory_is_told_as_that(world: World) -> None:
    world.release()
    world.docker.jobs.greedy = {"api"}
    assert "for want of memory" in world.failing(migrating(world)).message


def test_a_migration_that_hangs_is_stopped_when_its_time_is_over(world: World) -> None:
    world.release()
    world.docker.jobs.hanging = {"api"}
    begun = world.clock.now
    error = world.failing(migrating(world, timeout=90))
    assert error.kind == "migration_failed"
    assert "did not end within 90 s" in error.message
    assert world.clock.now - begun >= 90
    assert world.docker.said("stop", "demo-green-api-migrate")
    assert world.docker.jobs.there == {}
    assert world.serving()["api"] == "api:1"


@pytest.mark.parametrize("how", ["it hangs", "nobody can look at it"])
def test_a_migration_that_cannot_be_stopped_is_said_to_run_on_and_the_next_run_stops_it_first(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    world.release()
    world.docker.jobs.hanging = {"api"}
    job, run = "demo-green-api-migrate", world.docker.run

    def refusing(argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if job in argv and "stop" in argv:
            return Completed(tuple(argv), 1, err="Cannot connect to the Docker daemon")
        if job in argv and "inspect" in argv and how != "it hangs":
            raise DrydockError("timed_out", "docker inspect did not end within 60 s.")
        return run(argv, timeout=timeout)

    monkeypatch.setattr(world.docker, "run", refusing)
    error = world.failing(migrating(world, timeout=90))
    assert (error.kind, error.details["running"]) == ("migration_failed", job)
    assert f"could not be stopped and may still change the data (container {job})" in error.message
    assert "Cannot connect to the Docker daemon" in error.message
    assert world.serving()["api"] == "api:1"
    monkeypatch.undo()
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    world.docker.jobs.hanging = set()
    assert "stopped the migration of api" in " ".join(world.release(migrating(world))["actions"])
    assert world.docker.jobs.most == 1


def test_a_migration_goes_on_while_the_engine_restarts(world: World) -> None:
    world.release()
    world.docker.jobs.hanging = {"api"}
    passed: list[None] = []

    def meanwhile() -> None:
        passed.append(None)
        world.docker.answering = not 2 <= len(passed) <= 4
        if len(passed) == 6:
            world.docker.jobs.begun[0].looks = 0  # it comes to its end

    world.meanwhile = meanwhile
    world.release(migrating(world))
    assert world.serving()["api"] == "api:2"
    assert len(passed) > 6


def test_a_release_that_fails_after_its_migration_says_that_the_data_stay_as_they_are(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    error = world.failing(migrating(world))
    assert error.kind == "unhealthy"
    assert "What its migrations changed stays changed (api)" in error.message
    assert "migrating" in (world.root / "failures" / "r002" / "migrate-api.log").read_text()


# -- what cannot be undone -------------------------------------------------------------------------------------------


def test_a_migration_that_cannot_be_undone_is_in_the_record_and_in_the_note(world: World) -> None:
    world.release()
    world.release(migrating(world, irreversible="drops the old pages"))
    record = json.loads((world.root / "current" / "release.json").read_text())
    assert record["irreversible"] == {"api": "drops the old pages"}
    (entry,) = irreversible.crossed(layout(world), 1)
    assert (entry["service"], entry["release"], entry["state"]) == ("api", "r002", "done")
    assert "op@ctl" in irreversible.said(entry)
    assert irreversible.crossed(layout(world), 2) == []


def test_it_stays_noted_when_its_release_fails_later(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    world.failing(migrating(world, irreversible="drops the old pages"))
    (entry,) = irreversible.crossed(layout(world), 1)
    assert (entry["release"], entry["state"]) == ("r002", "done")
    world.docker.sick = set()
    world.release(migrating(world, irreversible="drops the old pages"))
    assert [entry["release"] for entry in irreversible.crossed(layout(world), 1)] == [
        "r003"
    ]  # the same step of history


@pytest.mark.parametrize("how", ["fails", "is killed"])
def test_one_that_did_not_come_to_its_end_is_noted_as_begun(world: World, how: str) -> None:
    world.release()
    stack = migrating(world, irreversible="drops the old pages")
    if how == "fails":
        world.docker.jobs.failing = {"api": 1}
        world.failing(stack)
    else:
        world.docker.jobs.hanging = {"api"}
        kill_at(world, stack, "inspect", "demo-green-api-migrate")
    (entry,) = irreversible.crossed(layout(world), 1)
    assert entry["state"] == "begun"
    assert "how far it came is not known" in irreversible.said(entry)


def test_the_note_is_forgotten_with_the_last_release_that_is_older(world: World) -> None:
    world.release()
    world.release(migrating(world, irreversible="drops the old pages"))
    for number in range(3):
        world.release(world.with_api(image="api:2", environment={"N": str(number)}), keep=1)
    assert irreversible.read(layout(world)) == []


def test_a_note_that_is_damaged_stops_a_run_before_the_migration(world: World) -> None:
    world.release()
    irreversible.note_path(layout(world)).write_text("{")
    error = world.failing(migrating(world, irreversible="drops the old pages"))
    assert error.kind == "state_unreadable"
    assert world.docker.jobs.begun == []
    assert world.serving()["api"] == "api:1"
    world.release(world.with_api(image="api:2"))  # one that does not need it
    assert world.serving()["api"] == "api:2"
    assert irreversible.note_path(layout(world)).read_text() == "{"


def test_going_back_across_it_is_refused_with_the_reason_unless_forced_and_migrates_nothing(world: World) -> None:
    world.release()
    world.release(migrating(world, irreversible="drops the old pages"))
    with pytest.raises(DrydockError) as failure:
        world.back()
    assert failure.value.kind == "irreversible"
    assert "drops the old pages" in failure.value.message
    assert "op@ctl" in failure.value.message
    assert world.serving()["api"] == "api:2"
    world.docker.jobs.begun.clear()
    world.back(force=True)
    assert world.serving()["api"] == "api:1"
    assert world.docker.jobs.begun == []
    world.back(to="r002")  # which is not older than its own migration
    assert world.serving()["api"] == "api:2"
    assert world.docker.jobs.begun == []


def test_a_release_after_a_rollback_migrates_again(world: World) -> None:
    world.release()
    world.release(migrating(world))
    world.back()
    world.docker.jobs.begun.clear()
    world.release(migrating(world))
    assert [job.service for job in world.docker.jobs.begun] == ["api"]


def test_a_release_that_waits_for_other_hosts_has_migrated_and_does_not_do_so_again(world: World) -> None:
    world.with_edge()
    world.release()
    stack = migrating(world, irreversible="drops the old pages")
    ready = world.make_ready(stack)
    assert world.result["migrated"] == ["api"]
    result = world.release(stack, prepared=ready)
    assert result["migrated"] == ["api"]
    assert len(world.docker.jobs.begun) == 1
    assert world.current.rest["irreversible"] == {"api": "drops the old pages"}
    consistent(world)


# -- killed ----------------------------------------------------------------------------------------------------------


def kill_at(world: World, stack: Mapping[str, Any], *words: str) -> None:
    """Run, and die at the first call that has all these words, after it was made."""
    run = world.docker.run

    def dying(argv: Any, *, timeout: float = 60.0) -> Any:
        done = run(argv, timeout=timeout)
        if all(word in argv for word in words):
            world.docker.run = run  # type: ignore[method-assign]  # only this once
            raise KilledError
        return done

    world.docker.run = dying  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        world.release(stack)


@pytest.mark.parametrize("then", ["the new stack again", "the old stack"])
def test_a_job_that_a_killed_run_left_is_stopped_before_anything_else_and_told(world: World, then: str) -> None:
    world.release()
    world.docker.jobs.hanging = {"api"}
    kill_at(world, migrating(world), "run", "demo-green-api-migrate")
    assert world.docker.jobs.there["demo-green-api-migrate"].state == "running"
    world.docker.jobs.hanging = set()
    result = world.release(migrating(world) if then.startswith("the new") else world.stack)
    assert any("stopped the migration of api" in action for action in result["actions"])
    assert world.docker.jobs.most == 1
    assert world.docker.jobs.there == {}
    consistent(world)


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_migrating_run_that_is_killed_at_a_step_is_finished_or_undone_by_the_next_one(
    world: World, step: str
) -> None:
    world.with_edge()
    world.release()
    stack = migrating(world, irreversible="drops the old pages")
    die_at_step(world, step, stack)
    world.release(stack)
    assert world.serving()["api"] == "api:2"
    consistent(world)
    assert not world.release(stack)["changed"]
    assert len(irreversible.crossed(layout(world), 1)) == 1


def test_a_migrating_run_that_is_killed_at_any_call_is_finished_by_the_next_one(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    killed = 0
    while True:
        world = World(tmp_path_factory.mktemp("kill"))
        world.with_edge()
        world.release(world.with_backup())
        stack = world.with_backup()
        stack["services"]["api"].update(image="api:2", migrate=UPGRADE)
        world.docker.die_at = len(world.docker.calls) + killed
        try:
            world.release(stack)
        except KilledError:
            world.docker.die_at = None
            killed += 1
        else:
            break
        world.release(stack)
        assert world.serving() == {"db": "db:1", "api": "api:2"}
        consistent(world)
        assert world.docker.jobs.most == 1
        assert world.docker.jobs.there == {}
    assert killed > 25


def test_an_engine_that_refuses_to_start_a_job_leaves_what_serves(world: World) -> None:
    world.release()
    run = world.docker.run

    def refusing(argv: Any, *, timeout: float = 60.0) -> Any:
        if "run" in argv:
            raise DrydockError("timed_out", "did not end")
        return run(argv, timeout=timeout)

    world.docker.run = refusing  # type: ignore[method-assign]
    assert world.failing(migrating(world)).kind == "timed_out"
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []
