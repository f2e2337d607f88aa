# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service needs from a reader, a database and a queue: the seams where tests put something simpler.

Imports nothing heavy: the worker's parent process knows these and loads no inference library.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Line:
    """One line of text: four corners (x, y) clockwise from the top left, in pixels of the picture."""

    text: str
    score: float
    box: list[list[int]]


@dataclass(frozen=True)
class Reading:
    """What was read in one picture."""

    lines: list[Line]
    width: int
    height: int
    seconds: float

    @property
    def text(self) -> str:
        """All lines, one below the other."""
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True)
class Model:
    """Which model read."""

    name: str
    version: str


@dataclass(frozen=True)
class Answer:
    """What was read in one picture, as it is stored and answered."""

    id: UUID
    text: str
    lines: list[Line]
    model: Model
    width: int
    height: int
    seconds: float


@dataclass(frozen=True)
class Job:
    """A picture that waits for a worker, or what became of it."""

    id: UUID
    status: str  # queued, running, done, failed
    created_at: datetime
    finished_at: datetime | None = None
    result: Answer | None = None
    error: dict[str, Any] | None = None


class ReadsPictures(Protocol):
    """A reader with its models loaded."""

    name: str
    version: str

    def read(self, picture: Image.Image) -> Reading:
        """Read the text in an RGB picture."""

    def warm_up(self) -> float:
        """Read a known picture and return the seconds; raise CannotStartError when it is not read right."""


class Store(Protocol):
    """Where results and jobs are kept. Every method raises StoreUnavailableError when the database does not answer."""

    def prepare(self) -> None:
        """Create what is missing; safe when several processes do it at once."""

    def check(self) -> None:
        """Return when the database answers."""

    def save(self, answer: Answer, *, picture_sha256: str) -> None:
        """Keep a reading."""

    def create_job(self, job_id: UUID, picture: bytes) -> None:
        """Keep a picture for a worker."""

    def discard_job(self, job_id: UUID) -> None:
        """Forget a job that could not be queued."""

    def claim_job(self, job_id: UUID) -> tuple[bytes, int] | None:
        """Mark a job as running; its picture and which attempt this is. None when there is nothing left to do."""

    def finish_job(self, job_id: UUID, answer: Answer, *, picture_sha256: str) -> None:
        """Keep a job's reading and forget its picture, both or neither."""

    def fail_job(self, job_id: UUID, error: dict[str, Any]) -> None:
        """Keep why a job failed and forget its picture."""

    def job(self, job_id: UUID, *, give_up_after: float) -> Job | None:
        """A job as it stands; one that has been running for longer than ``give_up_after`` seconds counts as failed."""

    def waiting_jobs(self, *, older_than: float) -> list[UUID]:
        """Jobs that have waited for more seconds than that: their messages may be lost."""

    def close(self) -> None:
        """Give the connections back."""


class Queue(Protocol):
    """The way to the workers. Methods raise QueueUnavailableError when the queue does not answer."""

    def check(self) -> None:
        """Return when the queue answers."""

    def put(self, job_id: UUID) -> None:
        """Tell a worker about a job."""

    def length(self) -> int:
        """How many jobs wait in the queue."""

    def close(self) -> None:
        """Give the connections back."""


def answer_of(reading: Reading, *, answer_id: UUID, model: Model) -> Answer:
    """A reading with its identity and its model."""
    return Answer(
        id=answer_id,
        text=reading.text,
        lines=reading.lines,
        model=model,
        width=reading.width,
        height=reading.height,
        seconds=round(reading.seconds, 4),
    )
