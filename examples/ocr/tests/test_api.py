# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface around the real models; store and queue are in memory."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from threading import Event, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi.testclient import TestClient
from ocr.api import create_app
from ocr.ports import Reading
from ocr.reader import Reader, rendered
from ocr.service import Service
from ocr.settings import Settings
from ocr_doubles import MemoryQueue, MemoryStore, random_text, unspaced
from PIL import Image

READY_WITHIN = 30.0


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def service(reader: Reader, store: MemoryStore, queue: MemoryQueue) -> Service:
    return Service(Settings(max_bytes=200_000, max_pixels=1_000_000), reader, store, queue)


@pytest.fixture
def client(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as opened:
        until_ready(service)
        yield opened


def until_ready(service: Service) -> None:
    """Wait for the background thread that warms up; a condition, not a pause."""
    deadline = time.monotonic() + READY_WITHIN
    while not service.prepared.wait(0.05):
        assert time.monotonic() < deadline


def test_a_picture_as_the_body_is_read_and_stored(client: TestClient, store: MemoryStore) -> None:
    text = random_text(2)
    answer = client.post("/v1/read", content=png(rendered(text)), headers={"content-type": "image/png"})
    body = answer.json()
    assert answer.status_code == 200
    assert unspaced(body["text"]) == unspaced(text)
    assert body["model"] == {"name": "ocr", "version": "4.0"}
    assert set(body["lines"][0]) == {"text", "score", "box"}
    assert store.readings[UUID(body["id"])][0].text == body["text"]


def test_a_picture_in_a_form_is_read(client: TestClient) -> None:
    text = random_text()
    answer = client.post("/v1/read", files={"picture": ("page.png", png(rendered(text)), "image/png")})
    assert (answer.status_code, unspaced(answer.json()["text"])) == (200, text)


def test_a_body_without_a_type_is_known_by_its_bytes(client: TestClient) -> None:
    """What `curl --data-binary` sends."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post("/v1/read", content=png(rendered("HALLO")), headers=headers).json()["text"] == "HALLO"


@pytest.mark.parametrize("url", ["/v1/read", "/v1/jobs"])
@pytest.mark.parametrize(
    ("content", "status", "kind"),
    [
        (b"", 400, "picture_empty"),
        (b'{"not": "a picture"}', 415, "picture_unsupported"),
        (png(Image.new("RGB", (2, 200))), 400, "picture_too_small"),
        (bytes(200_001), 413, "picture_too_large"),
        (png(Image.new("RGB", (1001, 1000))), 413, "picture_too_large"),
    ],
)
def test_a_bad_picture_is_refused_in_json(client: TestClient, url: str, content: bytes, status: int, kind: str) -> None:
    answer = client.post(url, content=content)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)
    assert answer.json()["error"]["message"].endswith(".")


def test_a_body_that_hides_its_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    answer = client.post("/v1/read", content=(bytes(50_000) for _ in range(1000)))
    assert (answer.status_code, answer.json()["error"]["kind"]) == (413, "picture_too_large")


def test_a_form_without_a_file_says_how_to_send_one(client: TestClient) -> None:
    answer = client.post("/v1/read", files={"picture": (None, "text")})
    assert (answer.status_code, answer.json()["error"]["kind"]) == (400, "picture_missing")
    assert "curl -F" in answer.json()["error"]["message"]


def test_a_damaged_form_is_refused(client: TestClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/read", content=b"--y\r\nnonsense", headers=headers)
    assert answer.status_code == 400


def test_a_job_is_kept_and_queued(client: TestClient, store: MemoryStore, queue: MemoryQueue) -> None:
    picture = png(rendered("HALLO"))
    answer = client.post("/v1/jobs", content=picture)
    job_id = UUID(answer.json()["id"])
    assert answer.status_code == 202
    assert answer.headers["location"] == answer.json()["url"] == f"/v1/jobs/{job_id}"
    assert queue.waiting == [job_id]
    assert store.jobs[job_id]["picture"] == picture
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"


def test_a_job_that_cannot_be_queued_leaves_nothing(client: TestClient, store: MemoryStore, queue: MemoryQueue) -> None:
    queue.down = True
    answer = client.post("/v1/jobs", content=png(rendered("HALLO")))
    assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "queue_unavailable")
    assert store.jobs == {}


@pytest.mark.parametrize("number", ["7", "7d444840-9dc0-11d1-b245-5ffdce74fad2"])
def test_an_unknown_job_is_not_found(client: TestClient, number: str) -> None:
    answer = client.get(f"/v1/jobs/{number}")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (404, "job_unknown")


def test_a_reading_that_cannot_be_stored_is_not_given_out(client: TestClient, store: MemoryStore) -> None:
    store.down = True
    answer = client.post("/v1/read", content=png(rendered("HALLO")))
    assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "database_unavailable")
    assert "made unreachable" not in answer.text
    assert answer.headers["retry-after"] == "1"


def test_unknown_paths_and_methods_answer_in_the_same_form(client: TestClient) -> None:
    assert client.get("/nowhere").json()["error"]["kind"] == "not_found"
    assert client.get("/v1/read").json()["error"]["kind"] == "method_not_allowed"


def test_a_defect_tells_the_caller_nothing(client: TestClient, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_picture: Image.Image) -> Reading:
        raise RuntimeError("internal detail")

    monkeypatch.setattr(reader, "read", broken)
    answer = client.post("/v1/read", content=png(rendered("HALLO")))
    assert (answer.status_code, answer.json()["error"]["kind"]) == (500, "internal")
    assert "internal detail" not in answer.text


def test_health_names_each_part(client: TestClient) -> None:
    body = client.get("/health").json()
    assert body["checks"] == {"model": "ok", "database": "ok", "queue": "ok"}
    assert body["model"] == {"name": "ocr", "version": "4.0"}
    assert body["warm_up_seconds"] > 0


@pytest.mark.parametrize("part", ["database", "queue"])
def test_not_ready_while_a_part_is_away_but_alive(reader: Reader, part: str) -> None:
    store, queue = MemoryStore(), MemoryQueue()
    service = Service(Settings(), reader, store, queue)
    with TestClient(create_app(service)) as client:
        until_ready(service)
        if part == "database":
            store.down = True
        else:
            queue.down = True
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["checks"][part]) == (503, "does not answer")
        assert client.get("/health/live").status_code == 200


class SlowReader:
    """A reader that takes as long as the test wants."""

    name, version = "slow", "1"

    def __init__(self) -> None:
        self.started, self.go_on = Event(), Event()

    def warm_up(self) -> float:
        self.go_on.wait(READY_WITHIN)
        return 0.1

    def read(self, picture: Image.Image) -> Reading:
        self.started.set()
        self.go_on.wait(READY_WITHIN)
        return Reading(lines=[], width=picture.width, height=picture.height, seconds=0.1)


def test_not_ready_before_the_warm_up_inference(store: MemoryStore, queue: MemoryQueue) -> None:
    slow = SlowReader()
    with TestClient(create_app(Service(Settings(), slow, store, queue))) as client:
        answer = client.get("/health/ready")
        slow.go_on.set()
    assert (answer.status_code, answer.json()["checks"]["model"]) == (503, "warming up")


def test_more_pictures_than_may_wait_are_turned_away(store: MemoryStore, queue: MemoryQueue) -> None:
    slow = SlowReader()
    with TestClient(create_app(Service(Settings(concurrency=1, waiting=0), slow, store, queue))) as client:
        first: dict[str, Any] = {}
        content = png(Image.new("RGB", (30, 30)))
        request = Thread(target=lambda: first.update(answer=client.post("/v1/read", content=content)))
        request.start()
        assert slow.started.wait(READY_WITHIN)
        second = client.post("/v1/read", content=content)
        slow.go_on.set()
        request.join(READY_WITHIN)
    assert (second.status_code, second.json()["error"]["kind"]) == (503, "busy")
    assert first["answer"].status_code == 200


def test_metrics_count_requests_by_route(client: TestClient) -> None:
    client.get(f"/v1/jobs/{uuid4()}")
    client.get("/some/path/nobody/knows")
    text = client.get("/health/metrics").text
    assert 'ocr_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0' in text
    assert 'route="other",status="404"' in text
    assert "nobody" not in text
    assert 'ocr_model_info{name="ocr",version="4.0"} 1.0' in text
    assert "ocr_ready 1.0" in text


def test_each_request_is_logged_once_with_its_id(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="ocr.api"):
        answer = client.get("/nowhere", headers={"x-request-id": "abc-1"})
    (record,) = [each for each in caplog.records if each.message == "request"]
    assert answer.headers["x-request-id"] == "abc-1"
    assert vars(record).items() >= {"request_id": "abc-1", "status": 404, "path": "/nowhere"}.items()


def test_a_request_id_with_strange_characters_is_replaced(client: TestClient) -> None:
    answer = client.get("/health/live", headers={"x-request-id": 'a"b\\c'})
    assert len(answer.headers["x-request-id"]) == 32


def test_the_interface_describes_itself(client: TestClient) -> None:
    paths = json.loads(client.get("/openapi.json").text)["paths"]
    assert {"/v1/read", "/v1/jobs", "/v1/jobs/{job_id}", "/health/ready"} <= set(paths)
