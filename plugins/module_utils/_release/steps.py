# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a run, in order, and what a failure or a kill at one of them means. Pure.

What it means follows from the place in the order and not from the step's name: where the containers of an earlier
release are still warm, the edge is led to them before anything else is done. ``docs/releases.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RELEASE_STEPS = (
    "room",
    "stage",
    "check",
    "images",
    "place",
    "secrets",
    "data",
    "backup",
    "leave",
    "base",
    "migrate",
    "up",
    "healthy",
    "replace",
    "golden",
    "join",
    "record",
    "switch",
    "confirm",
    "commit",
    "enter",
    "drain",
    "stop",
    "prune",
)
REPAIR_STEPS = (
    "images",
    "secrets",
    "data",
    "base",
    "up",
    "healthy",
    "join",
    "switch",
    "enter",
    "settle",
    "drain",
    "stop",
    "prune",
)
TURN = "switch"  # before it nothing is led to the new release
READY = "ready"  # what the journal says while a release waits to be switched
STILL = "still"  # and when it is looked at once more before that
READYING = (READY, STILL)
FIRST = ("room", "stage", "place", "secrets", "rejoin", "switch", "confirm")  # where the edge is led first


def edge_first(steps: Sequence[str]) -> tuple[str, ...]:
    """The steps of a release in the order of one whose services behind the edge are warm; the rest comes after."""
    return (*FIRST, *(step for step in steps if step not in FIRST))


def until_ready(steps: Sequence[str]) -> tuple[str, ...]:
    """What is done of a release before several hosts wait for each other."""
    return (*steps[: steps.index(TURN)], READY)


def from_ready(steps: Sequence[str]) -> tuple[str, ...]:
    """What is done of it after that: before the switch it is seen to be healthy still."""
    return (STILL, *steps[steps.index(TURN) :])


@dataclass(frozen=True)
class Order:
    """What is done one after the other. ``name`` stands in the journal."""

    name: str
    steps: tuple[str, ...]

    def harmless(self, step: str) -> bool:
        """Nothing that serves, and nothing that it could be started again from, was touched."""
        return step in self.steps and self._place(step) < self._place("secrets")

    def knows(self, step: str) -> bool:
        """Not a step of another version, nor that of a journal that cannot be read: nginx may be led anywhere then."""
        return step in (*self.steps, *READYING)

    def switching(self, step: str) -> bool:
        """nginx may be led to what is not proven yet."""
        return self._place("switch") <= self._place(step) < self._proven

    def proven(self, step: str) -> bool:
        """What is wanted serves; what is left to do is finished."""
        return self._place(step) >= self._proven

    @property
    def _proven(self) -> int:
        return self._place("commit" if "commit" in self.steps else "drain")

    def _place(self, step: str) -> int:
        """A step that is not known, of another version or of none, is before all."""
        return self.steps.index(step) if step in self.steps else -1


RELEASING = Order("release", RELEASE_STEPS)
REPAIRING = Order("repair", REPAIR_STEPS)
EDGE_FIRST = Order("edge first", edge_first(RELEASE_STEPS))


def order_named(name: str) -> Order:
    """By its name in a journal; a journal that names none was written when there was only one."""
    return next((order for order in (RELEASING, REPAIRING, EDGE_FIRST) if order.name == name), RELEASING)
