# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: Celery over Redis. A message is acknowledged when its work is done; what is done is counted by its number."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .settings import Settings

TASK = "echo.task"
QUEUE = "echo"
MARK = Path("/tmp/echo-worker")  # noqa: S108 - in the container's own file system, one worker each
FRESH = 15.0


def _password(settings: Settings) -> str:
    return settings.queue_secret.read_text(encoding="utf-8").strip()


def celery_app(settings: Settings) -> Any:
    """Celery as both sides use it."""
    import celery  # noqa: PLC0415 - the service runs without a queue, and without its packages

    password = quote(_password(settings), safe="")
    app = celery.Celery("echo", broker=f"redis://:{password}@{settings.queue_host}:6379/0")
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=2,
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        # what a killed worker held comes back after this; longer than any task here
        broker_transport_options={"visibility_timeout": 60, "socket_connect_timeout": 3, "socket_timeout": 30},
    )
    return app


def store(settings: Settings) -> Any:
    """Redis itself, where it is counted what is done."""
    import redis  # noqa: PLC0415 - as above

    return redis.Redis(host=settings.queue_host, password=_password(settings), socket_timeout=5, decode_responses=True)


def counts_key(run: str) -> str:
    """The hash that holds how often each task of a run was done."""
    return f"echo:done:{run}"


class Tasks:
    """The side that puts tasks into the queue, and tells what became of them."""

    def __init__(self, settings: Settings) -> None:
        self._app = celery_app(settings)
        self._store = store(settings)

    def put(self, run: str, number: int, seconds: float) -> None:
        """Queue one task."""
        self._app.send_task(TASK, args=[run, number, seconds], task_id=f"{run}-{number}", retry=False)

    def done(self, run: str) -> dict[str, int]:
        """How often each task of a run was done, by its number."""
        return {number: int(times) for number, times in self._store.hgetall(counts_key(run)).items()}


def work(settings: Settings) -> int:
    """Do tasks until told to stop: those begun are finished, those only fetched are handed back."""
    from celery import signals  # noqa: PLC0415 - as above

    app = celery_app(settings)
    counted = store(settings)

    def task(run: str, number: int, seconds: float) -> None:
        time.sleep(min(seconds, 60.0))
        counted.hincrby(counts_key(run), str(number), 1)
        counted.expire(counts_key(run), 86400)

    def mark(**_: Any) -> None:
        MARK.touch()

    app.task(task, name=TASK)
    signals.worker_ready.connect(mark, weak=False)
    signals.heartbeat_sent.connect(mark, weak=False)
    MARK.unlink(missing_ok=True)
    worker = app.Worker(quiet=True, without_gossip=True, without_mingle=True)
    worker.start()
    return int(worker.exitcode or 0)


def alive() -> bool:
    """Whether the worker in this container has connected and its main loop goes round."""
    try:
        return time.time() - MARK.stat().st_mtime < FRESH
    except FileNotFoundError:
        return False
