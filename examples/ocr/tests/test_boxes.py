# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry: rectangles around regions of a map of probabilities."""

from __future__ import annotations

import math

import numpy as np
import pytest
from ocr.boxes import Floats, find_boxes, joined_runs, regions, smallest_rectangle, widened


def painted(angle: float, *, width: float = 60, height: float = 16) -> Floats:
    """A map of 120 x 120 with one rotated bar of certainty in its middle."""
    ys, xs = np.mgrid[0:120, 0:120] - 59.5
    along = xs * math.cos(angle) + ys * math.sin(angle)
    across = -xs * math.sin(angle) + ys * math.cos(angle)
    inside: Floats = ((np.abs(along) <= width / 2) & (np.abs(across) <= height / 2)).astype(np.float32)
    return inside


def test_regions_that_touch_at_a_corner_are_one() -> None:
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 1]], dtype=bool)
    assert len(regions(mask)) == 2


def test_a_region_that_parts_and_joins_again_is_one() -> None:
    mask = np.array([[1, 0, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)
    assert len(regions(mask)) == 1


def test_nothing_has_no_regions() -> None:
    assert regions(np.zeros((5, 5), dtype=bool)) == []
    assert joined_runs([], [], [], 5) == []


def test_widening_goes_right_and_down() -> None:
    mask = np.zeros((3, 3), dtype=bool)
    mask[0, 0] = True
    assert widened(mask).tolist() == [[True, True, False], [True, True, False], [False, False, False]]


@pytest.mark.parametrize("degrees", [-30, -5, 0, 10, 40])
def test_the_smallest_rectangle_of_a_rotated_bar_has_its_sides(degrees: int) -> None:
    (outline,) = regions(painted(math.radians(degrees)) > 0.5)
    rectangle = smallest_rectangle(outline)
    assert sorted([rectangle.width, rectangle.height]) == pytest.approx([16, 60], abs=2.5)
    assert rectangle.centre.tolist() == pytest.approx([59.5, 59.5], abs=1.0)


def test_a_box_is_grown_and_its_corners_go_clockwise_from_the_top_left() -> None:
    ((corners, score),) = find_boxes(painted(0.0))
    (left, top), (right, _), (_, bottom), _ = corners.tolist()
    assert (right - left, bottom - top) == (pytest.approx(81, abs=3), pytest.approx(37, abs=3))
    assert score > 0.9


def test_weak_and_tiny_regions_are_no_boxes() -> None:
    assert find_boxes(painted(0.0) * np.float32(0.4)) == []
    assert find_boxes(painted(0.0, width=1, height=1)) == []
