# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker's work, with the real models; and what its parent process must not load."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from ocr.errors import StoreUnavailableError
from ocr.ports import Reading
from ocr.reader import Reader, rendered
from ocr.worker import MAX_ATTEMPTS, queue_lost_jobs, work
from ocr_doubles import MemoryQueue, MemoryStore, random_text, unspaced
from PIL import Image


def put(store: MemoryStore, text: str = "HALLO") -> UUID:
    buffer = io.BytesIO()
    rendered(text).save(buffer, "PNG")
    job_id = uuid4()
    store.create_job(job_id, buffer.getvalue())
    return job_id


def test_a_job_is_read_and_its_picture_forgotten(store: MemoryStore, reader: Reader) -> None:
    text = random_text()
    job_id = put(store, text)
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    assert store.jobs[job_id]["status"] == "done"
    assert store.jobs[job_id]["picture"] is None
    assert unspaced(store.readings[job_id][0].text) == text


def test_a_message_that_comes_twice_is_worked_on_once(store: MemoryStore, reader: Reader) -> None:
    job_id = put(store)
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    before = store.readings[job_id]
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    assert store.readings[job_id] is before


def test_a_bad_picture_fails_with_its_reason(store: MemoryStore, reader: Reader) -> None:
    job_id = uuid4()
    store.create_job(job_id, b"not a picture")
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    assert store.jobs[job_id]["status"] == "failed"
    assert store.jobs[job_id]["error"]["kind"] == "picture_unsupported"


def test_a_picture_that_ended_several_workers_is_given_up(store: MemoryStore, reader: Reader) -> None:
    job_id = put(store)
    store.jobs[job_id]["attempts"] = MAX_ATTEMPTS
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    assert store.jobs[job_id]["error"]["kind"] == "job_given_up"


def test_a_job_that_takes_too_long_fails(store: MemoryStore, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_picture: Image.Image) -> Reading:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(reader, "read", endless)
    job_id = put(store)
    work(job_id, reader=reader, store=store, max_pixels=10**7)
    assert store.jobs[job_id]["error"]["kind"] == "job_timeout"


def test_a_job_is_tried_again_when_the_database_is_away(store: MemoryStore, reader: Reader) -> None:
    job_id = put(store)
    store.down = True
    with pytest.raises(StoreUnavailableError):
        work(job_id, reader=reader, store=store, max_pixels=10**7)
    store.down = False
    assert store.jobs[job_id]["status"] == "queued"


def test_lost_jobs_are_queued_again_only_when_the_queue_is_empty(store: MemoryStore, queue: MemoryQueue) -> None:
    job_id = put(store)
    queue_lost_jobs(store, queue, older_than=0)
    assert queue.waiting == [job_id]
    queue_lost_jobs(store, queue, older_than=0)
    assert queue.waiting == [job_id]


def test_the_parent_process_loads_no_inference_library() -> None:
    code = "import sys, ocr.worker; print([name for name in ('onnxruntime', 'numpy', 'PIL') if name in sys.modules])"
    path = Path(__file__).resolve().parents[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
