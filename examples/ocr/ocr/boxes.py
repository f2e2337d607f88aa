# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Geometry of text detection: from a map of probabilities to rotated rectangles around lines of text.

The post-processing of differentiable binarisation (Liao et al., 2020) with numpy alone: connected regions of the
thresholded map, the smallest rectangle around each, its mean probability as score, and the rectangle grown back by the
margin that training shrank it by.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

THRESHOLD = 0.3
BOX_THRESHOLD = 0.5
UNCLIP_RATIO = 1.6
MIN_SIDE = 3.0
MAX_BOXES = 1000


@dataclass(frozen=True)
class Rectangle:
    """A rotated rectangle: its centre, the unit vector along its width, and its two sides."""

    centre: Floats
    axis: Floats
    width: float
    height: float

    @property
    def normal(self) -> Floats:
        """The unit vector along the height."""
        return np.array([-self.axis[1], self.axis[0]], dtype=np.float32)

    def corners(self) -> Floats:
        """Four points: top left, top right, bottom right, bottom left."""
        along, across = self.axis * (self.width / 2), self.normal * (self.height / 2)
        points = np.stack(
            [
                self.centre - along - across,
                self.centre + along - across,
                self.centre + along + across,
                self.centre - along + across,
            ]
        )
        return clockwise_from_top_left(points)

    def grown(self, ratio: float) -> Rectangle:
        """The same rectangle with the margin that shrinking by ``ratio`` took away."""
        margin = self.width * self.height * ratio / (2 * (self.width + self.height))
        return Rectangle(self.centre, self.axis, self.width + 2 * margin, self.height + 2 * margin)


def clockwise_from_top_left(points: Floats) -> Floats:
    """Order four corners: the two leftmost are the left side, each side from its upper point."""
    by_x = points[np.argsort(points[:, 0], kind="stable")]
    left, right = by_x[:2], by_x[2:]
    top_left, bottom_left = left[np.argsort(left[:, 1], kind="stable")]
    top_right, bottom_right = right[np.argsort(right[:, 1], kind="stable")]
    return np.stack([top_left, top_right, bottom_right, bottom_left])


def find_boxes(probabilities: Floats) -> list[tuple[Floats, float]]:
    """Rectangles around the lines of text in a map of probabilities, each with its score."""
    found: list[tuple[Floats, float]] = []
    for outline in regions(widened(probabilities > THRESHOLD)):
        rectangle = smallest_rectangle(outline)
        if min(rectangle.width, rectangle.height) < MIN_SIDE:
            continue
        score = mean_inside(probabilities, rectangle)
        if score < BOX_THRESHOLD:
            continue
        found.append((rectangle.grown(UNCLIP_RATIO).corners(), score))
        if len(found) >= MAX_BOXES:
            break
    return found


def widened(mask: Mask) -> Mask:
    """Every set pixel also sets its right, lower and lower right neighbour: closes gaps of one pixel."""
    wide = mask.copy()
    wide[:, 1:] |= mask[:, :-1]
    wide[1:, :] |= wide[:-1, :].copy()
    return wide


def regions(mask: Mask) -> list[Floats]:
    """The outline points (x, y) of each connected region, touching corners included."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), dtype=np.int8)
    padded[:, 1:-1] = mask
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, stops = np.nonzero(steps == -1)
    roots = joined_runs(rows.tolist(), starts.tolist(), stops.tolist(), mask.shape[0])
    order = np.argsort(roots, kind="stable")
    edges = np.nonzero(np.diff(np.asarray(roots)[order]))[0] + 1
    return [
        np.concatenate(
            [
                np.stack([starts[members], rows[members]], axis=1),
                np.stack([stops[members] - 1, rows[members]], axis=1),
            ]
        ).astype(np.float32)
        for members in np.split(order, edges)
        if members.size
    ]


def joined_runs(rows: list[int], starts: list[int], stops: list[int], height: int) -> list[int]:
    """For each horizontal run of set pixels the number of its region; runs come sorted by row, then start."""
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first = np.searchsorted(rows, np.arange(height + 1)).tolist()
    for row in range(1, height):
        above, above_end = first[row - 1], first[row]
        for run in range(first[row], first[row + 1]):
            while above < above_end and stops[above] < starts[run]:
                above += 1
            touching = above
            while touching < above_end and starts[touching] <= stops[run]:
                parent[root(touching)] = root(run)
                touching += 1
    return [root(run) for run in range(len(rows))]


def convex_hull(points: Floats) -> Floats:
    """The corners of the smallest convex shape around points, in order (Andrew's monotone chain)."""
    unique = sorted({(float(x), float(y)) for x, y in points})
    if len(unique) < 3:
        return np.array(unique, dtype=np.float32)

    def half(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for point in ordered:
            while len(chain) >= 2 and turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        return chain[:-1]

    return np.array(half(unique) + half(unique[::-1]), dtype=np.float32)


def turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Positive where the way from a over b to c turns counter-clockwise."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def smallest_rectangle(points: Floats) -> Rectangle:
    """The rectangle of the least area around points; one of its sides lies on a side of the convex hull."""
    hull = convex_hull(points)
    sides = np.roll(hull, -1, axis=0) - hull
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    axes = sides[lengths > 0] / lengths[lengths > 0, None]
    if not len(axes):
        return Rectangle(hull[0], np.array([1, 0], dtype=np.float32), 0.0, 0.0)
    along = hull @ axes.T
    across = hull @ np.stack([-axes[:, 1], axes[:, 0]])
    widths, heights = np.ptp(along, axis=0), np.ptp(across, axis=0)
    best = int(np.argmin(widths * heights))
    axis = axes[best]
    middle = ((along[:, best].min() + along[:, best].max()) / 2, (across[:, best].min() + across[:, best].max()) / 2)
    centre = middle[0] * axis + middle[1] * np.array([-axis[1], axis[0]])
    return Rectangle(centre.astype(np.float32), axis, float(widths[best]), float(heights[best]))


def mean_inside(probabilities: Floats, rectangle: Rectangle) -> float:
    """The mean probability of the pixels inside a rectangle."""
    height, width = probabilities.shape
    corners = rectangle.corners()
    left, top = np.clip(np.floor(corners.min(axis=0)).astype(int), 0, [width - 1, height - 1])
    right, bottom = np.clip(np.ceil(corners.max(axis=0)).astype(int), 0, [width - 1, height - 1])
    ys, xs = np.mgrid[top : bottom + 1, left : right + 1]
    dx, dy = xs - rectangle.centre[0], ys - rectangle.centre[1]
    along = np.abs(dx * rectangle.axis[0] + dy * rectangle.axis[1])
    across = np.abs(dx * rectangle.normal[0] + dy * rectangle.normal[1])
    inside = (along <= rectangle.width / 2 + 0.01) & (across <= rectangle.height / 2 + 0.01)
    if not inside.any():
        return 0.0
    return float(probabilities[top : bottom + 1, left : right + 1][inside].mean())
