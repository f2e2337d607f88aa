# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models on their way to hosts: what is asked for, what is handed over, what never shows."""

from __future__ import annotations

import datetime
import sys
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import needs_controller, resolve_models
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import parse_s3
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.aws import S3, named
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import Login
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.resolve import Sources
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Reply

from .scripted import Asked, World, reply

DIGEST = "sha256:" + "ab" * 32
REGISTRY = "https://registry.example.org:5000"
KEYS = {"AWS_ENDPOINT_URL": "https://s3.example.org", "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "c4n4ry"}


def answer(asked: Asked) -> Reply:
    if asked.headers.get("authorization") == "Bearer t":
        return reply()
    return reply(401, www_authenticate='Bearer realm="https://auth.example.org/t"')


def resolve(
    *urls: str, headers: dict[str, dict[str, str]] | None = None, world: World | None = None, **options: Any
) -> tuple[list[str], dict[str, dict[str, str]], World]:
    world = world or World({REGISTRY: answer, "https://auth.example.org": lambda _asked: reply(200, {"token": "t"})})
    sources = Sources(headers or {}, environ={}, ask=world.ask, login=lambda _name: Login("ann", "c4n4ry"), s3=S3(KEYS))
    file = {"path": "a", "size": 1, "checksum": "sha256:of a", "urls": list(urls)}
    models = [{"name": "ocr", "version": "4", "formats": None, "files": [file]}]
    (model,), given = resolve_models(models, headers=headers or {}, sources=sources, **options)
    assert file["urls"] == list(urls), "the input stays as it is"
    assert (model["formats"], model["files"][0]["size"]) == (None, 1)
    return model["files"][0]["urls"], given, world


def test_addresses_that_hosts_understand_are_left_alone() -> None:
    urls = ["https://a.example.org/x?y=z", "http://b/x", "file:///srv/x"]
    assert resolve(*urls)[0] == urls


def test_a_blob_becomes_its_address_and_a_header_for_that_registry_only() -> None:
    url = f"oci://registry.example.org:5000/team/ocr@{DIGEST}"
    urls, headers, world = resolve(url, url, headers={"https://mirror.example.org": {"X": "y"}})
    assert urls == [f"{REGISTRY}/v2/team/ocr/blobs/{DIGEST}"] * 2
    assert headers == {"https://mirror.example.org": {"X": "y"}, REGISTRY: {"Authorization": "Bearer t"}}
    assert len(world.asked) == 3  # without a token, for a token, with it; not once more for the second address


def test_other_headers_for_a_registry_are_kept_beside_its_token() -> None:
    url = f"oci://registry.example.org:5000/ocr@{DIGEST}"
    _urls, headers, _world = resolve(url, headers={f"{REGISTRY}/": {"X-Team": "ocr"}})
    assert headers == {REGISTRY: {"X-Team": "ocr", "Authorization": "Bearer t"}}


@pytest.mark.parametrize("url", ["oci://r/ocr:1", "s3://M/x", "hf://a/b"])
def test_an_address_that_cannot_be_read_is_named_with_its_file(url: str) -> None:
    with pytest.raises(DrydockError, match=r"^ocr 4, a: A .* address") as caught:
        resolve(url)
    assert caught.value.kind == "invalid_input"


def test_a_source_that_fails_is_asked_once_however_many_files_need_it() -> None:
    world = World({REGISTRY: lambda _asked: reply(403)})
    url = f"oci://registry.example.org:5000/ocr@{DIGEST}"
    told: list[str] = []
    assert resolve(url, url, "https://m/x", world=world, warn=told.append)[0] == ["https://m/x"]
    assert (len(world.asked), len(told)) == (1, 2)


def test_sources_of_files_that_are_there_already_are_not_asked() -> None:
    url = f"oci://registry.example.org:5000/ocr@{DIGEST}"
    assert resolve(url, needed={"sha256:other"})[0] == [url]
    assert resolve(url, needed={"sha256:of a"})[0] != [url]


def test_many_files_of_a_private_hub_are_asked_for_at_once_and_stay_in_order() -> None:
    def hub(asked: Asked) -> Reply:
        if "authorization" not in asked.headers:
            return reply(404)
        return (
            reply(404) if asked.path.endswith("/7") else reply(302, location=f"https://storage.example.org{asked.path}")
        )

    world = World({"https://hub.example.org": hub})
    environ = {"HF_ENDPOINT": "https://hub.example.org", "HF_TOKEN": "c4n4ry"}
    files = [{"path": str(n), "checksum": f"sha256:{n}", "urls": [f"hf://a/b@1/{n}"]} for n in range(30)]
    models = [{"name": "ocr", "version": "4", "files": files}]

    def run(**options: Any) -> list[str]:
        sources = Sources({}, environ=environ, ask=world.ask, login=lambda _name: None, s3=S3({}))
        (model,), _headers = resolve_models(models, headers={}, sources=sources, **options)
        return [item["urls"][0] for item in model["files"]]

    with pytest.raises(DrydockError, match=r"^ocr 4, 7: "):
        run()
    needed = {f"sha256:{n}" for n in range(30) if n != 7}
    assert run(needed=needed)[6:9] == [
        "https://storage.example.org/a/b/resolve/1/6",
        "hf://a/b@1/7",
        "https://storage.example.org/a/b/resolve/1/8",
    ]


def test_whether_the_controller_is_needed_is_known_without_asking() -> None:
    assert not needs_controller([{"files": [{"urls": ["https://a/x", "file:///x"]}]}])
    assert needs_controller([{"files": [{"urls": ["https://a/x", "s3://models/x"]}]}])


@pytest.mark.parametrize(("left", "expected"), [(None, 21600), (900, 900), (100_000, 21600)])
def test_a_presigned_address_does_not_outlive_the_credentials(
    monkeypatch: pytest.MonkeyPatch, left: int | None, expected: int
) -> None:
    pytest.importorskip("boto3", reason="an optional extra of the controller")
    s3 = S3(KEYS)
    now = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
    s3.client("models")
    credentials = s3._session.get_credentials()
    if left is not None:
        monkeypatch.setattr(credentials, "_expiry_time", now + datetime.timedelta(seconds=left), raising=False)
    monkeypatch.setattr(s3._session, "get_credentials", lambda: credentials)
    assert f"X-Amz-Expires={expected}&" in s3.presign(parse_s3("s3://models/x"), now=lambda: now)


def test_credentials_that_are_about_to_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3", reason="an optional extra of the controller")
    s3 = S3(KEYS)
    now = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
    s3.client("models")
    credentials = s3._session.get_credentials()
    monkeypatch.setattr(credentials, "_expiry_time", now + datetime.timedelta(seconds=30), raising=False)
    monkeypatch.setattr(s3._session, "get_credentials", lambda: credentials)
    with pytest.raises(DrydockError, match="end within 60 s"):
        s3.presign(parse_s3("s3://models/x"), now=lambda: now)


@pytest.mark.parametrize("environ", [{}, KEYS, {"AWS_REGION": "eu-west-1"}, {**KEYS, "AWS_REGION": "eu-west-1"}])
def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("boto3", "botocore")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("boto3", "botocore"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DrydockError, match="boto3 is missing on the controller") as caught:
        S3(environ).presign(parse_s3("s3://models/x"))
    assert caught.value.kind == "extra_missing"


@pytest.mark.parametrize(
    ("code", "status", "kind", "said"),
    [
        ("AccessDenied", 403, "refused", "s3:ListBucket"),
        ("SignatureDoesNotMatch", 403, "refused", "secret key"),
        ("ExpiredToken", 400, "refused", "have expired"),
        ("RequestTimeTooSkewed", 403, "refused", "clock"),
        ("NoSuchKey", 404, "not_found", "no such object"),
        ("Unknown", 403, "refused", "access is denied"),
        ("SlowDown", 503, "bad_response", "503"),
    ],
)
def test_what_s3_answers_is_told_in_words(code: str, status: int, kind: str, said: str) -> None:
    failures = pytest.importorskip("botocore.exceptions", reason="an optional extra of the controller")
    answered = {"Error": {"Code": code, "Message": "c4n4ry"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(DrydockError) as caught, named("s3://models/x"):
        raise failures.ClientError(answered, "GetObject")
    assert caught.value.kind == kind
    assert said in caught.value.message
    assert "c4n4ry" not in caught.value.message
