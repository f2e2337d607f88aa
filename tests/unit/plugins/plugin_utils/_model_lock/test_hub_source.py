# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hub can make of the controller that asks it: how long its answers may be, and where the token goes."""

from __future__ import annotations

import gzip
import importlib
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.remote import Remote
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources import hub as source
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources.hub import (
    Hub,
    HubBackend,
    bound,
    prepare,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, SetRequest

HUB = Hub(endpoint="https://hub.example.org", token="hf_canary")


class _Api:
    """Answers as the library does; ``tree`` makes its lists."""

    tree: Any = None

    def __init__(self, **_settings: Any) -> None:
        pass

    def model_info(self, *_names: Any, **_settings: Any) -> Any:
        return SimpleNamespace(sha="c" * 40)

    def list_repo_tree(self, *_names: Any, **_settings: Any) -> Any:
        return self.tree()


class _OtherError(Exception):
    """What the library raises and nothing here does."""


def _resolve(tree: Any) -> DrydockError:
    api = type("Api", (_Api,), {"tree": staticmethod(tree)})
    errors = SimpleNamespace(OfflineModeIsEnabled=_OtherError, HFValidationError=_OtherError, HTTPError=_OtherError)
    backend = HubBackend(HUB, Remote(Context(environ={})), library=SimpleNamespace(HfApi=api, errors=errors))
    with pytest.raises(DrydockError) as caught:
        backend.resolve(SetRequest(name="ocr", version="1", where="models.ocr", source="hf://acme/ocr@v1"))
    return caught.value


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MOST", 100)
    error = _resolve(lambda: (SimpleNamespace(path=f"folder{number}") for number in itertools.count()))
    assert error.kind == "bad_response"
    assert "lists more than 100 files" in error.message


def _deep() -> Iterator[Any]:
    raise RecursionError
    yield


def _file(**wrong: Any) -> Any:
    return lambda: [SimpleNamespace(**{"path": "a", "size": 5, "blob_id": "x", "lfs": None, **wrong})]


@pytest.mark.parametrize("tree", [_deep, _file(size=float("inf")), _file(size="many"), _file(lfs="x")])
def test_an_answer_that_is_none_is_told(tree: Any) -> None:
    error = _resolve(tree)
    assert error.kind == "bad_response"
    assert "could not be understood" in error.message


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://hub.example.org/api/models/acme/ocr/tree/x?cursor=2", True),
        ("https://HUB.example.org:443/api", True),
        ("https://hub.example.org:8443/api", False),
        ("http://hub.example.org/api", False),
        ("https://elsewhere.example.org/api", False),
        ("https://hub.example.org@elsewhere.example.org/api", False),
    ],
)
def test_the_token_goes_to_the_hub_alone_wherever_it_says_the_next_page_is(url: str, kept: bool) -> None:
    request = SimpleNamespace(url=url, headers={"Authorization": "Bearer hf_canary"}, extensions={})
    prepare(HUB, request)
    assert ("Authorization" in request.headers) is kept
    assert request.extensions["timeout"]["read"] == source.TIMEOUT


def _get(status: int, content: Any, **headers: str) -> Any:
    """What the library's own client makes of an answer."""
    library = pytest.importorskip("huggingface_hub", reason="an optional extra of the controller")
    client = importlib.import_module(type(library.get_session()).__module__.partition(".")[0])
    asked = []

    def answer(request: Any) -> Any:
        asked.append(request.headers["Accept-Encoding"])
        return client.Response(
            status, headers={key.replace("_", "-"): value for key, value in headers.items()}, content=content
        )

    hooks = {"request": [partial(prepare, HUB)], "response": [partial(bound, client.SyncByteStream)]}
    with client.Client(transport=client.MockTransport(answer), event_hooks=hooks, follow_redirects=True) as session:
        found = session.get("https://hub.example.org/api/models/acme/ocr?token=hf_canary")
    assert asked == ["identity"]
    return found


def test_an_answer_of_the_size_that_hubs_send_is_read_whole() -> None:
    assert _get(200, iter([b'{"a": ', b"1}"])).json() == {"a": 1}
    assert _get(200, b'{"a": 1}').json() == {"a": 1}
    assert _get(404, b'{"error": "no"}').status_code == 404


@pytest.mark.parametrize("status", [200, 302, 500])
def test_an_answer_that_never_ends_is_refused_before_it_fills_the_memory(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "LARGEST", 1000)
    sent = itertools.count()
    endless = (b"x" * 100 for _piece in sent)
    with pytest.raises(DrydockError, match="sends more than 1000 bytes about a model") as caught:
        _get(status, endless, Location="https://hub.example.org/elsewhere")
    assert caught.value.kind == "bad_response"
    assert "hf_canary" not in caught.value.message
    assert next(sent) <= 12


def test_an_answer_that_says_itself_that_it_is_too_large_is_not_read() -> None:
    body = iter([b"x"])
    with pytest.raises(DrydockError, match="sends more than"):
        _get(200, body, Content_Length=str(source.LARGEST + 1))
    assert next(body) == b"x"


def test_an_answer_that_would_grow_here_is_refused() -> None:
    with pytest.raises(DrydockError, match="encoded as 'gzip', although asked not to"):
        _get(200, gzip.compress(bytes(1000)), Content_Encoding="gzip")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_told(tmp_path: Path, content: str | None) -> None:
    pytest.importorskip("huggingface_hub", reason="an optional extra of the controller")
    place = tmp_path / "ca.pem"
    if content is not None:
        place.write_text(content)
    for context in (Context(environ={}, ca_path=str(place)), Context(environ={"REQUESTS_CA_BUNDLE": str(place)})):
        with pytest.raises(DrydockError, match="no certificates in PEM") as caught:
            source.backend(context)
        assert caught.value.kind == "invalid_input"
