# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release on probation is kept, or the host goes back by itself, whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.history import last_good
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    Note,
    active,
    read_note,
    rebased,
    remaining,
    write_note,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS, RELEASING

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.trial import Trial

BAD = [(500, 0.1)] * 3 + [(200, 0.1)] * 7
OWNER = {"actor": "op", "host": "ctl", "since": "now", "reason": "", "doing": "something"}


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def note_of(trial: Trial) -> Note:
    note = read_note(trial.layout)
    assert note is not None
    return note


def test_a_release_that_does_well_is_kept_and_the_old_containers_go_when_the_time_is_over(trial: Trial) -> None:
    result = trial.begin()
    assert trial.world.running() == {"demo-base-db-1", "demo-blue-api-1", "demo-green-api-1"}
    begun = trial.world.clock()
    trial.follow(result)
    assert trial.world.clock() - begun >= 60
    assert (result["probation"]["verdict"], result["probation"]["end"]) == ("kept", "it is kept")
    assert result["probation"]["figures"]["api"]["requests"] >= 500
    assert trial.world.current.rest["probation"]["verdict"] == "kept"
    assert [line["outcome"] for line in trial.log_lines] == ["released", "released", "kept"]
    assert read_note(trial.layout) is None
    consistent(trial.world)
    assert not trial.world.release(trial.stack(image="api:2"))["changed"]


def test_past_a_threshold_the_host_goes_back_and_the_run_fails_with_the_figures(trial: Trial) -> None:
    trial.answers["api:2"] = BAD
    trial.world.given = {"db_password": "canary-value"}  # which the container writes into its log
    result = trial.begin()
    with pytest.raises(DrydockError, match="did not pass its probation") as caught:
        trial.follow(result)
    error = caught.value
    assert error.kind == "probation_failed"
    assert "were errors of the server; allowed are 5 %, before the switch it had 0 % of 100" in error.message
    assert "the host went back to r001" in error.message
    assert error.details["breaches"][0]["found"] == pytest.approx(0.3, abs=0.1)
    assert trial.world.serving() == {"db": "db:1", "api": "api:1"}
    assert trial.world.current.rest["rolled_back_to"] == "r001"
    assert trial.world.current.rest["rolled_back_from"] == "r002"
    assert trial.world.current.rest["reason"].startswith("probation: api: ")
    assert [line["outcome"] for line in trial.log_lines][-1] == "failed"
    assert trial.log_lines[-1]["failure"]["kind"] == "probation_failed"
    failure = json.loads(Path(error.details["evidence"], "failure.json").read_text())
    assert (failure["release"], failure["step"], failure["kind"]) == ("r002", "probation", "probation_failed")
    assert "canary-value" not in Path(error.details["evidence"], "api.log").read_text()
    consistent(trial.world)


def test_what_was_given_up_is_not_what_a_rollback_goes_back_to(trial: Trial) -> None:
    trial.answers["api:2"] = BAD
    trial.begin()
    trial.watch()
    trial.world.release({**trial.stack(environment={"N": "1"}), "release": {}})
    found = last_good(trial.layout)
    assert found is not None
    assert found.identity != "r002"
    assert found.images["api"]["reference"] == "api:1"


def test_a_container_that_the_engine_starts_again_is_reason_enough_without_a_client(trial: Trial) -> None:
    trial.world.meanwhile = lambda: None
    trial.begin()
    trial.world.docker.containers[("demo-green", "api")].restarts += 1
    trial.watch()
    assert trial.world.serving()["api"] == "api:1"
    assert "demo-green-api-1 was started again by the engine: 1, allowed are 0" in trial.log_lines[-1]["said"][0]


def test_too_few_answers_are_said_and_the_release_is_kept(tmp_path: Path) -> None:
    trial = Trial(tmp_path, min_requests=100_000)
    trial.answers["api:2"] = BAD
    trial.begin()
    trial.watch()
    assert trial.log_lines[-1]["outcome"] == "kept"
    assert trial.log_lines[-1]["said"][0].endswith("answers are too few to judge, wanted are 100000")


def test_what_the_old_container_still_answers_is_not_held_against_the_new(trial: Trial) -> None:
    trial.begin()
    trial.log("127.0.0.1:18001", [(500, 0.1)] * 1000)
    trial.watch()
    assert trial.log_lines[-1]["outcome"] == "kept"


def test_a_slower_release_goes_back_by_what_the_one_before_took(tmp_path: Path) -> None:
    trial = Trial(tmp_path, latency_factor=2.0)
    trial.answers["api:2"] = [(200, 0.3)] * 10
    trial.begin()
    assert note_of(trial).before["api"].p95 == 0.1
    trial.watch()
    assert "took up to 0.3 s; allowed are 0.2 s, as it was 0.1 s before the switch" in trial.log_lines[-1]["said"][0]
    assert trial.world.serving()["api"] == "api:1"


@pytest.mark.parametrize("changes", [{}, {"release": {}}, {"release": {"probation": {"seconds": 0}}}])
def test_a_first_release_and_one_without_probation_is_on_none(trial: Trial, changes: dict[str, Any]) -> None:
    result = trial.world.release({**trial.stack(), **changes})
    assert read_note(trial.layout) is None
    if changes:
        result = trial.world.release({**trial.stack(image="api:2"), **changes})
        assert read_note(trial.layout) is None
    trial.follow(result)
    assert result["probation"] is None
    consistent(trial.world)


def test_a_new_release_ends_the_probation_and_says_so(trial: Trial) -> None:
    result = trial.begin()
    newer = trial.world.release({**trial.stack(environment={"N": "1"}), "release": {}})
    assert newer["actions"][-1].startswith("ended the probation of r002 before ")
    assert newer["actions"][-1].endswith(", for the release r003")
    assert [line["outcome"] for line in trial.log_lines][-2:] == ["probation_ended", "released"]
    trial.follow(result)
    trial.watch()
    assert trial.world.serving() == {"db": "db:1", "api": "api:1"}
    consistent(trial.world)


def test_a_run_that_was_waiting_is_told_that_another_one_has_ended_the_probation(trial: Trial) -> None:
    result = trial.begin()
    clients = trial.world.meanwhile

    def once() -> None:
        trial.world.meanwhile = clients
        trial.world.release({**trial.stack(environment={"N": "1"}), "release": {}})

    trial.world.meanwhile = once
    trial.follow(result)
    assert result["probation"]["verdict"] == "ended"


@pytest.mark.parametrize("release", [{}, {"probation": {"seconds": 60}}])
@pytest.mark.parametrize("bad", [False, True])
@pytest.mark.parametrize("trouble", ["pull", "sick", "deaf"])
def test_with_a_release_that_fails_the_probation_of_what_serves_on_goes_on(
    trial: Trial, trouble: str, bad: bool, release: dict[str, Any]
) -> None:
    trial.begin()
    before = note_of(trial)
    docker = trial.world.docker
    assert docker.nginx is not None
    docker.images.add("api:3")
    docker.sick = {"api:3"} if trouble == "sick" else set()
    docker.nginx.deaf = trouble == "deaf"
    trial.world.failing({**trial.stack(image="api:4" if trouble == "pull" else "api:3"), "release": release})
    docker.nginx.deaf = False
    assert note_of(trial) == before
    assert [line["outcome"] for line in trial.log_lines] == ["released", "released", "failed"]
    trial.answers["api:2"] = BAD if bad else trial.answers["api:2"]
    trial.watch()
    assert trial.log_lines[-1]["outcome"] == ("failed" if bad else "kept")
    assert trial.world.serving_now() == {"db": "db:1", "api": "api:1" if bad else "api:2"}


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize("release", [{}, {"probation": {"seconds": 60}}])
def test_with_a_release_that_is_killed_the_probation_goes_on_or_is_ended_by_what_it_does_to_it(
    trial: Trial, step: str, release: dict[str, Any]
) -> None:
    trial.begin()
    before = note_of(trial)
    die_at_step(trial.world, step, {**trial.stack(environment={"N": "1"}), "release": release})
    if RELEASING.proven(step):
        trial.world.release({**trial.stack(environment={"N": "1"}), "release": release})
        assert [line["outcome"] for line in trial.log_lines].count("probation_ended") == 1
        assert trial.world.serving() == {"db": "db:1", "api": "api:1"}
        assert (read_note(trial.layout) is None) == (not release)
    else:
        trial.world.release(trial.stack(image="api:2"))
        assert note_of(trial) == before
        assert "probation_ended" not in [line["outcome"] for line in trial.log_lines]


def test_a_run_that_waits_goes_on_waiting_while_a_release_is_made_and_fails(trial: Trial) -> None:
    result = trial.begin()
    clients, nginx = trial.world.meanwhile, trial.world.docker.nginx
    assert nginx is not None

    def once() -> None:
        trial.world.meanwhile = clients
        nginx.deaf = True
        trial.world.failing(trial.stack(environment={"N": "1"}))
        nginx.deaf = False

    trial.world.meanwhile = once
    trial.follow(result)
    assert result["probation"]["verdict"] == "kept"


def test_a_rollback_that_is_quicker_than_the_verdict_to_keep_it_is_not_told_as_that(trial: Trial) -> None:
    trial.begin()
    write_note(trial.layout, replace(note_of(trial), decision={"verdict": "kept", "said": []}))
    trial.world.back()
    assert read_note(trial.layout) is None
    assert [line["outcome"] for line in trial.log_lines][-2:] == ["probation_ended", "rolled_back"]
    consistent(trial.world)


def test_a_verdict_that_another_release_was_quicker_than_is_not_told_as_carried_out(trial: Trial) -> None:
    trial.begin()
    failed = replace(note_of(trial), decision={"verdict": "failed", "said": ["too many errors"]})
    write_note(trial.layout, failed)
    trial.world.release({**trial.stack(environment={"N": "1"}), "release": {}})
    write_note(trial.layout, failed)  # as if that run was killed just before it was to remove it
    trial.watch()
    assert read_note(trial.layout) is None
    assert [line["outcome"] for line in trial.log_lines][-1] == "probation_ended"
    assert trial.world.serving() == {"db": "db:1", "api": "api:1"}


def test_a_run_that_changes_nothing_and_a_repair_leave_it_alone(trial: Trial) -> None:
    trial.begin()
    before = note_of(trial)
    same = trial.stack(image="api:2")
    assert not trial.world.release(same)["changed"]
    trial.world.docker.containers[("demo-base", "db")].state = "exited"
    assert trial.world.release(same)["kind"] == "repair"
    assert note_of(trial) == before
    assert "demo-blue-api-1" in trial.world.running()
    trial.watch()
    consistent(trial.world)


def test_a_verdict_waits_for_a_run_that_holds_the_stack(trial: Trial) -> None:
    trial.answers["api:2"] = BAD
    trial.begin()
    clients, held = trial.world.meanwhile, lease(trial.layout, OWNER)
    held.__enter__()
    passed: list[None] = []

    def free_later() -> None:
        clients()
        passed.append(None)
        if len(passed) == 20:
            assert note_of(trial).decision is None
            held.__exit__(None, None, None)

    trial.world.meanwhile = free_later
    trial.watch()
    assert len(passed) >= 20
    assert trial.world.serving()["api"] == "api:1"


@pytest.mark.parametrize("bad", [False, True])
def test_a_watcher_that_is_killed_anywhere_is_followed_by_one_that_finishes(
    tmp_path_factory: pytest.TempPathFactory, bad: bool
) -> None:
    killed = 0
    while True:
        trial = Trial(tmp_path_factory.mktemp("trial"), seconds=6)
        trial.answers["api:2"] = BAD if bad else trial.answers["api:2"]
        trial.begin()
        trial.world.docker.die_at = len(trial.world.docker.calls) + killed
        try:
            trial.watch()
        except KilledError:
            trial.world.docker.die_at = None
            killed += 1
        else:
            break
        trial.watch()
        assert read_note(trial.layout) is None
        assert trial.world.serving() == {"db": "db:1", "api": "api:1" if bad else "api:2"}
        assert trial.log_lines[-1]["outcome"] == ("failed" if bad else "kept")
        consistent(trial.world)
    assert killed > 8


@pytest.mark.parametrize("step", RELEASE_STEPS)
@pytest.mark.parametrize("bad", [False, True])
def test_a_release_that_is_killed_at_a_step_is_watched_from_when_it_is_proven(
    trial: Trial, step: str, bad: bool
) -> None:
    trial.answers["api:2"] = BAD if bad else trial.answers["api:2"]
    trial.world.release(trial.stack())
    new = trial.stack(image="api:2")
    die_at_step(trial.world, step, new)
    trial.watch()
    if RELEASING.proven(step):
        assert trial.world.serving() == {"db": "db:1", "api": "api:1" if bad else "api:2"}
        consistent(trial.world)
    else:
        trial.world.release(trial.stack())
        assert trial.world.serving() == {"db": "db:1", "api": "api:1"}
        consistent(trial.world)
    assert read_note(trial.layout) is None


def test_a_release_that_fails_at_its_switch_leaves_no_probation(trial: Trial) -> None:
    trial.world.release(trial.stack())
    assert trial.world.docker.nginx is not None
    trial.world.docker.nginx.deaf = True
    trial.world.failing(trial.stack(image="api:2"))
    assert read_note(trial.layout) is None


def test_where_the_host_cannot_go_back_it_says_so_and_the_release_serves_on(trial: Trial) -> None:
    trial.answers["api:2"] = BAD
    result = trial.begin()
    (trial.layout.release("r001") / "model.json").unlink()
    with pytest.raises(DrydockError, match="the host could NOT go back to r001: ") as caught:
        trial.follow(result)
    assert caught.value.kind == "probation_failed"
    assert trial.world.serving()["api"] == "api:2"
    assert read_note(trial.layout) is None


def test_without_a_unit_a_later_run_goes_on_watching(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.answers["api:2"] = BAD
    trial.begin()
    trial.world.docker.nginx = None  # and no systemd
    trial.world.meanwhile = lambda: trial.log("127.0.0.1:18501", BAD)
    result = trial.world.release(trial.stack(image="api:2"))
    with pytest.raises(DrydockError, match="did not pass its probation"):
        trial.follow(result)


# -- the note --------------------------------------------------------------------------------------------------------


def test_the_note_is_the_same_after_it_was_written_down(trial: Trial) -> None:
    trial.begin()
    note = note_of(trial)
    write_note(trial.layout, note)
    assert read_note(trial.layout) == note
    assert note.services == {"127.0.0.1:18501": "api", "drydock_api": "api"}
    assert active(trial.layout) == note


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": 1, "release": 1, "thresholds": []}'])
def test_a_note_that_cannot_be_used_is_none(trial: Trial, text: str) -> None:
    trial.begin()
    trial.layout.probation.write_text(text)
    assert read_note(trial.layout) is None
    trial.watch()


def test_a_note_of_a_newer_version_is_refused(trial: Trial) -> None:
    trial.begin()
    told = json.loads(trial.layout.probation.read_text())
    trial.layout.probation.write_text(json.dumps({**told, "schema": 99}))
    with pytest.raises(DrydockError, match="by a newer version"):
        read_note(trial.layout)


@pytest.mark.parametrize(
    ("boot", "later", "clock_set_by", "left"),
    [
        ("first boot", 10.0, 0.0, 50.0),
        ("first boot", 10.0, -7200.0, 50.0),
        ("first boot", 90.0, 0.0, 0.0),
        ("second boot", 10.0, 0.0, 50.0),
        ("second boot", 10.0, 7200.0, 0.0),
        ("second boot", 10.0, -7200.0, 60.0),
    ],
)
def test_the_time_that_is_left_survives_a_reboot_and_a_clock_that_is_set(
    trial: Trial, boot: str, later: float, clock_set_by: float, left: float
) -> None:
    trial.begin()
    note = note_of(trial)
    note = replace(note, steady=trial.world.clock(), began=trial.world.clocks().wall())
    trial.world.clock.now += later
    trial.world.boot = boot
    clocks = replace(trial.world.clocks(), wall=lambda: note.began + later + clock_set_by)
    assert remaining(note, clocks) == left
    kept = rebased(note, clocks)
    trial.world.clock.now += 5
    clocks = replace(clocks, wall=lambda: 0.0)  # from here on only the clock of the boot counts
    assert remaining(kept, clocks) == max(0.0, left - 5)


def test_after_a_reboot_the_watcher_goes_on_with_the_time_that_is_left(trial: Trial) -> None:
    trial.begin()
    trial.world.clock.now += 20
    trial.world.boot = "second boot"
    begun = trial.world.clock()
    trial.watch()
    assert trial.world.clock() - begun < 45
    assert trial.log_lines[-1]["outcome"] == "kept"


@pytest.mark.parametrize("then", ["given up", "switched"])
def test_a_verdict_waits_for_a_release_that_is_ready_until_that_is_given_up_or_switched(
    trial: Trial, then: str
) -> None:
    trial.begin()
    other = {**trial.stack(environment={"N": "1"}), "release": {}}
    ready = trial.world.make_ready(other)
    trial.answers["api:2"] = BAD
    clients, passed = trial.world.meanwhile, list[None]()

    def later() -> None:
        clients()
        passed.append(None)
        if len(passed) == 20:
            assert note_of(trial).decision is not None
            assert trial.world.serving_now()["api"] == "api:2"
            trial.world.give_up() if then == "given up" else trial.world.release(other, prepared=ready)

    trial.world.meanwhile = later
    trial.watch()
    assert read_note(trial.layout) is None
    assert trial.world.serving_now()["api"] == "api:1"
    assert trial.log_lines[-1]["outcome"] == ("failed" if then == "given up" else "released")
    assert [line["outcome"] for line in trial.log_lines].count("probation_ended") == (then == "switched")
    consistent(trial.world)


def test_a_run_does_not_wait_for_ever_for_a_verdict_that_somebody_who_hangs_holds_up(trial: Trial) -> None:
    result = trial.begin()
    begun = trial.world.clock()
    with lease(trial.layout, OWNER), (trial.layout.state / "probation.lock").open("w") as watcher:
        fcntl.flock(watcher, fcntl.LOCK_EX)
        with pytest.raises(DrydockError, match="there is no verdict") as caught:
            trial.follow(result)
    assert caught.value.kind == "timed_out"
    assert 3600 <= trial.world.clock() - begun < 3700
    assert note_of(trial).release == "r002"
