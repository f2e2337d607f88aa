# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand-ins for the two ports of ocr/ports.py, in memory, and texts to read.

test_store.py runs the real store on a real PostgreSQL.
"""

from __future__ import annotations

import random
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from ocr.errors import QueueUnavailableError, StoreUnavailableError
from ocr.ports import Answer, Job

# Characters that the model tells apart in every size and direction tried here; measured, 80 random words each.
CLEAR = "ACDEHKLMNPRT345"


def random_text(words: int = 1) -> str:
    """Words that nobody wrote down before."""
    return " ".join("".join(random.choices(CLEAR, k=7)) for _ in range(words))  # noqa: S311 - not a secret


def unspaced(text: str) -> str:
    """Text without spaces: the recognition model does not promise them."""
    return text.replace(" ", "")


class MemoryStore:
    """Store in memory; ``down`` makes it unreachable."""

    def __init__(self) -> None:
        self.down = False
        self.readings: dict[UUID, tuple[Answer, str]] = {}
        self.jobs: dict[UUID, dict[str, Any]] = {}

    def check(self) -> None:
        if self.down:
            raise StoreUnavailableError("made unreachable by the test")

    prepare = check

    def close(self) -> None:
        """Nothing to close."""

    def save(self, answer: Answer, *, picture_sha256: str) -> None:
        self.check()
        self.readings[answer.id] = (answer, picture_sha256)

    def create_job(self, job_id: UUID, picture: bytes) -> None:
        self.check()
        now = datetime.now(timezone.utc)
        self.jobs[job_id] = {"status": "queued", "picture": picture, "attempts": 0, "error": None, "created_at": now}

    def discard_job(self, job_id: UUID) -> None:
        self.check()
        del self.jobs[job_id]

    def claim_job(self, job_id: UUID) -> tuple[bytes, int] | None:
        self.check()
        job = self.jobs.get(job_id)
        if job is None or job["picture"] is None:
            return None
        job.update(status="running", attempts=job["attempts"] + 1)
        return job["picture"], job["attempts"]

    def finish_job(self, job_id: UUID, answer: Answer, *, picture_sha256: str) -> None:
        self.save(answer, picture_sha256=picture_sha256)
        self.jobs[job_id].update(status="done", picture=None)

    def fail_job(self, job_id: UUID, error: dict[str, Any]) -> None:
        self.check()
        self.jobs[job_id].update(status="failed", picture=None, error=error)

    def job(self, job_id: UUID, *, give_up_after: float) -> Job | None:
        self.check()
        job = self.jobs.get(job_id)
        if job is None:
            return None
        result = self.readings[job_id][0] if job_id in self.readings else None
        return Job(id=job_id, status=job["status"], created_at=job["created_at"], result=result, error=job["error"])

    def waiting_jobs(self, *, older_than: float) -> list[UUID]:
        self.check()
        return [job_id for job_id, job in self.jobs.items() if job["status"] == "queued"]


class MemoryQueue:
    """Queue in memory; ``down`` makes it unreachable."""

    def __init__(self) -> None:
        self.down = False
        self.waiting: list[UUID] = []

    def check(self) -> None:
        if self.down:
            raise QueueUnavailableError("made unreachable by the test")

    def put(self, job_id: UUID) -> None:
        self.check()
        self.waiting.append(job_id)

    def length(self) -> int:
        self.check()
        return len(self.waiting)

    def close(self) -> None:
        """Nothing to close."""
