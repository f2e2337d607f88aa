# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results and jobs in PostgreSQL."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import psycopg_pool
from psycopg.types.json import Jsonb

from ocr.errors import StoreUnavailableError
from ocr.ports import Answer, Job, Line, Model
from ocr.settings import Settings, read_secret

LOG = logging.getLogger(__name__)
SCHEMA_LOCK = 0x6F6372  # "ocr": one process at a time creates the schema
CONNECT_TIMEOUT = 5
POOL_TIMEOUT = 3.0

SCHEMA = """
create table if not exists readings (
    id uuid primary key,
    created_at timestamptz not null default now(),
    picture_sha256 text not null,
    width integer not null,
    height integer not null,
    model_name text not null,
    model_version text not null,
    text text not null,
    lines jsonb not null,
    seconds real not null
);
create index if not exists readings_created_at on readings (created_at);
create table if not exists jobs (
    id uuid primary key,
    created_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    status text not null default 'queued' check (status in ('queued', 'running', 'done', 'failed')),
    attempts integer not null default 0,
    picture bytea,
    reading_id uuid references readings (id),
    error jsonb
);
create index if not exists jobs_waiting on jobs (created_at) where status = 'queued';
"""

SAVE = """
insert into readings (id, picture_sha256, width, height, model_name, model_version, text, lines, seconds)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (id) do nothing
"""

JOB = """
select jobs.status, jobs.created_at, jobs.finished_at, jobs.error, readings.id, readings.text, readings.lines,
       readings.model_name, readings.model_version, readings.width, readings.height, readings.seconds
from jobs left join readings on readings.id = jobs.reading_id
where jobs.id = %s
"""

GIVE_UP = """
update jobs set status = 'failed', finished_at = now(), picture = null, error = %s
where id = %s and status = 'running' and started_at < now() - make_interval(secs => %s)
"""


class PostgresStore:
    """Store with PostgreSQL behind it; opens connections as they are needed."""

    def __init__(self, settings: Settings, *, connections: int) -> None:
        self._settings = settings
        self._pool = psycopg_pool.ConnectionPool(
            kwargs=self._parameters,
            min_size=0,
            max_size=connections,
            timeout=POOL_TIMEOUT,
            max_idle=60,
            reconnect_timeout=POOL_TIMEOUT,
            open=True,
        )

    def _parameters(self) -> dict[str, Any]:
        """Connection parameters; the password is read for each connection, so a changed one needs no restart."""
        return {
            "host": self._settings.database_host,
            "port": self._settings.database_port,
            "dbname": self._settings.database_name,
            "user": self._settings.database_user,
            "password": read_secret(self._settings.database_password_file),
            "connect_timeout": CONNECT_TIMEOUT,
            "application_name": "ocr",
            "options": "-c statement_timeout=15000",
            "keepalives_idle": 30,
            "tcp_user_timeout": 15000,
        }

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection inside one transaction; its failures as StoreUnavailableError."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed) as exc:
            raise StoreUnavailableError(str(exc)) from exc

    def _run(self, statement: LiteralString, *values: Any) -> None:
        with self._connection() as connection:
            connection.execute(statement, values)

    def prepare(self) -> None:
        """Create the tables; an advisory lock lets one process do it while the others wait."""
        with self._connection() as connection:
            connection.execute("select pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            connection.execute(SCHEMA)

    def check(self) -> None:
        """Ask the database for nothing."""
        self._run("select 1")

    def save(self, answer: Answer, *, picture_sha256: str) -> None:
        """Keep a reading."""
        self._run(SAVE, *reading_row(answer, picture_sha256))

    def create_job(self, job_id: UUID, picture: bytes) -> None:
        """Keep a picture for a worker."""
        self._run("insert into jobs (id, picture) values (%s, %s)", job_id, picture)

    def discard_job(self, job_id: UUID) -> None:
        """Forget a job that could not be queued."""
        self._run("delete from jobs where id = %s and status = 'queued'", job_id)

    def claim_job(self, job_id: UUID) -> tuple[bytes, int] | None:
        """Mark a job as running. A running one may be claimed again: its message came twice because its worker died."""
        with self._connection() as connection:
            row = connection.execute(
                "update jobs set status = 'running', started_at = now(), attempts = attempts + 1 "
                "where id = %s and status in ('queued', 'running') and picture is not null returning picture, attempts",
                (job_id,),
            ).fetchone()
        return (bytes(row[0]), int(row[1])) if row else None

    def finish_job(self, job_id: UUID, answer: Answer, *, picture_sha256: str) -> None:
        """Keep a job's reading and forget its picture, in one transaction."""
        with self._connection() as connection:
            connection.execute(SAVE, reading_row(answer, picture_sha256))
            connection.execute(
                "update jobs set status = 'done', finished_at = now(), picture = null, error = null, reading_id = %s "
                "where id = %s",
                (answer.id, job_id),
            )

    def fail_job(self, job_id: UUID, error: dict[str, Any]) -> None:
        """Keep why a job failed and forget its picture."""
        self._run(
            "update jobs set status = 'failed', finished_at = now(), picture = null, error = %s "
            "where id = %s and status in ('queued', 'running')",
            Jsonb(error),
            job_id,
        )

    def job(self, job_id: UUID, *, give_up_after: float) -> Job | None:
        """A job as it stands."""
        error = {"kind": "job_lost", "message": "The job's worker did not finish it in time. Send the picture again."}
        with self._connection() as connection:
            connection.execute(GIVE_UP, (Jsonb(error), job_id, give_up_after))
            row = connection.execute(JOB, (job_id,)).fetchone()
        return job_of(job_id, row) if row else None

    def waiting_jobs(self, *, older_than: float) -> list[UUID]:
        """Jobs whose messages may be lost."""
        with self._connection() as connection:
            rows = connection.execute(
                "select id from jobs where status = 'queued' and created_at < now() - make_interval(secs => %s) "
                "order by created_at limit 1000",
                (older_than,),
            ).fetchall()
        return [row[0] for row in rows]

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


def reading_row(answer: Answer, picture_sha256: str) -> tuple[Any, ...]:
    """The values of SAVE. PostgreSQL's text holds no NUL, which no model's alphabet has either."""
    lines = Jsonb([dataclasses.asdict(line) for line in answer.lines])
    model = answer.model
    return (
        answer.id,
        picture_sha256,
        answer.width,
        answer.height,
        model.name,
        model.version,
        answer.text,
        lines,
        answer.seconds,
    )


def job_of(job_id: UUID, row: tuple[Any, ...]) -> Job:
    """A row of JOB as a value."""
    status, created_at, finished_at, error, reading_id, text, lines, name, version, width, height, seconds = row
    result = None
    if reading_id is not None:
        result = Answer(
            id=reading_id,
            text=text,
            lines=[Line(**line) for line in lines],
            model=Model(name=name, version=version),
            width=width,
            height=height,
            seconds=round(seconds, 4),
        )
    return Job(id=job_id, status=status, created_at=created_at, finished_at=finished_at, result=result, error=error)
