# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from benchmarks.release.failures import Failed
from benchmarks.release.tally import KEPT, LABELS, Histogram, Tally


def test_percentiles_are_right_to_five_per_cent_and_the_longest_is_exact() -> None:
    histogram = Histogram()
    for millisecond in range(1, 1001):
        histogram.add(millisecond / 1000)
    assert histogram.percentile(0.5) == pytest.approx(0.5, rel=0.06)
    assert histogram.percentile(0.99) == pytest.approx(0.99, rel=0.06)
    assert histogram.percentile(1.0) == histogram.longest == 1.0


def test_a_histogram_of_nothing_and_of_extremes_has_answers() -> None:
    histogram = Histogram()
    assert histogram.percentile(0.5) == 0.0
    histogram.add(0.0)
    histogram.add(10_000.0)
    assert histogram.percentile(0.1) <= 0.0001
    assert histogram.longest == 10_000.0


def test_every_failure_is_counted_and_only_the_first_are_told() -> None:
    tally = Tally()
    for number in range(KEPT + 5):
        tally.fail("short", Failed("body" if number % 2 else "timeout", "x" * 1000), at=number / 10)
    found = tally.as_json()
    assert tally.failed == found["failed"] == sum(found["failures"].values()) == KEPT + 5
    assert len(found["first_failures"]) == KEPT
    assert len(found["first_failures"][0]["detail"]) == 200
    assert tally.failed_between(0.0, 1.0) == 20


def test_a_release_is_known_from_its_first_answer_on_and_labels_are_bounded() -> None:
    tally = Tally()
    for second in (2.0, 3.0):
        tally.answered("r1", at=second)
    for number in range(LABELS * 2):
        tally.answered(f"other-{number}", at=4.0)
    assert tally.since["r1"] == 2.0
    assert tally.releases["r1"] == 2
    assert len(tally.releases) == len(tally.since) == LABELS
