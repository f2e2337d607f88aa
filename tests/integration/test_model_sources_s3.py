# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in S3 (moto's server): locked with the controller's credentials, handed to hosts as presigned addresses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources import s3 as lock_s3
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, SetRequest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models

boto3 = pytest.importorskip("boto3", reason="an optional extra of the controller")
moto_server = pytest.importorskip("moto.server", reason="comes with the test set")

SECRET = "c4n4ry-secret-key"
CONTENT = {"ocr/4.0/det.onnx": b"d" * 300_000, "ocr/4.0/deep/a b+ü.json": b"{}", "ocr/4.0/README.md": b"# card"}


@pytest.fixture(name="server", scope="module")
def _server() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(name="environ")
def _environ(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> dict[str, str]:
    """An environment with nothing of the user's own, and a server with nothing in it."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    requests.post(f"{server}/moto-api/reset", timeout=10)
    return {"AWS_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": SECRET}


@pytest.fixture(name="bucket")
def _bucket(environ: dict[str, str]) -> Any:
    """A client, its bucket ``models`` filled."""
    client = boto3.client(
        "s3",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="models")
    for key, content in CONTENT.items():
        client.put_object(Bucket="models", Key=key, Body=content)
    client.put_object(Bucket="models", Key="ocr/4.0/deep/", Body=b"")  # the folder that some tools draw
    client.put_object(Bucket="models", Key="ocr/4.01/other.onnx", Body=b"x")
    return client


def locked(environ: Mapping[str, str], source: str) -> dict[str, Any]:
    request = SetRequest(name="ocr", version="4.0", where="models.ocr", source=source)
    found = lock_s3.backend(Context(environ=environ)).resolve(request)
    return {item.path: item for item in found.files}


def refusal(environ: Mapping[str, str], source: str) -> DrydockError:
    with pytest.raises(DrydockError) as caught:
        locked(environ, source)
    assert SECRET not in f"{caught.value.message}{caught.value.details}"
    return caught.value


def model(*urls: str) -> list[dict[str, Any]]:
    file = {"path": "det.onnx", "urls": list(urls), "checksum": f"sha256:{'0' * 64}"}
    return [{"name": "ocr", "version": "4.0", "files": [file]}]


@pytest.mark.parametrize("source", ["s3://models/ocr/4.0/", "s3://models/ocr/4.0"])
def test_a_prefix_is_listed_and_its_objects_read(environ: dict[str, str], bucket: Any, source: str) -> None:
    found = locked(environ, source)
    assert {path: item.size for path, item in found.items()} == {
        "det.onnx": 300_000,
        "deep/a b+ü.json": 2,
        "README.md": 6,
    }
    for path, item in found.items():
        assert item.sha256 is None
        with item.open() as handle:
            assert handle.read() == CONTENT[f"ocr/4.0/{path}"]
    assert found["det.onnx"].urls == ("s3://models/ocr/4.0/det.onnx",)


def test_an_object_is_read_from_any_position(environ: dict[str, str], bucket: Any) -> None:
    content = bytes(number % 251 for number in range(1_000_000))
    bucket.put_object(Bucket="models", Key="ocr/4.0/det.onnx", Body=content)
    with locked(environ, "s3://models/ocr/4.0/")["det.onnx"].open() as handle:
        handle.seek(-10, 2)
        assert handle.read() == content[-10:]
        handle.seek(500_000)
        assert handle.read(7) == content[500_000:500_007]


def test_many_objects_are_listed_page_by_page(environ: dict[str, str], bucket: Any) -> None:
    for number in range(1100):
        bucket.put_object(Bucket="models", Key=f"many/{number:04}.json", Body=b"{}")
    assert len(locked(environ, "s3://models/many/")) == 1100


def test_a_version_is_named_where_the_bucket_keeps_them(environ: dict[str, str], bucket: Any) -> None:
    bucket.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
    made = bucket.put_object(Bucket="models", Key="ocr/4.0/det.onnx", Body=b"second")
    found = locked(environ, "s3://models/ocr/4.0/")
    assert found["det.onnx"].urls == (f"s3://models/ocr/4.0/det.onnx?versionId={made['VersionId']}",)
    assert found["README.md"].urls == ("s3://models/ocr/4.0/README.md",)  # from before the bucket kept versions
    bucket.put_object(Bucket="models", Key="ocr/4.0/det.onnx", Body=b"third")
    with found["det.onnx"].open() as handle:
        assert handle.read() == b"second"
    (resolved,), _headers = resolve_models(model(*found["det.onnx"].urls), headers={}, environ=environ)
    assert requests.get(resolved["files"][0]["urls"][0], timeout=10).content == b"second"


def test_one_object_can_be_named_as_a_file(environ: dict[str, str], bucket: Any) -> None:
    found = lock_s3.backend(Context(environ=environ)).look("d.onnx", "s3://models/ocr/4.0/det.onnx")
    with found.open() as handle:
        assert hashlib.sha256(handle.read()).hexdigest() == hashlib.sha256(CONTENT["ocr/4.0/det.onnx"]).hexdigest()


def test_hosts_get_an_address_that_works_for_six_hours_and_no_key(environ: dict[str, str], bucket: Any) -> None:
    (resolved,), headers = resolve_models(
        model("s3://models/ocr/4.0/deep/a%20b%2B%C3%BC.json", "https://mirror.example.org/x"),
        headers={"https://mirror.example.org": {"X-A": "b"}},
        environ=environ,
    )
    signed, mirror = resolved["files"][0]["urls"]
    assert requests.get(signed, timeout=10).content == b"{}"
    assert parse_qs(urlsplit(signed).query)["X-Amz-Expires"] == ["21600"]
    assert SECRET not in signed
    assert mirror == "https://mirror.example.org/x"
    assert headers == {"https://mirror.example.org": {"X-A": "b"}}


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ("s3://nowhere/ocr/", "not_found", "no such bucket"),
        ("s3://models/nothing/", "not_found", "nothing lies there"),
        ("s3://models/ocr/4.0/?versionId=1", "invalid_input", "a prefix has no versionId"),
        ("s3://models/ocr/?X-Amz-Signature=c4n4ry-secret-key", "invalid_input", "leave signatures out"),
        ("s3://Mo_dels/ocr/", "invalid_input", "expected s3://bucket/key"),
    ],
)
def test_a_source_that_is_not_there_is_named(
    environ: dict[str, str], bucket: Any, source: str, kind: str, said: str
) -> None:
    error = refusal(environ, source)
    assert (error.kind, said in error.message) == (kind, True), error.message


def test_an_object_that_is_not_there_is_named(environ: dict[str, str], bucket: Any) -> None:
    with pytest.raises(DrydockError, match="no such bucket or object") as caught:
        lock_s3.backend(Context(environ=environ)).look("x", "s3://models/ocr/4.0/x")
    assert caught.value.kind == "not_found"


def test_no_credentials_say_how_to_log_in(environ: dict[str, str], bucket: Any) -> None:
    bare = {"AWS_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]}
    error = refusal(bare, "s3://models/ocr/4.0/")
    assert (error.kind, "aws sso login" in error.message) == ("refused", True)
    with pytest.raises(DrydockError, match=r"^ocr 4\.0, det\.onnx: The controller has no AWS credentials"):
        resolve_models(model("s3://models/ocr/4.0/det.onnx"), headers={}, environ=bare)


def test_a_source_that_cannot_be_made_is_left_out_when_there_is_another(environ: dict[str, str], bucket: Any) -> None:
    told: list[str] = []
    (resolved,), _headers = resolve_models(
        model("s3://models/ocr/4.0/det.onnx", "https://mirror.example.org/x"),
        headers={},
        environ={"AWS_ENDPOINT_URL": environ["AWS_ENDPOINT_URL"]},
        warn=told.append,
    )
    assert resolved["files"][0]["urls"] == ["https://mirror.example.org/x"]
    assert "one source is left out" in told[0]


def test_a_profile_that_is_not_there_is_named(environ: dict[str, str]) -> None:
    error = refusal({**environ, "AWS_PROFILE": "nobody"}, "s3://models/ocr/4.0/")
    assert (error.kind, "AWS_PROFILE" in error.message) == ("invalid_input", True)


def test_credentials_that_nobody_knows_are_refused_in_words(environ: dict[str, str], bucket: Any) -> None:
    requests.post(f"{environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth", data="0", timeout=10)
    try:
        error = refusal(environ, "s3://models/ocr/4.0/")
        assert (error.kind, "access key is not known" in error.message) == ("refused", True), error.message
    finally:
        requests.post(f"{environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth", data="inf", timeout=10)


def test_a_server_that_does_not_answer_is_named(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    error = refusal({**environ, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}, "s3://models/ocr/")
    assert (error.kind, "AWS_ENDPOINT_URL" in error.message) == ("unreachable", True)
