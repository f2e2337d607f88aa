# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's inspection means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.container import Watch, judge
from ansible_collections.drydock.serving.plugins.module_utils._health.target import ANY, ContainerSpec


def inspection(
    status: str, *, restarts: int = 0, health: str | None = None, identity: str = "c1", **state: Any
) -> dict[str, Any]:
    more = {"Health": {"Status": health, "Log": [{"Output": "no route\n"}]}} if health else {}
    return {"Id": identity, "RestartCount": restarts, "State": {"Status": status, **more, **state}}


SPEC = ContainerSpec(container="c")
JOB = ContainerSpec(container="c", exit_code=0)


@pytest.mark.parametrize(
    ("spec", "seen", "ok", "final", "words"),
    [
        (SPEC, inspection("running"), True, False, "running"),
        (SPEC, inspection("running", health="healthy"), True, False, "running, healthy"),
        (SPEC, inspection("running", health="starting"), False, False, "starting instead of healthy"),
        (SPEC, inspection("running", health="unhealthy"), False, False, "the last check said: no route"),
        (SPEC, inspection("created"), False, False, "created instead of running"),
        (SPEC, inspection("exited", ExitCode=1), False, True, "exit code 1"),
        (SPEC, inspection("exited", ExitCode=137, OOMKilled=True), False, True, "out of memory"),
        (SPEC, inspection("exited", ExitCode=127), False, True, "not found in the image"),
        (SPEC, inspection("restarting", restarts=1, ExitCode=3), False, False, "restarting (exit code 3)"),
        (SPEC, inspection("restarting", restarts=3, ExitCode=3), False, True, "crash loop: 3 restarts"),
        (SPEC, inspection("restarting", restarts=1, ExitCode=137, OOMKilled=True), False, True, "out of memory"),
        (SPEC, inspection("running", OOMKilled=True), True, False, "running"),
        (ContainerSpec(container="c", health="healthy"), inspection("running"), False, False, "no health check"),
        (ContainerSpec(container="c", state="paused"), inspection("paused"), True, False, "paused"),
        (JOB, inspection("running"), False, False, "not ended yet"),
        (JOB, inspection("exited", ExitCode=0), True, False, "ended with exit code 0"),
        (JOB, inspection("exited", ExitCode=2), False, True, "exit code 2 instead of exit code 0"),
    ],
)
def test_a_state_is_judged(spec: ContainerSpec, seen: dict[str, Any], ok: bool, final: bool, words: str) -> None:
    observation = judge(seen, spec)
    assert (observation.ok, observation.final) == (ok, final)
    assert words in observation.summary


def test_restarts_of_last_month_are_no_crash_loop_now() -> None:
    watch = Watch()
    assert watch.judge(inspection("running", restarts=40), SPEC).ok
    assert watch.judge(inspection("running", restarts=40), SPEC).ok
    assert watch.judge(inspection("running", restarts=43), SPEC).final


def test_a_process_that_is_killed_for_want_of_memory_while_it_is_watched_ends_the_wait() -> None:
    watch = Watch()
    assert watch.judge(inspection("running"), SPEC).ok
    seen = watch.judge(inspection("running", OOMKilled=True), SPEC)
    assert (seen.ok, seen.final) == (False, True)
    assert "for want of memory" in seen.summary


def test_a_process_that_was_killed_last_month_is_not_held_against_a_container() -> None:
    watch = Watch()
    assert watch.judge(inspection("running", OOMKilled=True), SPEC).ok
    assert watch.judge(inspection("running", OOMKilled=True), SPEC).ok


def test_a_container_that_restarts_between_two_looks_is_not_healthy_at_the_second() -> None:
    watch = Watch()
    assert watch.judge(inspection("running"), SPEC).ok
    seen = watch.judge(inspection("running", restarts=1), SPEC)
    assert not seen.ok
    assert "has restarted" in seen.summary
    assert watch.judge(inspection("running", restarts=1), SPEC).ok


def test_a_container_that_was_made_anew_is_counted_from_its_own_start() -> None:
    watch = Watch()
    assert watch.judge(inspection("running", restarts=0), SPEC).ok
    assert watch.judge(inspection("running", restarts=5, identity="c2"), SPEC).ok


def test_where_only_the_process_is_asked_for_the_health_check_is_not_looked_at() -> None:
    raw = {"Id": "x", "State": {"Status": "running", "Health": {"Status": "unhealthy"}}}
    assert judge(raw, ContainerSpec(container="api", health=ANY)).ok
    assert not judge(raw, ContainerSpec(container="api")).ok
