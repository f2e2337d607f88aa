# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a release on probation is good enough, and what is said when it is not."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.access_log import Entry
from ansible_collections.drydock.serving.plugins.module_utils._release.judgement import (
    Baseline,
    Counts,
    Look,
    Thresholds,
    Window,
    breaches,
    not_judged,
    thresholds_from,
)

API = "127.0.0.1:18501"
OTHER = "127.0.0.1:18502"
OLD = "127.0.0.1:18001"
SERVICES = {API: "api", "drydock_api": "api", OTHER: "web"}
WELL = Baseline(requests=1000, error_rate=0.001, timed=999, p95=0.1)


def answers(
    count: int, status: int = 200, *, at: float = 1000.0, upstream: str = API, seconds: float = 0.1
) -> list[Entry]:
    return [Entry(at=at, status=status, upstream=upstream, seconds=seconds) for _one in range(count)]


def window(*given: list[Entry]) -> Window:
    found = Window(SERVICES)
    for entries in given:
        found.add(entries)
    return found


@pytest.mark.parametrize(
    ("given", "thresholds", "about"),
    [
        ([answers(100)], {}, []),
        ([answers(95), answers(5, 500)], {}, []),
        ([answers(94), answers(6, 500)], {}, ["error_rate"]),
        ([answers(94), answers(6, 503, upstream="drydock_api")], {}, ["error_rate"]),
        ([answers(10, 500), answers(9)], {}, []),
        ([answers(10, 500), answers(10)], {}, ["error_rate"]),
        ([answers(1, 500)], {"min_requests": 1}, ["error_rate"]),
        ([answers(50), answers(50, 404)], {}, []),
        ([answers(50), answers(500, 499)], {}, []),
        ([answers(100), answers(100, 500, upstream=OLD)], {}, []),
        ([answers(100), answers(100, 500, upstream="")], {}, []),
        ([answers(20), answers(20, 500, upstream=OTHER)], {}, ["error_rate"]),
        ([answers(100), answers(1, 500)], {"error_rate": 0.0}, ["error_rate"]),
        ([answers(100, seconds=9.0)], {}, []),
        ([answers(100, seconds=1.0)], {"latency_seconds": 1.0}, []),
        ([answers(95), answers(5, seconds=9.0)], {"latency_seconds": 1.0}, []),
        ([answers(94), answers(6, seconds=9.0)], {"latency_seconds": 1.0}, ["latency"]),
        ([answers(94), answers(6, 101, seconds=900.0)], {"latency_seconds": 1.0}, []),
        ([answers(19, seconds=9.0)], {"latency_seconds": 1.0}, []),
        ([answers(20, 499, seconds=9.0)], {"latency_seconds": 1.0}, ["latency"]),
        ([answers(94), answers(6, 499, seconds=9.0)], {"latency_seconds": 1.0}, ["latency"]),
        ([answers(94), answers(6, seconds=9.0), answers(500, 499)], {"latency_seconds": 1.0}, ["latency"]),
        ([answers(94), answers(500, 499)], {"latency_seconds": 1.0}, []),
        ([answers(100, seconds=0.2)], {"latency_factor": 2.0}, []),
        ([answers(100, seconds=0.201)], {"latency_factor": 2.0}, ["latency"]),
        ([answers(100, seconds=0.201)], {"latency_factor": 9.0, "latency_seconds": 0.2}, ["latency"]),
        ([answers(50, 500), answers(50, seconds=3.0)], {"latency_factor": 2.0}, ["error_rate", "latency"]),
    ],
)
def test_only_answers_of_the_new_containers_past_a_threshold_count(
    given: list[list[Entry]], thresholds: dict[str, Any], about: list[str]
) -> None:
    found = breaches(window(*given), [], Thresholds(seconds=60, **thresholds), {"api": WELL})
    assert [item.about for item in found] == about


def test_errors_that_come_late_do_not_drown_in_what_was_well_before() -> None:
    seen = window(answers(10000, at=1000.0), answers(50, at=1700.0), answers(50, 500, at=1710.0))
    (found,) = breaches(seen, [], Thresholds(seconds=900), {"api": WELL})
    assert found.said == (
        "api: 50 of 100 answers (50 %) in the last 60 s were errors of the server; allowed are 5 %, before the switch "
        "it had 0.1 % of 1000"
    )
    assert (found.subject, found.found, found.allowed) == ("api", 0.5, 0.05)


def test_clients_that_a_release_which_hangs_lets_wait_are_told() -> None:
    seen = window(answers(10), answers(30, 499, seconds=12.0))
    (found,) = breaches(seen, [], Thresholds(seconds=60, latency_seconds=2.0), {})
    assert found.said == (
        "api: 95 % of 40 answers since the switch took up to 12 s, for 30 of them clients did not wait; allowed are 2 s"
    )
    assert seen.whole()["api"].figures()["p95"] == 0.1


def test_few_answers_spread_over_a_long_time_count_together() -> None:
    spread = [answers(1, 500 if second % 2 else 200, at=1000.0 + 60 * second) for second in range(30)]
    assert [item.about for item in breaches(window(*spread), [], Thresholds(seconds=3600), {})] == ["error_rate"]


def test_the_last_minute_is_all_that_is_kept_by_the_second() -> None:
    seen = window(*(answers(1, at=float(second)) for second in range(5000)), answers(1, at=3.0))
    assert seen.recent()["api"].requests == 60
    assert seen.whole()["api"].requests == 5001


def test_nothing_before_to_compare_with_is_said_and_not_judged() -> None:
    seen = window(answers(100, seconds=9.0), answers(3, upstream=OTHER))
    thresholds = Thresholds(seconds=60, latency_factor=2.0)
    assert breaches(seen, [], thresholds, {}) == []
    assert not_judged(seen, thresholds, {}) == [
        "api: too few answers before the switch to compare how long they take",
        "web: 3 answers are too few to judge, wanted are 20",
    ]


def test_clients_that_went_away_are_told_where_there_are_too_few_answers() -> None:
    told = not_judged(window(answers(100, upstream=OTHER), answers(300, 499)), Thresholds(seconds=60), {})
    assert told == ["api: 0 answers are too few to judge, wanted are 20; 300 clients went away before they had one"]


def test_a_multiple_of_next_to_nothing_is_no_reason() -> None:
    quick = Baseline(requests=100, timed=100, p95=0.002)
    thresholds = Thresholds(seconds=60, latency_factor=2.0)
    assert breaches(window(answers(100, seconds=0.05)), [], thresholds, {"api": quick}) == []
    assert breaches(window(answers(100, seconds=0.06)), [], thresholds, {"api": quick})[0].allowed == 0.052


@pytest.mark.parametrize(
    ("look", "allowed", "said"),
    [
        (Look("c", 0), 0, None),
        (Look("c", 1, exit_code=1), 1, None),
        (
            Look("c", 1, exit_code=3),
            0,
            "c was started again by the engine: 1, allowed are 0; its last exit code is 3",
        ),
        (
            Look("c", 2, killed=True, exit_code=137),
            5,
            "c was started again by the engine: 2, allowed are 5; it ran out of memory; its last exit code is 137",
        ),
    ],
)
def test_a_container_that_is_started_again_or_killed_counts(look: Look, allowed: int, said: str | None) -> None:
    found = breaches(window(), [look], Thresholds(seconds=60, restarts=allowed), {})
    assert [item.said for item in found] == ([] if said is None else [said])


@pytest.mark.parametrize(
    ("times", "p95"),
    [([], None), ([1.0], 1.0), ([1.0] * 19 + [2.0], 1.0), ([1.0] * 18 + [2.0] * 2, 2.0), ([3.0, 1.0, 2.0], 3.0)],
)
def test_95_of_100_answers_took_no_longer(times: list[float], p95: float | None) -> None:
    counts = Counts()
    for seconds in times:
        counts.add(Entry(at=0, status=200, upstream=API, seconds=seconds))
    assert counts.p95 == p95


def test_times_take_the_same_memory_however_many_there_are() -> None:
    counts = Counts()
    for number in range(20000):
        counts.add(Entry(at=0, status=200, upstream=API, seconds=number / 1000))
    assert len(counts.times) < 3000
    assert counts.p95 == pytest.approx(19.0, rel=0.01)


def test_thresholds_are_the_same_after_they_were_written_down() -> None:
    thresholds = Thresholds(seconds=600, latency_factor=2.5, restarts=1)
    assert thresholds_from(thresholds.as_dict()) == thresholds
    assert thresholds_from({}) == Thresholds()
    assert thresholds_from({"seconds": 60, "latency_seconds": None, "of another version": 1}) == Thresholds(seconds=60)
