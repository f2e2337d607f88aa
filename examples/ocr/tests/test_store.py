# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store on a real PostgreSQL, started for these tests where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from ocr.errors import StoreUnavailableError
from ocr.ports import Answer, Line, Model
from ocr.settings import Settings
from ocr.store import PostgresStore

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
PATH = os.pathsep.join([*map(str, DEBIAN), os.environ.get("PATH", "")])
INITDB, POSTGRES = shutil.which("initdb", path=PATH), shutil.which("postgres", path=PATH)
START_WITHIN = 30.0

pytestmark = pytest.mark.skipif(
    not (INITDB and POSTGRES),
    reason="PostgreSQL's programs are not installed here; molecule/stack runs the same code on a real one",
)


def unprivileged() -> tuple[int, int] | tuple[None, None]:
    """User and group for PostgreSQL, which refuses to run as root; None for the user that runs the tests."""
    if os.geteuid() != 0:
        return None, None
    user = pwd.getpwnam("nobody")
    return user.pw_uid, user.pw_gid


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A server of its own, on a free port, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ocr-postgres-"))  # not pytest's: another user must come to it
    folder.chmod(0o711)
    secret = folder / "password"
    secret.write_text("tmp-password")
    data = folder / "data"
    data.mkdir(mode=0o700)
    user, group = unprivileged()
    if user is not None and group is not None:
        os.chown(data, user, group)
    subprocess.run(
        [
            str(INITDB),
            "--pgdata",
            str(data),
            "--username=ocr",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--no-sync",
        ],
        check=True,
        capture_output=True,
        cwd="/",
        user=user,
        group=group,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = [f"-cport={port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories=", "-cfsync=off"]
    server = subprocess.Popen(
        [str(POSTGRES), "-D", str(data), *options],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=user,
        group=group,
    )
    found = Settings(
        database_host="127.0.0.1", database_port=port, database_name="postgres", database_password_file=secret
    )
    try:
        until_it_answers(found)
        yield found
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown
        server.wait(timeout=START_WITHIN)
        shutil.rmtree(folder)


def until_it_answers(settings: Settings) -> None:
    deadline = time.monotonic() + START_WITHIN
    while not answers(settings):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def answers(settings: Settings) -> bool:
    try:
        psycopg.connect(
            host=settings.database_host,
            port=settings.database_port,
            dbname=settings.database_name,
            user=settings.database_user,
            password=settings.database_password_file.read_text(),
        ).close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def store(settings: Settings) -> Iterator[PostgresStore]:
    opened = PostgresStore(settings, connections=2)
    opened.prepare()
    yield opened
    opened.close()


def answer() -> Answer:
    line = Line(text="Zürich 漢字", score=0.9871, box=[[1, 2], [30, 2], [30, 9], [1, 9]])
    model = Model(name="ocr", version="4.0")
    return Answer(id=uuid4(), text=line.text, lines=[line], model=model, width=40, height=20, seconds=0.25)


def test_a_job_goes_from_queued_to_done_and_keeps_its_reading(store: PostgresStore) -> None:
    job_id, read = uuid4(), answer()
    store.create_job(job_id, b"picture")
    assert store.claim_job(job_id) == (b"picture", 1)
    store.finish_job(job_id, read, picture_sha256="00")
    job = store.job(job_id, give_up_after=60)
    assert job is not None
    assert (job.status, job.result) == ("done", read)
    assert store.claim_job(job_id) is None


def test_a_job_whose_worker_died_can_be_claimed_again(store: PostgresStore) -> None:
    job_id = uuid4()
    store.create_job(job_id, b"picture")
    store.claim_job(job_id)
    assert store.claim_job(job_id) == (b"picture", 2)


def test_a_job_that_runs_for_too_long_counts_as_failed(store: PostgresStore) -> None:
    job_id = uuid4()
    store.create_job(job_id, b"picture")
    store.claim_job(job_id)
    job = store.job(job_id, give_up_after=-1)
    assert job is not None
    assert (job.status, (job.error or {})["kind"]) == ("failed", "job_lost")


def test_a_failed_job_keeps_its_reason(store: PostgresStore) -> None:
    job_id = uuid4()
    store.create_job(job_id, b"picture")
    store.fail_job(job_id, {"kind": "picture_damaged", "message": "…"})
    job = store.job(job_id, give_up_after=60)
    assert job is not None
    assert (job.status, job.error) == ("failed", {"kind": "picture_damaged", "message": "…"})


def test_a_discarded_job_is_unknown_and_waiting_ones_are_found(store: PostgresStore) -> None:
    gone, waiting = uuid4(), uuid4()
    store.create_job(gone, b"picture")
    store.discard_job(gone)
    store.create_job(waiting, b"picture")
    assert store.job(gone, give_up_after=60) is None
    assert waiting in store.waiting_jobs(older_than=-1)
    assert waiting not in store.waiting_jobs(older_than=60)


def test_saving_the_same_reading_twice_keeps_one(store: PostgresStore) -> None:
    read = answer()
    store.save(read, picture_sha256="00")
    store.save(read, picture_sha256="00")


def test_many_processes_may_create_the_schema_at_once(settings: Settings) -> None:
    stores = [PostgresStore(settings, connections=1) for _ in range(6)]
    drop = "drop table if exists jobs; drop table if exists readings"
    stores[0]._run(drop)
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(lambda each: each.prepare(), stores))
    for each in stores:
        each.check()
        each.close()


def test_a_server_that_is_away_is_reported_as_unavailable(settings: Settings) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        away = Settings(
            database_host="127.0.0.1",
            database_port=int(probe.getsockname()[1]),
            database_password_file=settings.database_password_file,
        )
        store = PostgresStore(away, connections=1)
        with pytest.raises(StoreUnavailableError):
            store.check()
        store.close()
