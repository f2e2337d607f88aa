# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a private hub, S3 and a private registry to a host: locked, judged, fetched; and no secret shown anywhere."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
import yaml
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.run import Wish, lock
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context
from ansible_collections.drydock.serving.tests.integration.model_host import weights
from ansible_collections.drydock.serving.tests.integration.oci_registry import Registry, Tokens, make_certificate

from lab.hub import Hub, serving

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.tests.integration.conftest import Play, Target

boto3 = pytest.importorskip("boto3", reason="an optional extra of the controller")
moto_server = pytest.importorskip("moto.server", reason="comes with the test set")

HUB_TOKEN = "hf_c4n4ryOfTheHub"
AWS_SECRET = "c4n4ryOfS3"
PASSWORD = "c4n4ry-password"
FILES = {name: weights(size) for name, size in (("hub", 200_001), ("s3", 200_002), ("oci", 200_003))}
SHOWN = (HUB_TOKEN, AWS_SECRET, PASSWORD, base64.b64encode(f"ann:{PASSWORD}".encode()).decode(), "ok+private")
SIGNED = re.compile(r"X-Amz-Signature=[0-9a-f]{8}|Signature=signed-|X-Amz-Credential=AKIA")
IMAGE = f"registry.example.org/ocr@sha256:{'ab' * 32}"


@dataclass
class World:
    """The sources, the controller's environment, and what the lock told."""

    folder: Path
    models: dict[str, Any]
    hub: Hub
    registry: Registry
    told: list[str] = field(default_factory=list)

    @property
    def ca_path(self) -> str:
        return str(self.folder / "server.crt")

    def lock(self) -> dict[str, Any]:
        path = self.folder / "models.lock.yml"
        context = Context(environ=dict(os.environ), base=self.folder, ca_path=self.ca_path, tell=self.told.append)
        outcome = lock(self.models, Wish(path), context, today=datetime.date(2026, 11, 21))
        self.told.append(outcome.text())
        found: dict[str, Any] = yaml.safe_load(path.read_text())["models_lock"]
        return found

    def play(self, target: Target, locked: dict[str, Any], *options: str) -> Play:
        service = {"image": IMAGE, "models": sorted(self.models)}
        stack = {"name": "ocr", "environment": "lab", "domain": "ocr.example.org", "services": {"api": service}}
        return target.play(
            *("-vvvv", "--diff", *options),
            stack=stack,
            models=self.models,
            models_lock=locked,
            ca_path=self.ca_path,
            owner=str(os.getuid()),
            group=str(os.getgid()),
        )


@pytest.fixture(name="world")
def _world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    folder = tmp_path / "controller"
    folder.mkdir()
    make_certificate(folder)
    tokens = Tokens(folder)
    registry = Registry(folder, realm=f"https://{tokens.name}/token")
    digest = registry.push("private/ocr", {"oci.safetensors": FILES["oci"]})
    login = {"auths": {registry.name: {"auth": base64.b64encode(f"ann:{PASSWORD}".encode()).decode()}}}
    (folder / "config.json").write_text(json.dumps(login))
    hub = Hub(token=HUB_TOKEN)
    hub.commit("acme/ocr", {"hub.safetensors": FILES["hub"], "README.md": b"# card"}, tag="v1")
    hub.repositories["acme/ocr"].private = True
    s3 = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    s3.start()
    endpoint = "http://{}:{}".format(*s3.get_host_and_port())
    requests.post(f"{endpoint}/moto-api/reset", timeout=10)
    with serving(hub), tokens.running(), registry.running():
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "AKIATEST",
            "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": HUB_TOKEN,
            "HF_HOME": str(folder / "hf"),
            "DOCKER_CONFIG": str(folder),
            "REQUESTS_CA_BUNDLE": str(folder / "server.crt"),
        }.items():
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="models")
        client.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
        client.put_object(Bucket="models", Key="ocr/1/s3.safetensors", Body=FILES["s3"])
        models = {
            "hub": {"version": "1", "source": "hf://acme/ocr@v1", "include": ["*.safetensors"], "card": "required"},
            "s3": {"version": "1", "source": "s3://models/ocr/1/"},
            "oci": {"version": "1", "source": f"oci://{registry.name}/private/ocr@{digest}"},
        }
        yield World(folder, models, hub, registry)
    s3.stop()


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        for canary in SHOWN:
            assert canary not in text
        assert not SIGNED.search(text), SIGNED.search(text)


def written(root: Path) -> str:
    """All that lies below a folder, as text."""
    return "\n".join(
        f"{path} {path.read_bytes().decode('latin-1')}" for path in sorted(root.rglob("*")) if path.is_file()
    )


def test_private_models_reach_a_host_that_holds_no_credentials(world: World, target: Target) -> None:
    locked = world.lock()
    assert "?versionId=" in locked["s3"]["files"]["s3.safetensors"]["urls"][0]
    check = world.play(target, locked, "--check")
    assert (check.rc, check.result.get("changed", True)) == (0, True), check.output
    done = world.play(target, locked)
    assert done.rc == 0, done.output
    for name, content in FILES.items():
        assert (target.root / "models" / "sets" / name / "1" / f"{name}.safetensors").read_bytes() == content
    asked = len(world.registry.asked)
    again = world.play(target, locked)
    assert (again.rc, again.result["changed"]) == (0, False)
    assert len(world.registry.asked) == asked, "nothing is resolved when nothing has to be fetched"
    outputs = [run.output + json.dumps(run.result) for run in (check, done, again)]
    assert_no_secret(*outputs, *world.told, json.dumps(locked), written(target.root / "models"))
    assert not any("Bearer" in str(request.headers) for request in world.hub.asked("cdn"))


def test_a_source_that_nobody_needs_now_cannot_fail(
    world: World, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = world.lock()
    assert world.play(target, locked).rc == 0
    digest = locked["hub"]["files"]["hub.safetensors"]["checksum"].removeprefix("sha256:")
    (blob,) = (target.root / "models" / "blobs").rglob(digest)
    blob.unlink()
    (target.root / "models" / "sets" / "hub" / "1" / "hub.safetensors").unlink()
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    again = world.play(target, locked)
    assert (again.rc, again.result["changed"]) == (0, True), again.output[-3000:]


def test_a_failure_shows_no_secret_either(world: World, target: Target) -> None:
    locked = world.lock()
    for entry in locked.values():
        for file in entry["files"].values():
            file["checksum"] = f"sha256:{'00' * 32}"
    failed = world.play(target, locked)
    assert failed.rc != 0
    assert "sha256:0000" in failed.output
    assert_no_secret(failed.output, written(target.root / "models"))


@pytest.mark.parametrize("name", ["HF_TOKEN", "DOCKER_CONFIG", "AWS_ACCESS_KEY_ID"])
def test_a_missing_login_fails_on_the_controller_and_says_which(
    world: World, target: Target, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = world.lock()
    words = {"HF_TOKEN": "headers", "DOCKER_CONFIG": "docker login", "AWS_ACCESS_KEY_ID": "credentials"}
    if name == "AWS_ACCESS_KEY_ID":
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv(name, str(world.folder / "none")) if name == "DOCKER_CONFIG" else monkeypatch.delenv(name)
    failed = world.play(target, locked)
    assert failed.rc != 0
    assert words[name] in failed.output, failed.output[-3000:]
    assert_no_secret(failed.output)
    with pytest.raises(DrydockError) as caught:
        world.lock()
    assert_no_secret(caught.value.message)
