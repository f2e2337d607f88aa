# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling: deadline, successes in a row, early end, and what the failure says."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import (
    Report,
    poll,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.pool import Step
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
    targets = [target(name, **more) for name in scripts]
    return follow(targets, scripts, timeout=timeout, delay=delay)


def follow(targets: list[Target], scripts: dict[str, list[Observation]], **options: Any) -> Report:
    """The same with targets that differ."""
    clock = FakeClock()
    left = {name: list(script) for name, script in scripts.items()}

    def probe(one: Target, _timeout: float) -> Observation:
        script = left[one.name]
        return script.pop(0) if len(script) > 1 else script[0]

    return poll(targets, probe, clock=clock, pool=InlinePool(clock), **{"timeout": 600.0, **options})


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
    assert "  b, not waited for any longer: connection refused" in report.message()


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


def test_failures_make_pauses_longer_up_to_the_longest_and_a_success_makes_them_short_again() -> None:
    script = [BAD, BAD, BAD, BAD, GOOD, GOOD]
    report = watch({"a": script}, interval=1.0, backoff=2.0, max_interval=4.0, successes=2)
    assert report.ok
    assert report.elapsed == 1 + 2 + 4 + 4 + 1


def test_pauses_are_longer_or_shorter_by_chance() -> None:
    chances = iter([0.0, 1.0, 0.5])
    report = follow([target("a", interval=10.0)], {"a": [BAD, BAD, GOOD]}, jitter=0.2, chance=lambda: next(chances))
    assert report.elapsed == pytest.approx(8 + 12)


def test_a_pause_stays_a_number_however_often_a_target_failed() -> None:
    assert target("a", backoff=10.0, max_interval=30.0).pause(100000) == 30.0


PROCESS, PORT = target("process", phase="process", interval=1.0), target("port", phase="port", interval=1.0)
INFERS = target("infers", phase="infers", interval=1.0)


def test_a_later_phase_is_looked_at_once_the_earlier_ones_are_passed() -> None:
    scripts = {"process": [BAD, BAD, GOOD], "port": [BAD, GOOD], "infers": [GOOD]}
    report = follow([INFERS, PORT, PROCESS], scripts)
    assert report.ok
    assert {state.target.name: state.attempts for state in report.states} == {"infers": 1, "port": 2, "process": 3}
    assert [(change["at"], change["target"], change["ok"]) for change in report.timeline()[0]] == [
        (0.0, "process", False),
        (2.0, "process", True),
        (2.0, "port", False),
        (3.0, "port", True),
        (3.0, "infers", True),
    ]


def test_a_phase_has_its_budget_from_the_moment_when_the_earlier_ones_were_passed() -> None:
    scripts = {"process": [BAD] * 8 + [GOOD], "port": [BAD], "infers": [GOOD]}
    report = follow([PROCESS, PORT, INFERS], scripts, budgets={"process": 10.0, "port": 5.0})
    assert report.elapsed == 8 + 5
    assert report.message() == (
        "1 of 3 health targets did not become healthy within the 5 s of the phase port:\n"
        "  port (phase port): connection refused\n"
        "  not looked at, as an earlier phase was not passed: infers (phase infers)"
    )


def test_the_deadline_over_all_counts_where_no_budget_is_spent() -> None:
    report = follow([PROCESS, PORT], {"process": [BAD], "port": [BAD]}, timeout=7.0, budgets={"process": 30.0})
    assert report.elapsed == 7.0
    assert "within 7 s:\n  process (phase process): connection refused" in report.message()


def test_groups_go_through_the_phases_by_themselves() -> None:
    one, other = target("a", phase="process", group="x"), target("b", phase="process", group="y")
    later = target("c", phase="ready", group="y")
    report = follow([one, other, later], {"a": [BAD], "b": [GOOD], "c": [GOOD]}, timeout=9.0)
    assert [state.healthy for state in report.states] == [False, True, True]


def test_a_target_of_an_earlier_phase_that_fails_does_not_hide_another() -> None:
    other = target("port2", phase="port", interval=1.0)
    report = follow([PORT, other], {"port": [DEAD], "port2": [BAD]})
    assert "cannot become healthy" in report.message()
    assert "  port2 (phase port), not waited for any longer: connection refused" in report.message()
    assert report.elapsed < 1


def test_a_container_that_was_up_and_crashes_in_a_later_phase_is_told() -> None:
    container = Target(name="api", spec=ContainerSpec(container="api"), phase="process", interval=1.0)
    report = follow(
        [container, INFERS], {"api": [GOOD, GOOD, DEAD], "infers": [BAD]}, budgets={"process": 2.0, "infers": 60.0}
    )
    assert "api (phase process): exited" in report.message()
    assert report.elapsed < 10


def test_an_attempt_gets_no_more_time_than_its_phase_has_left() -> None:
    given = []
    clock = FakeClock()

    def probe(_one: Target, timeout: float) -> Observation:
        given.append(timeout)
        return BAD

    slow = target("a", phase="loading", timeout=5.0, interval=3.0)
    poll([slow], probe, timeout=60.0, clock=clock, pool=InlinePool(clock), budgets={"loading": 7.0})
    assert given == [5.0, 4.0, 1.0]


@pytest.mark.parametrize(
    ("budget", "seen", "words"),
    [
        (None, BAD, "a: HTTP 302 instead of 200"),
        (3.0, BAD, "a: HTTP 302 instead of 200"),
        (None, DEAD, "a: exited (exit code 1)"),
    ],
)
def test_an_attempt_that_the_end_cuts_short_does_not_hide_what_was_seen(
    budget: float | None, seen: Observation, words: str
) -> None:
    clock = FakeClock()
    first = iter([Observation(ok=False, summary="HTTP 302 instead of 200")])

    def probe(_one: Target, timeout: float) -> Observation:
        found = next(first, None)
        if found is None:
            clock.now += timeout
        return found or seen

    slow = target("a", interval=2.0, timeout=5.0, budget=budget)
    report = poll([slow], probe, timeout=60.0 if budget else 3.0, clock=clock, pool=InlinePool(clock))
    assert report.elapsed == 3.0
    assert words in report.message()


class SlowPool(InlinePool):
    """No attempt ends."""

    def submit(self, index: int, attempt: Step) -> None:
        """It is begun."""


def test_whoever_looks_on_is_told_while_all_attempts_take_their_time() -> None:
    clock, told = FakeClock(), list[float]()
    poll(
        [target("a", timeout=60.0)],
        lambda _one, _timeout: GOOD,
        timeout=30.0,
        clock=clock,
        pool=SlowPool(clock),
        on_look=lambda _states, seconds: told.append(seconds),
    )
    assert told == [float(second) for second in range(1, 31)]


def test_the_timeline_holds_changes_only_and_not_all_of_a_target_that_changes_without_end() -> None:
    flapping = [GOOD if number % 2 else BAD for number in range(50)]
    counting = [Observation(ok=False, summary=f"loaded {number} of 90 layers") for number in range(90)]
    report = watch({"flaps": flapping, "counts": counting}, timeout=40.0, interval=1.0, successes=2)
    timeline, left_out = report.timeline()
    names = [change["target"] for change in timeline]
    assert (names.count("flaps"), names.count("counts"), left_out) == (8, 1, 40 - 8)
    assert timeline == sorted(timeline, key=lambda change: change["at"])


def test_the_timeline_of_very_many_targets_is_bounded() -> None:
    timeline, left_out = watch({f"t{number}": [GOOD] for number in range(1200)}).timeline()
    assert (len(timeline), left_out) == (1000, 200)


def test_a_message_about_very_many_targets_is_bounded_and_the_result_is_not() -> None:
    error = watch({f"t{number}": [BAD] for number in range(150)}, timeout=1.0).error()
    assert len(error.message.splitlines()) == 102
    assert "and 50 more, which the result tells" in error.message
    assert len(error.details["targets"]) == 150


def test_the_failure_carries_the_targets_for_machines() -> None:
    error = watch({"a": [BAD]}, timeout=1.0).error()
    assert isinstance(error, DrydockError)
    assert error.kind == "unhealthy"
    assert error.details["targets"][0]["last"]["summary"] == "connection refused"


def test_a_target_has_its_own_time_from_the_moment_when_its_phase_begins() -> None:
    ready = target("ready", phase="ready", interval=1.0, span=5.0)
    report = follow([PROCESS, ready], {"process": [BAD] * 8 + [GOOD], "ready": [BAD]})
    assert report.elapsed == 8 + 5
    assert "did not become healthy within the 5 s of the phase ready" in report.message()
