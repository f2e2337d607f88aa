# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Models in an OCI registry with token authentication, over TLS: locked, handed to hosts, and nothing told to liars."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources import oci
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedSet,
    SetRequest,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models

from .oci_registry import MANIFEST, Registry, Tokens, digest_of, make_certificate

PASSWORD = "c4n4ry-password"
FILES = {"det.onnx": b"d" * 300_000, "deep/config.json": b"{}", "README.md": b"# card"}


@dataclass
class World:
    """A registry, its token service, and a controller that may be logged in."""

    folder: Path
    registry: Registry
    tokens: Tokens

    def log_in(self, password: str = PASSWORD) -> None:
        auth = base64.b64encode(f"ann:{password}".encode()).decode()
        config = {"auths": {self.registry.name: {"auth": auth}}}
        (self.folder / "config.json").write_text(json.dumps(config))

    @property
    def environ(self) -> dict[str, str]:
        return {"DOCKER_CONFIG": str(self.folder)}

    def lock(self, rest: str) -> ResolvedSet:
        context = Context(environ=self.environ, ca_path=str(self.folder / "server.crt"))
        source = f"oci://{self.registry.name}/{rest}"
        return oci.backend(context).resolve(SetRequest(name="ocr", version="4", where="models.ocr", source=source))

    def refusal(self, rest: str) -> DrydockError:
        with pytest.raises(DrydockError) as caught:
            self.lock(rest)
        assert PASSWORD not in caught.value.message
        return caught.value

    def resolve(self, *urls: str, **options: Any) -> tuple[list[str], dict[str, dict[str, str]]]:
        file = {"path": "a", "urls": list(urls), "checksum": f"sha256:{'0' * 64}"}
        models = [{"name": "ocr", "version": "4", "files": [file]}]
        ca_path = str(self.folder / "server.crt")
        (model,), headers = resolve_models(
            models, **{"headers": {}, "environ": self.environ, "ca_path": ca_path, **options}
        )
        return model["files"][0]["urls"], headers


@pytest.fixture(name="world")
def _world(tmp_path: Path) -> Iterator[World]:
    make_certificate(tmp_path)
    tokens = Tokens(tmp_path)
    registry = Registry(tmp_path, realm=f"https://{tokens.name}/token")
    with tokens.running(), registry.running():
        yield World(tmp_path, registry, tokens)


def test_an_artefact_is_locked_by_digest_without_reading_its_files(world: World) -> None:
    digest = world.registry.push("public/ocr", FILES)
    found = world.lock(f"public/ocr@{digest}")
    assert found.source == f"oci://{world.registry.name}/public/ocr@{digest}"
    assert {item.path: (item.size, f"sha256:{item.sha256}") for item in found.files} == {
        path: (len(content), digest_of(content)) for path, content in FILES.items()
    }
    assert not any("/blobs/" in path for _method, path, _headers in world.registry.asked)
    assert found.files[0].urls == (f"oci://{world.registry.name}/public/ocr@{digest_of(FILES['det.onnx'])}",)


def test_a_tag_is_locked_as_the_digest_it_means_now(world: World) -> None:
    digest = world.registry.push("public/ocr", FILES)
    assert world.lock("public/ocr:4.0").source.endswith(f"/public/ocr@{digest}")


def test_files_of_a_private_repository_are_read_with_the_controllers_login(world: World) -> None:
    digest = world.registry.push("private/ocr", FILES)
    world.log_in()
    found = {item.path: item for item in world.lock(f"private/ocr@{digest}").files}
    with found["det.onnx"].open() as handle:
        handle.seek(-5, 2)
        assert handle.read() == FILES["det.onnx"][-5:]
    assert not world.registry.saw(base64.b64encode(f"ann:{PASSWORD}".encode()).decode())


def test_hosts_get_a_short_lived_token_for_the_registry_and_nothing_else(world: World) -> None:
    digests = [world.registry.push("private/ocr", FILES), world.registry.push("public/ocr", FILES)]
    assert len(set(digests)) == 1
    world.log_in()
    blob = digest_of(FILES["det.onnx"])
    names = [f"oci://{world.registry.name}/{name}/ocr@{blob}" for name in ("private", "public")]
    urls, headers = world.resolve(*names)
    origin = f"https://{world.registry.name}"
    assert urls == [f"{origin}/v2/{name}/ocr/blobs/{blob}" for name in ("private", "public")]
    assert headers == {origin: {"Authorization": "Bearer ok+private/ocr+public/ocr"}}
    for url in urls:
        answer = requests.get(url, headers=headers[origin], verify=str(world.folder / "server.crt"), timeout=10)
        assert answer.content == FILES["det.onnx"]


def test_without_a_login_a_private_repository_says_how_to_log_in(world: World) -> None:
    digest = world.registry.push("private/ocr", FILES)
    error = world.refusal(f"private/ocr@{digest}")
    assert (error.kind, f"docker login {world.registry.name}" in error.message) == ("refused", True)
    with pytest.raises(DrydockError, match=r"^ocr 4, a: The registry .* refuses to show private/ocr"):
        world.resolve(f"oci://{world.registry.name}/private/ocr@{digest}")


def test_a_login_that_is_wrong_says_so_without_showing_it(world: World) -> None:
    digest = world.registry.push("private/ocr", FILES)
    world.log_in("c4n4ry-password-of-old")
    assert "gives no token with the controller's login" in world.refusal(f"private/ocr@{digest}").message


def test_a_lying_registry_does_not_get_the_login_of_another(world: World, tmp_path: Path) -> None:
    """It names the other one's token service; the login was not made for it, so only an anonymous question is sent."""
    world.log_in()
    liar = Registry(tmp_path, realm=world.registry.realm)
    with liar.running():
        digest = liar.push("private/ocr", FILES)
        with pytest.raises(DrydockError):
            world.resolve(f"oci://{liar.name}/private/ocr@{digest}")
    assert not liar.saw("Basic")
    assert not world.tokens.saw("Basic")


def test_an_authority_that_is_not_known_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    digest = world.registry.push("public/ocr", FILES)
    with pytest.raises(DrydockError, match="REQUESTS_CA_BUNDLE") as caught:
        world.resolve(f"oci://{world.registry.name}/public/ocr@{digest}", ca_path=None)
    assert caught.value.kind == "tls"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(world.folder / "server.crt"))
    assert world.resolve(f"oci://{world.registry.name}/public/ocr@{digest_of(b'{}')}", ca_path=None)


def test_a_manifest_with_another_digest_is_not_used(world: World) -> None:
    digest = world.registry.push("public/ocr", FILES)
    media_type, body = world.registry.manifests[f"/v2/public/ocr/manifests/{digest}"]
    world.registry.manifests[f"/v2/public/ocr/manifests/{digest}"] = (media_type, body + b" ")
    error = world.refusal(f"public/ocr@{digest}")
    assert (error.kind, "another digest" in error.message) == ("checksum_mismatch", True)


@pytest.mark.parametrize(
    "media_type",
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"],
)
def test_an_index_is_refused_with_what_it_lists(world: World, media_type: str) -> None:
    child = {"digest": "sha256:" + "ab" * 32, "platform": {"os": "linux", "architecture": "arm64"}}
    digest = world.registry.put("public/ocr", {"mediaType": media_type, "manifests": [child]})
    error = world.refusal(f"public/ocr@{digest}")
    assert "is an index" in error.message
    assert f"sha256:{'ab' * 32} (linux/arm64)" in error.message


def test_words_of_a_registry_are_short_and_do_nothing_to_a_terminal(world: World) -> None:
    evil = "\x1b]0;x\x07" + "x" * 100_000
    title = {"org.opencontainers.image.title": evil}
    layers = [{"digest": digest_of(b"x"), "size": 1, "annotations": title}] * 2
    child = {"digest": evil, "platform": {"os": evil, "architecture": [evil]}}
    folder = {"annotations": {**title, "io.deis.oras.content.unpack": "true"}}
    for manifest in ({"manifests": [child]}, {"layers": layers}, {"layers": [folder]}):
        digest = world.registry.put("public/ocr", {"mediaType": MANIFEST, **manifest})
        message = world.refusal(f"public/ocr@{digest}").message
        assert message.isprintable()
        assert len(message) < 1000


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ({"layers": []}, "holds no named files"),
        ({"layers": [{"digest": "sha256:" + "0" * 64, "size": 1}]}, "holds no named files"),
        ({"layers": "x"}, "is not one"),
        ({"layers": [{"annotations": {"org.opencontainers.image.title": "a"}, "size": 1}]}, "no sha256 digest"),
        (
            {
                "layers": [
                    {"annotations": {"org.opencontainers.image.title": "a"}, "digest": f"sha256:{'0' * 64}", "size": -1}
                ]
            },
            "has no size",
        ),
        (
            {
                "layers": [
                    {
                        "annotations": {
                            "org.opencontainers.image.title": "folder",
                            "io.deis.oras.content.unpack": "true",
                        }
                    }
                ]
            },
            "a folder packed into one layer",
        ),
        ({"mediaType": "application/vnd.example.other+json", "layers": []}, "is of a kind that is not known"),
    ],
)
def test_a_manifest_that_names_no_files_is_refused(world: World, manifest: dict[str, Any], said: str) -> None:
    digest = world.registry.put("public/ocr", {"mediaType": "application/vnd.oci.image.manifest.v1+json", **manifest})
    assert said in world.refusal(f"public/ocr@{digest}").message


def test_two_layers_of_one_name_are_refused(world: World) -> None:
    layers = [
        {"digest": digest_of(body), "size": 1, "annotations": {"org.opencontainers.image.title": "a"}}
        for body in (b"x", b"y")
    ]
    digest = world.registry.put("public/ocr", {"mediaType": MANIFEST, "layers": layers})
    assert "two layers with the name 'a'" in world.refusal(f"public/ocr@{digest}").message


def test_the_artefact_manifest_of_the_draft_is_read_too(world: World) -> None:
    blob = {"digest": digest_of(b"x"), "size": 1, "annotations": {"org.opencontainers.image.title": "a.txt"}}
    digest = world.registry.put(
        "public/ocr", {"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": [blob]}
    )
    assert [item.path for item in world.lock(f"public/ocr@{digest}").files] == ["a.txt"]


def test_the_licence_of_the_annotations_is_noted(world: World) -> None:
    digest = world.registry.push("public/ocr", FILES, annotations={"org.opencontainers.image.licenses": "Apache-2.0"})
    assert world.lock(f"public/ocr@{digest}").license == "apache-2.0"


def test_one_blob_can_be_named_as_a_file(world: World) -> None:
    world.registry.push("public/ocr", FILES)
    context = Context(environ=world.environ, ca_path=str(world.folder / "server.crt"))
    url = f"oci://{world.registry.name}/public/ocr@{digest_of(FILES['README.md'])}"
    found = oci.backend(context).look("README.md", url)
    assert (found.size, f"sha256:{found.sha256}") == (6, digest_of(b"# card"))
    with found.open() as handle:
        assert handle.read() == b"# card"
