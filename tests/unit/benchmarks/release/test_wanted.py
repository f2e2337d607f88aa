# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.filter.stack_model import stack_model

from benchmarks.models.workbench import Bar, Series
from benchmarks.release.cases.deploys import Counted
from benchmarks.release.wanted import FAULTS, MISSING, Wanted, changes, compose, stack

IMAGE = "registry.test:5000/echo@sha256:" + "1" * 64
REDIS = "registry.test:5000/redis@sha256:" + "2" * 64


def test_of_twenty_changes_four_fail_each_in_its_own_way_and_four_go_back() -> None:
    found = changes(20)
    assert Counter(change.what for change in found) == {"deploy": 12, "fails": 4, "back": 4}
    assert tuple(change.wanted.faults for change in found if change.what == "fails") == FAULTS[:4]
    assert "wrong_golden" in FAULTS[:4]
    assert {change.wanted.faults for change in changes(25) if change.what == "fails"} == set(FAULTS)
    assert len({change.wanted.label for change in found if change.what == "deploy"}) == 12


def test_what_goes_back_returns_to_the_good_release_before_the_one_that_serves() -> None:
    labels = [(change.what, change.wanted.label) for change in changes(10)]
    assert labels[:5] == [
        ("deploy", "good-0"),
        ("deploy", "good-1"),
        ("fails", "bad-2"),
        ("back", "good-0"),
        ("deploy", "good-4"),
    ]
    assert labels[8] == ("back", "good-5")


@pytest.mark.parametrize("faults", ["", *FAULTS])
def test_every_release_is_one_that_the_collection_takes_and_compose_gets_the_same(faults: str) -> None:
    wanted = Wanted("r1", faults)
    value = stack(wanted, image=IMAGE, redis=REDIS, certificate=Path("/c"), key=Path("/k"))
    model = stack_model(value)
    peer = compose(wanted, image=IMAGE, redis=REDIS)["services"]
    for name in ("api", "worker"):
        assert model["services"][name]["environment"] == peer[name]["environment"]
        assert model["services"][name]["image"] == peer[name]["image"]
    assert (MISSING in peer["api"]["image"]) is (faults == "missing")
    assert peer["api"]["environment"]["ECHO_RELEASE"] == "r1"


def test_a_row_of_counts_is_reached_only_by_none_and_without_a_flaw() -> None:
    def row(failed: float, flaw: str = "") -> Counted:
        return Counted("c", "answers", Series([failed]), "peer", Series([5.0]), Bar("most", 0), {"ours": {}}, flaw)

    assert row(0).ok
    assert not row(1).ok
    assert not row(0, "too few requests").ok
    assert row(0).as_json()["ratio"] is None
    assert row(0, "too few requests").as_json()["why"] == "too few requests"
