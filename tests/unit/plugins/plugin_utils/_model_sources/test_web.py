# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's short questions: patient with the busy, deaf to the talkative, silent about secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http_adapter import PromptResponse
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import LIMIT, LONGEST, Web

URL = "https://hub.example.org/x?signature=c4n4ry"


class Response:
    """As much of an answer of requests as is looked at."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status_code = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._body = body
        self.closed = False

    def iter_content(self, size: int) -> Iterator[bytes]:
        for start in range(0, len(self._body), size):
            yield self._body[start : start + size]

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_arguments: object) -> None:
        self.closed = True


class Session:
    """Answers one after another; an exception is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.asked.append({"method": method, "url": url, **options})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def web(*answers: Any) -> tuple[Web, Session, list[float]]:
    slept: list[float] = []
    made = Web(sleep=slept.append)
    session = Session(*answers)
    made._session = session
    return made, session, slept


def test_an_answer_is_given_whatever_its_status_and_no_redirect_followed() -> None:
    made, session, _slept = web(Response(302, Location="https://elsewhere"))
    reply = made.ask("GET", URL)
    assert (reply.status, reply.headers) == (302, {"location": "https://elsewhere"})
    assert session.asked[0]["allow_redirects"] is False


@pytest.mark.parametrize("url", [URL, "http://hub.example.org/x"])
def test_headers_without_end_are_not_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, used = Web(sleep=lambda _seconds: None), []

    def request(session: requests.Session, _method: str, asked: str, **_options: Any) -> Any:
        used.append(session.get_adapter(asked).poolmanager.connection_from_url(asked).ConnectionCls)  # type: ignore[attr-defined]
        return Response(200, b"{}")

    monkeypatch.setattr(requests.Session, "request", request)
    made.ask("GET", url)
    assert [kind.response_class for kind in used] == [PromptResponse]


def test_a_busy_server_is_asked_again_after_the_time_it_wants_within_reason() -> None:
    made, _session, slept = web(Response(429, Retry_After="9999"), Response(503), Response(200, b"{}"))
    assert made.ask("GET", URL).body == b"{}"
    assert slept == [LONGEST, 3.0]


def test_a_server_that_stays_busy_is_told_as_it_is() -> None:
    made, session, _slept = web(*(Response(503) for _ in range(3)))
    assert made.ask("GET", URL).status == 503
    assert session.answers == []


@pytest.mark.parametrize(
    ("error", "kind", "attempts"),
    [
        (requests.exceptions.ConnectTimeout(f"to {URL}"), "unreachable", 3),
        (requests.exceptions.ConnectionError(OSError(111, "Connection refused")), "unreachable", 3),
        (requests.exceptions.InvalidURL(URL), "unreachable", 3),
    ],
)
def test_failures_are_named_without_the_query(error: Exception, kind: str, attempts: int) -> None:
    made, session, _slept = web(*([error] * 3))
    with pytest.raises(DrydockError) as caught:
        made.ask("GET", URL)
    assert caught.value.kind == kind
    assert "c4n4ry" not in caught.value.message
    assert len(session.asked) == attempts


def test_an_answer_without_an_end_is_cut_off() -> None:
    made, _session, _slept = web(Response(200, b"x" * (LIMIT + 1)))
    with pytest.raises(DrydockError, match="expected no more"):
        made.ask("GET", URL)


def test_a_body_that_is_not_wanted_is_not_read() -> None:
    response = Response(200, b"x" * (LIMIT + 1))
    made, _session, _slept = web(response)
    assert made.ask("GET", URL, body=False).body == b""
    assert response.closed


def test_logins_of_a_netrc_file_are_not_sent() -> None:
    made, session, _slept = web(Response(200))
    made.ask("GET", URL)
    request = object()
    assert session.asked[0]["auth"](request) is request
