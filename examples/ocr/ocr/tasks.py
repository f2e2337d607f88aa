# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue between the service and its workers: Celery over Redis. Messages hold a job's number, never its picture."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

import celery
import kombu.exceptions
import redis

from ocr.errors import QueueUnavailableError
from ocr.settings import Settings, read_secret

READ = "ocr.read"
TIMEOUT = 3.0


def celery_app(settings: Settings) -> Any:
    """Celery as both sides use it."""
    password = quote(read_secret(settings.queue_password_file), safe="")
    app = celery.Celery("ocr", broker=f"redis://:{password}@{settings.queue_host}:{settings.queue_port}/0")
    app.conf.update(
        task_default_queue=settings.queue_name,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,  # results are in the database
        task_acks_late=True,  # a message is gone when its work is done, not when it is begun
        task_reject_on_worker_lost=True,
        task_soft_time_limit=settings.job_timeout,
        task_time_limit=settings.job_timeout + 15,
        worker_prefetch_multiplier=1,
        worker_concurrency=settings.concurrency,
        worker_max_tasks_per_child=1000,
        worker_proc_alive_timeout=120,  # loading and trying the models comes before the process counts as up
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": settings.visibility_timeout,
            "socket_timeout": 30,
            "socket_connect_timeout": TIMEOUT,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
    )
    return app


class CeleryQueue:
    """Queue with Celery and Redis behind it."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.queue_name
        self._app = celery_app(settings)
        self._redis: Any = redis.Redis(
            host=settings.queue_host,
            port=settings.queue_port,
            password=read_secret(settings.queue_password_file),
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
        )

    def check(self) -> None:
        """Ping Redis."""
        try:
            self._redis.ping()
        except (redis.RedisError, OSError) as exc:
            raise QueueUnavailableError(str(exc)) from exc

    def put(self, job_id: UUID) -> None:
        """Publish one message, which carries the job's own number."""
        self.check()
        try:
            self._app.send_task(READ, args=[str(job_id)], task_id=str(job_id), retry=False)
        except (kombu.exceptions.OperationalError, redis.RedisError, OSError) as exc:
            raise QueueUnavailableError(str(exc)) from exc

    def length(self) -> int:
        """How many messages wait."""
        try:
            return int(self._redis.llen(self._name))
        except (redis.RedisError, OSError) as exc:
            raise QueueUnavailableError(str(exc)) from exc

    def close(self) -> None:
        """Close the connections."""
        self._app.close()
        self._redis.close()
