# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What jobs of one kind have of their own: how their status file reads, and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar


class Reading(Protocol):
    """One reading of the status file that a job keeps on its host."""

    @property
    def pid(self) -> int:
        """The process that wrote it."""

    @property
    def updated(self) -> float:
        """When, by the host's own clock; only good for telling two readings apart."""

    @property
    def working(self) -> bool:
        """It is at its own work, not waiting for its turn: what it was started from has been read."""

    @property
    def soon(self) -> float | None:
        """Seconds after which it may be over; ``None`` when nobody knows."""

    @property
    def tenths(self) -> int:
        """Tenths of the way; each is worth a line in a log."""

    @property
    def landmark(self) -> tuple[str, ...]:
        """Another one is worth a line in a log."""

    def describe(self) -> str:
        """One host in full."""

    def stored(self) -> dict[str, Any]:
        """As JSON that the kind's ``parse`` reads again."""


R = TypeVar("R", bound=Reading)
R_co = TypeVar("R_co", bound=Reading, covariant=True)


@dataclass(frozen=True)
class Kind(Generic[R]):
    """One kind of job.

    :param noun: what it is called in the middle of a sentence, as ``the download``.
    :param later: what the next run does about one that nobody follows, as the end of a sentence.
    :param folder: the name of the folder on the controller in which the processes of a run tell each other of it.
    :param start: a reading before the first one.
    :param parse: reads a status file; ``None`` when it is none. Nothing of it reaches a terminal unclean.
    :param board: all hosts on one line of so many letters; the last number says which host comes first.
    :param quiet: seconds for which nothing is shown, as most are over by then.
    :param silence: seconds after which a log gets a line in any case.
    :param pauses: seconds between two looks at the host: at first, and at most.
    """

    noun: str
    later: str
    folder: str
    start: R
    parse: Callable[[str], R | None]
    board: Callable[[Mapping[str, R], int, int], str]
    silence: float
    pauses: tuple[float, float]
    quiet: float = 0.0
