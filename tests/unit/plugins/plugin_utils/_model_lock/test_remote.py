# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files over https looked at without keeping them, against scripted answers."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.remote import Remote
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.run import _meter
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources.web import WebBackend
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, SetRequest

URL = "https://models.example.org/a.json?X-Amz-Signature=secret"
CONTENT = b'{"a": 1}'


class Scripted:
    """Answers in order; an exception is raised."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)

    def open(self, _source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def answer(content: bytes = CONTENT, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    told = {"Content-Length": str(len(content))} if headers is None else headers
    return Answer(status=status, headers=told, read=io.BytesIO(content).read, close=lambda: None)


def remote(*answers: Answer | Exception, slept: list[float] | None = None) -> Remote:
    waits: list[float] = [] if slept is None else slept
    return Remote(
        Context(environ={}),
        policy=RetryPolicy(retries=1, delay=2),
        sleep=waits.append,
        transport=Scripted(*answers),
    )


@pytest.mark.parametrize("headers", [None, {}, {"Content-Length": "nonsense"}])
def test_the_size_is_what_the_server_says_or_else_what_it_sends(headers: Mapping[str, str] | None) -> None:
    assert remote(answer(headers=headers)).size(URL) == len(CONTENT)


def test_what_may_pass_is_tried_again_and_the_rest_is_not() -> None:
    slept: list[float] = []
    passing = SourceError("unreachable", "no", retryable=True)
    assert remote(passing, answer(), slept=slept).read(URL, limit=100) == CONTENT
    assert slept == [2]
    with pytest.raises(SourceError) as caught:
        remote(SourceError("not_found", "no"), answer()).size(URL)
    assert caught.value.kind == "not_found"
    with pytest.raises(SourceError):
        remote(passing, passing, answer()).size(URL)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (answer(headers={"Content-Encoding": "gzip"}), "encoded as 'gzip'"),
        (answer(b"", status=416, headers={}), "there is less of it than it said"),
        (answer(b"x" * 101, headers={}), "larger than 100 bytes"),
        (answer(b"x" * 5, headers={"Content-Length": "7"}), "expected 7 bytes, found 5"),
    ],
)
def test_an_answer_that_is_not_the_file_is_refused_without_telling_secrets(given: Answer, expected: str) -> None:
    with pytest.raises(DrydockError) as caught:
        remote(given).read(URL, limit=100)
    assert expected in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("url", ["https://user:secret@models.example.org/a", "ftp://x/secret", "https:///secret"])
def test_an_address_that_cannot_be_asked_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DrydockError) as caught:
        remote().size(url)
    assert caught.value.kind == "invalid_input"
    assert "secret" not in caught.value.message.replace("://x/secret", "")


def test_a_web_file_has_a_size_and_no_digest_until_it_is_read() -> None:
    backend = WebBackend(remote(answer(), answer()))
    found = backend.look("a.json", URL)
    assert (found.size, found.sha256, found.urls) == (len(CONTENT), None, (URL,))
    with found.open() as handle:
        assert handle.read() == CONTENT
    with pytest.raises(DrydockError, match="cannot be listed"):
        backend.resolve(SetRequest("m", "1", "models.m", source="https://models.example.org/"))


def test_a_long_read_shows_a_line_now_and_then() -> None:
    lines: list[str] = []
    times = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    told = _meter(lines.append, "models.ocr: det.onnx", 400_000_000, clock=lambda: next(times))
    for done in (10, 120_000_000, 130_000_000, 400_000_000):
        told(done)
    assert lines == [
        "models.ocr: det.onnx: 120 of 400 MB (30 %) read, 20 MB/s",
        "models.ocr: det.onnx: 400 of 400 MB (100 %) read, 33 MB/s",
    ]


def test_no_file_is_too_small_for_its_meter() -> None:
    lines: list[str] = []
    clock: Any = iter([0.0, 10.0]).__next__
    _meter(lines.append, "a", 0, clock=clock)(0)
    assert lines == ["a: 0 of 0 MB (0 %) read, 0 MB/s"]
