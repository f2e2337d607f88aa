# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.stretches import Stretches
from hypothesis import given
from hypothesis import strategies as st

PAIRS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=12)


@pytest.mark.parametrize(
    ("added", "expected", "frontier", "gaps"),
    [
        ([], [], 0, [(0, 10)]),
        ([(0, 4)], [(0, 4)], 4, [(4, 10)]),
        ([(4, 6)], [(4, 6)], 0, [(0, 4), (6, 10)]),
        ([(0, 4), (4, 6)], [(0, 6)], 6, [(6, 10)]),
        ([(0, 2), (6, 8), (2, 6)], [(0, 8)], 8, [(8, 10)]),
        ([(0, 5), (3, 8), (1, 2)], [(0, 8)], 8, [(8, 10)]),
        ([(5, 5), (7, 3)], [], 0, [(0, 10)]),
        ([(0, 12)], [(0, 12)], 12, []),
    ],
)
def test_stretches_that_touch_become_one(
    added: list[tuple[int, int]], expected: list[tuple[int, int]], frontier: int, gaps: list[tuple[int, int]]
) -> None:
    found = Stretches(added)
    assert (list(found), found.frontier, found.gaps(10)) == (expected, frontier, gaps)


@given(PAIRS)
def test_they_are_the_same_bytes_as_a_set_of_positions(pairs: list[tuple[int, int]]) -> None:
    found = Stretches(pairs)
    positions = {place for start, stop in pairs for place in range(start, stop)}
    assert {place for start, stop in found for place in range(start, stop)} == positions
    assert found.total == len(positions)
    assert {place for start, stop in found.gaps(40) for place in range(start, stop)} == set(range(40)) - positions
    assert found.frontier == next(place for place in range(42) if place not in positions)
    edges = [edge for pair in found for edge in pair]
    assert edges == sorted(set(edges))
