# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it means to have come to a step, in each order."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import (
    EDGE_FIRST,
    RELEASE_STEPS,
    RELEASING,
    REPAIRING,
    Order,
    order_named,
)


def which(order: Order, meaning: str) -> list[str]:
    return [step for step in order.steps if getattr(order, meaning)(step)]


def test_until_the_secrets_a_release_has_touched_nothing() -> None:
    assert which(RELEASING, "harmless") == list(RELEASE_STEPS[: RELEASE_STEPS.index("secrets")])


def test_a_release_is_proven_from_its_commit_on() -> None:
    assert which(RELEASING, "switching") == ["switch", "confirm"]
    assert which(RELEASING, "proven")[0] == "commit"


def test_where_the_edge_is_led_first_every_step_until_the_commit_has_to_lead_it_back() -> None:
    steps = EDGE_FIRST.steps
    assert which(EDGE_FIRST, "switching") == list(steps[steps.index("switch") : steps.index("commit")])
    assert {"up", "healthy", "record"} <= set(which(EDGE_FIRST, "switching"))
    assert "images" not in which(EDGE_FIRST, "harmless")


def test_where_the_edge_is_led_first_no_step_of_a_release_is_left_out() -> None:
    assert sorted(EDGE_FIRST.steps) == sorted([*RELEASE_STEPS, "rejoin"])


def test_a_repair_commits_nothing_and_is_finished_from_its_drain_on() -> None:
    assert which(REPAIRING, "proven") == ["drain", "stop", "prune"]


@pytest.mark.parametrize("step", ["", "of another version"])
@pytest.mark.parametrize("order", [RELEASING, REPAIRING, EDGE_FIRST])
def test_a_step_that_is_not_known_proves_nothing(order: Order, step: str) -> None:
    assert not order.proven(step)
    assert not order.switching(step)
    assert not order.harmless(step)


def test_a_journal_that_names_no_order_is_of_a_release() -> None:
    assert order_named("") is RELEASING
    assert order_named("edge first") is EDGE_FIRST
