# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling: deadline, successes in a row, early end, and what the failure says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import Report, ThreadPool, poll, workers_for
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    ContainerSpec,
    Observation,
    Target,
    TcpSpec,
)

from tests.unit.plugins.module_utils._health.fakes import FakeClock, InlinePool

GOOD = Observation(ok=True, summary="fine")
BAD = Observation(ok=False, summary="connection refused")
DEAD = Observation(ok=False, summary="exited (exit code 1)", final=True)


def target(name: str, **more: Any) -> Target:
    return Target(name=name, spec=TcpSpec(host="127.0.0.1", port=1), **more)


def watch(scripts: dict[str, list[Observation]], timeout: float = 60.0, delay: float = 0.0, **more: Any) -> Report:
    """Poll targets that show one observation after another; the last one stays."""
    clock = FakeClock()
    left = {name: list(script) for name, script in scripts.items()}

    def probe(one: Target, _timeout: float) -> Observation:
        script = left[one.name]
        return script.pop(0) if len(script) > 1 else script[0]

    targets = [target(name, **more) for name in scripts]
    return poll(targets, probe, timeout=timeout, clock=clock, pool=InlinePool(clock), delay=delay)


def test_all_targets_that_are_healthy_at_once_end_the_wait_at_once() -> None:
    report = watch({"a": [GOOD], "b": [GOOD]})
    assert report.ok
    assert report.elapsed == 0
    assert [state["attempts"] for state in report.as_list()] == [1, 1]


def test_a_target_is_asked_again_after_its_interval() -> None:
    report = watch({"a": [BAD, BAD, GOOD]}, interval=5.0)
    assert report.ok
    assert report.elapsed == 10.0


def test_successes_have_to_come_in_a_row() -> None:
    report = watch({"a": [GOOD, GOOD, BAD, GOOD, GOOD, GOOD]}, successes=3, interval=1.0)
    assert report.ok
    assert report.as_list()[0]["attempts"] == 6


def test_nothing_is_asked_before_the_delay() -> None:
    assert watch({"a": [GOOD]}, delay=7.0).elapsed == 7.0


def test_the_deadline_ends_the_wait_and_every_failing_target_is_named_with_what_was_last_seen() -> None:
    report = watch(
        {"a": [GOOD], "b": [BAD], "c": [Observation(ok=False, summary="HTTP 503 instead of 200")]}, timeout=30.0
    )
    assert not report.ok
    assert report.elapsed == 30.0
    assert report.message() == (
        "2 of 3 health targets did not become healthy within 30 s:\n"
        "  b: connection refused\n"
        "  c: HTTP 503 instead of 200"
    )


def test_a_target_beyond_hope_ends_the_wait_early_and_the_others_were_seen() -> None:
    report = watch({"a": [DEAD], "b": [BAD]}, timeout=600.0)
    assert report.elapsed < 1
    assert [state.attempts for state in report.states] == [1, 1]
    assert "1 of 2 health targets cannot become healthy" in report.message()
    assert "not waited for any longer: b" in report.message()


def test_a_target_past_its_own_budget_ends_the_wait_though_others_have_more() -> None:
    report = watch({"a": [BAD]}, timeout=600.0, budget=10.0, interval=2.0)
    assert report.elapsed == 10.0
    assert "within 10 s" in report.message()


def test_a_container_that_crashes_while_others_are_waited_for_is_not_forgotten() -> None:
    clock = FakeClock()
    looks = iter([GOOD, GOOD, DEAD])
    container = Target(name="api", spec=ContainerSpec(container="api"))
    path = Target(name="api /ready", spec=TcpSpec(host="127.0.0.1", port=1))

    def probe(one: Target, _timeout: float) -> Observation:
        return next(looks) if one is container else BAD

    report = poll([container, path], probe, timeout=600.0, clock=clock, pool=InlinePool(clock))
    assert report.elapsed < 30
    assert "api: exited (exit code 1)" in report.message()


def test_a_wait_that_is_over_before_anything_was_seen_says_so() -> None:
    report = watch({"a": [GOOD]}, timeout=3.0, delay=5.0)
    assert "a: was not looked at" in report.message()


def test_the_failure_carries_the_targets_for_machines() -> None:
    error = watch({"a": [BAD]}, timeout=1.0).error()
    assert isinstance(error, DrydockError)
    assert error.kind == "unhealthy"
    assert error.details["targets"][0]["last"]["summary"] == "connection refused"


def test_a_bug_in_a_probe_is_not_swallowed_by_its_thread() -> None:
    pool = ThreadPool(1)

    def broken() -> Observation:
        raise ZeroDivisionError

    pool.submit(0, broken)
    with pytest.raises(ZeroDivisionError):
        pool.wait(5.0)
    pool.close()


def test_threads_hand_back_what_they_saw_under_the_target_s_number() -> None:
    pool = ThreadPool(2)
    pool.submit(7, lambda: GOOD)
    assert pool.wait(5.0) == [(7, GOOD)]
    pool.close()


@pytest.mark.parametrize(("targets", "workers"), [(0, 1), (1, 1), (10, 10), (500, 64)])
def test_the_number_of_threads_is_bounded(targets: int, workers: int) -> None:
    assert workers_for(targets) == workers
