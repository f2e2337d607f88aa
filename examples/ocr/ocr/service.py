# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The work behind the endpoints: bounded reading, storing, queueing, and whether all of it is ready."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import anyio
import anyio.to_thread

from ocr.errors import ServiceError
from ocr.metrics import Metrics
from ocr.pictures import open_header, open_picture
from ocr.ports import Answer, Job, Model, Queue, ReadsPictures, Store, answer_of
from ocr.settings import Settings

LOG = logging.getLogger(__name__)
CHECK_EVERY = 2.0
FRESH = 1.0


class Service:
    """One process's service. Endpoints are coroutines; whatever blocks runs in threads of its own."""

    def __init__(self, settings: Settings, reader: ReadsPictures, store: Store, queue: Queue) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.model = Model(name=reader.name, version=reader.version)
        self.metrics.model.labels(reader.name, reader.version).set(1)
        self._reader = reader
        self._store = store
        self._queue = queue
        self._limiter = anyio.CapacityLimiter(settings.concurrency)
        self._waiting = 0
        self._warm_up_seconds: float | None = None
        self.prepared = threading.Event()  # warmed up, and the schema is in place
        self._stopping = threading.Event()
        self._checking = threading.Lock()
        self._checked: tuple[float, dict[str, str]] = (0.0, {})

    # -- start and stop ---------------------------------------------------------------------------------------------

    def get_ready(self) -> None:
        """Warm up, then create the schema as soon as the database answers. Blocks; CannotStartError is the caller's."""
        self._warm_up_seconds = self._reader.warm_up()
        LOG.info("the models read the warm-up picture", extra={"seconds": round(self._warm_up_seconds, 3)})
        while not self._stopping.is_set() and not self._prepare():
            self._stopping.wait(CHECK_EVERY)

    def _prepare(self) -> bool:
        try:
            self._store.prepare()
        except ServiceError as exc:
            LOG.warning("the database is not there yet", extra={"reason": getattr(exc, "reason", exc.message)})
            return False
        self.prepared.set()
        LOG.info("the database schema is in place")
        return True

    def stop(self) -> None:
        """End the waiting and give connections back."""
        self._stopping.set()
        self._store.close()
        self._queue.close()

    # -- health -----------------------------------------------------------------------------------------------------

    def checks(self) -> dict[str, str]:
        """Each part with "ok" or what is wrong; fresh within a second, asked once however many ask."""
        with self._checking:
            moment, found = self._checked
            if not found or time.monotonic() - moment > FRESH:
                with ThreadPoolExecutor(max_workers=2) as pool:
                    database = pool.submit(verdict, self._store.check)
                    queue = pool.submit(verdict, self._queue.check)
                found = {
                    "model": "ok" if self._warm_up_seconds is not None else "warming up",
                    "database": database.result(),
                    "queue": queue.result(),
                }
                if found["database"] == "ok" and not self.prepared.is_set():
                    found["database"] = "schema not in place yet"
                self._checked = (time.monotonic(), found)
                self.metrics.ready.set(all(value == "ok" for value in found.values()))
            return dict(found)

    @property
    def warm_up_seconds(self) -> float | None:
        """How long the warm-up inference took; None before it."""
        return self._warm_up_seconds

    def queue_length(self) -> int:
        """Jobs waiting for a worker; -1 when the queue does not answer."""
        try:
            return self._queue.length()
        except ServiceError:
            return -1

    # -- work -------------------------------------------------------------------------------------------------------

    async def read(self, content: bytes) -> Answer:
        """Read a picture and store what was read."""
        if self._waiting >= self.settings.concurrency + self.settings.waiting:
            raise ServiceError(
                "busy", "Too many pictures are waiting already. Try again in a moment.", status=503, retry_after=1
            )
        self._waiting += 1
        self.metrics.waiting.inc()
        try:
            answer = await anyio.to_thread.run_sync(self._read, content, limiter=self._limiter)
        finally:
            self._waiting -= 1
            self.metrics.waiting.dec()
        digest = hashlib.sha256(content).hexdigest()
        await anyio.to_thread.run_sync(lambda: self._store.save(answer, picture_sha256=digest))
        return answer

    def _read(self, content: bytes) -> Answer:
        picture = open_picture(content, max_pixels=self.settings.max_pixels)
        reading = self._reader.read(picture)
        self.metrics.inference_seconds.observe(reading.seconds)
        self.metrics.lines.inc(len(reading.lines))
        return answer_of(reading, answer_id=uuid4(), model=self.model)

    def enqueue(self, content: bytes) -> UUID:
        """Keep a picture for a worker and tell one. A picture that cannot be read at all is refused at once."""
        open_header(content, max_pixels=self.settings.max_pixels)
        job_id = uuid4()
        self._store.create_job(job_id, content)
        try:
            self._queue.put(job_id)
        except ServiceError:
            self._store.discard_job(job_id)
            raise
        return job_id

    def job(self, job_id: UUID) -> Job:
        """A job as it stands."""
        job = self._store.job(job_id, give_up_after=4 * self.settings.visibility_timeout)
        if job is None:
            raise ServiceError("job_unknown", f"There is no job {job_id}.", status=404)
        return job


def verdict(check: Callable[[], None]) -> str:
    """ "ok", or what is wrong in a word; the reason goes to the log, not to whoever asks."""
    try:
        check()
    except ServiceError as exc:
        LOG.warning("a part does not answer", extra={"kind": exc.kind, "reason": getattr(exc, "reason", exc.message)})
        return "does not answer"
    return "ok"
