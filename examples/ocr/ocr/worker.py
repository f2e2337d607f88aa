# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker: takes jobs from the queue, reads their pictures, stores what was read.

A process of its own reads (a prefork child), so a picture that brings it down costs one child, not the worker. A
message is acknowledged when its work is done; when a worker is killed its job goes to another one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import signals
from celery.exceptions import SoftTimeLimitExceeded

from ocr import logs
from ocr.errors import EX_CONFIG, CannotStartError, QueueUnavailableError, ServiceError, StoreUnavailableError
from ocr.healthcheck import HEARTBEAT, reader_mark
from ocr.model_set import ModelSet, open_model_set
from ocr.ports import Model, Queue, ReadsPictures, Store, answer_of
from ocr.settings import Settings, read_secret
from ocr.store import PostgresStore
from ocr.tasks import READ, CeleryQueue, celery_app

LOG = logging.getLogger(__name__)
MAX_ATTEMPTS = 3
RETRY_EVERY = 5
MAX_RETRIES = 60


def work(job_id: UUID, *, reader: ReadsPictures, store: Store, max_pixels: int) -> None:
    """Do one job. Raises StoreUnavailableError when it must be tried again later."""
    from ocr.pictures import open_picture  # noqa: PLC0415 - only the process that reads loads the picture library

    claimed = store.claim_job(job_id)
    if claimed is None:
        LOG.info("nothing left to do", extra={"job": str(job_id)})
        return
    content, attempts = claimed
    if attempts > MAX_ATTEMPTS:
        store.fail_job(job_id, {"kind": "job_given_up", "message": f"Given up: it ended {MAX_ATTEMPTS} workers."})
        LOG.error("given up", extra={"job": str(job_id), "attempts": attempts})
        return
    try:
        reading = reader.read(open_picture(content, max_pixels=max_pixels))
    except ServiceError as exc:
        store.fail_job(job_id, exc.as_dict()["error"])
        LOG.info("refused", extra={"job": str(job_id), "kind": exc.kind})
        return
    except SoftTimeLimitExceeded:
        store.fail_job(job_id, {"kind": "job_timeout", "message": "Reading the picture took too long."})
        LOG.warning("took too long", extra={"job": str(job_id)})
        return
    answer = answer_of(reading, answer_id=job_id, model=Model(name=reader.name, version=reader.version))
    store.finish_job(job_id, answer, picture_sha256=hashlib.sha256(content).hexdigest())
    LOG.info("done", extra={"job": str(job_id), "lines": len(answer.lines), "seconds": answer.seconds})


def queue_lost_jobs(store: Store, queue: Queue, *, older_than: float) -> None:
    """Queue again what has waited for long although the queue is empty: the queue has lost its messages."""
    lost = store.waiting_jobs(older_than=older_than)
    if lost and queue.length() == 0:
        for job_id in lost:
            queue.put(job_id)
            LOG.warning("queued again: its message was lost", extra={"job": str(job_id)})


class Worker:
    """The worker's process and the processes it forks."""

    def __init__(self, settings: Settings, model_set: ModelSet) -> None:
        self._settings = settings
        self._model_set = model_set
        self._reader: ReadsPictures | None = None
        self._store: Store | None = None
        self._looking_after = False

    def run(self) -> int:
        """Work until told to stop."""
        self._clear_marks()
        app = celery_app(self._settings)

        def read(task: Any, job_id: str) -> None:
            self._task(task, job_id)

        app.task(read, name=READ, bind=True, max_retries=MAX_RETRIES)
        listeners: dict[Any, Callable[..., None]] = {
            signals.setup_logging: self._logging_is_set_up,
            signals.worker_process_init: self._child_starts,
            signals.worker_process_shutdown: self._child_stops,
            signals.heartbeat_sent: self._heartbeat,
            signals.worker_ready: self._is_ready,
        }
        for signal, listener in listeners.items():
            signal.connect(listener, weak=False)
        worker = app.Worker(
            quiet=True, without_gossip=True, without_mingle=True, hostname=f"ocr@{socket.gethostname()}"
        )
        worker.start()
        return int(worker.exitcode or 0)

    def _task(self, task: Any, job_id: str) -> None:
        if self._reader is None or self._store is None:
            raise RuntimeError("the process was not initialised")
        try:
            work(UUID(job_id), reader=self._reader, store=self._store, max_pixels=self._settings.max_pixels)
        except StoreUnavailableError as exc:
            LOG.warning("the database does not answer; trying again later", extra={"job": job_id, "reason": exc.reason})
            raise task.retry(countdown=RETRY_EVERY, exc=exc) from exc

    def _logging_is_set_up(self, **_: Any) -> None:
        """Connected so that Celery leaves our logging alone."""

    def _child_starts(self, **_: Any) -> None:
        """Load and try the models in the process that will read."""
        from ocr.reader import Reader  # noqa: PLC0415 - the parent never reads and does without the inference library

        try:
            reader = Reader(
                self._model_set, threads=self._settings.threads, detection_side=self._settings.detection_side
            )
            seconds = reader.warm_up()
        except CannotStartError as exc:
            LOG.critical("%s", exc)
            os._exit(EX_CONFIG)
        except Exception:  # Celery would go on with a process that cannot read
            LOG.critical("the models could not be loaded", exc_info=True)
            os._exit(1)
        self._reader, self._store = reader, PostgresStore(self._settings, connections=1)
        reader_mark(self._settings.state_dir, os.getpid()).touch()
        LOG.info("the models read the warm-up picture", extra={"seconds": round(seconds, 3)})

    def _child_stops(self, **_: Any) -> None:
        reader_mark(self._settings.state_dir, os.getpid()).unlink(missing_ok=True)
        if self._store is not None:
            self._store.close()

    def _heartbeat(self, **_: Any) -> None:
        """The main loop is alive and connected."""
        (self._settings.state_dir / HEARTBEAT).touch()

    def _is_ready(self, **_: Any) -> None:
        """Connected: look after lost jobs, beside the main loop."""
        LOG.info("ready for jobs", extra={"model": self._model_set.name, "version": self._model_set.version})
        if not self._looking_after:
            self._looking_after = True
            threading.Thread(target=self._look_after_lost_jobs, name="lost-jobs", daemon=True).start()

    def _look_after_lost_jobs(self) -> None:
        while True:
            # opened each time: a process that is forked in between must not inherit connections
            store, queue = PostgresStore(self._settings, connections=1), CeleryQueue(self._settings)
            wait: float = self._settings.visibility_timeout
            try:
                store.prepare()
                queue_lost_jobs(store, queue, older_than=wait)
            except (StoreUnavailableError, QueueUnavailableError) as exc:
                LOG.warning("could not look for lost jobs", extra={"reason": exc.reason})
                wait = RETRY_EVERY
            finally:
                store.close()
                queue.close()
            time.sleep(wait)

    def _clear_marks(self) -> None:
        directory: Path = self._settings.state_dir
        directory.mkdir(parents=True, exist_ok=True)
        for mark in (directory / HEARTBEAT, *directory.glob("reader-*")):
            mark.unlink(missing_ok=True)


def main(settings: Settings) -> int:
    """Work until told to stop. CannotStartError when models or secrets are not right."""
    secrets = [read_secret(settings.database_password_file), read_secret(settings.queue_password_file)]
    logs.set_up("worker", settings.log_level, secrets)
    return Worker(settings, open_model_set(settings.model_dir)).run()
