# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A model in the lab's real registry: pushed as an OCI artefact, locked by digest, fetched by its blobs."""

from __future__ import annotations

import hashlib
import json
import socket
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.sources import oci
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context, SetRequest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import resolve_models

from lab.ca import ensure_ca
from lab.checkout import this_checkout
from lab.engine import ensure_engine
from lab.services import REGISTRY, published_port

pytestmark = pytest.mark.lab
FILES = {"det.onnx": bytes(range(256)) * 4000, "deep/config.json": b'{"a": 1}'}
REPOSITORY = "models/test-source"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(origin: str, ca_path: str) -> str:
    """What ``oras push`` does: blobs, then a manifest that names them; its digest."""
    empty = b"{}"
    for content in (*FILES.values(), empty):
        started = requests.post(f"{origin}/v2/{REPOSITORY}/blobs/uploads/", verify=ca_path, timeout=30)
        started.raise_for_status()
        place = started.headers["Location"]
        place += ("&" if "?" in place else "?") + f"digest={digest_of(content)}"
        requests.put(place, data=content, verify=ca_path, timeout=60).raise_for_status()
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(empty), "size": 2},
        "layers": [
            {
                "mediaType": "application/octet-stream",
                "digest": digest_of(content),
                "size": len(content),
                "annotations": {"org.opencontainers.image.title": path},
            }
            for path, content in FILES.items()
        ],
    }
    body = json.dumps(manifest).encode()
    url = f"{origin}/v2/{REPOSITORY}/manifests/4.0"
    requests.put(url, data=body, headers={"Content-Type": kind}, verify=ca_path, timeout=30).raise_for_status()
    return digest_of(body)


@pytest.fixture(name="registry")
def _registry(lab: None, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The registry's name with the port by which this machine reaches it, and the file of its authority."""
    checkout = this_checkout()
    port = published_port(checkout, ensure_engine(checkout))
    look_up = socket.getaddrinfo

    def here(host: Any, *arguments: Any, **named: Any) -> Any:
        return look_up("127.0.0.1" if host == REGISTRY.fqdn else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    return f"{REGISTRY.fqdn}:{port}", str(ensure_ca(checkout).certificate)


def test_an_artefact_in_a_real_registry_is_locked_and_its_blobs_fetched(registry: tuple[str, str]) -> None:
    name, ca_path = registry
    digest = push(f"https://{name}", ca_path)
    backend = oci.backend(Context(environ={"HOME": "/nonexistent"}, ca_path=ca_path))
    for reference in (f"@{digest}", ":4.0"):
        source = f"oci://{name}/{REPOSITORY}{reference}"
        found = backend.resolve(SetRequest(name="t", version="4.0", where="models.t", source=source))
        assert found.source == f"oci://{name}/{REPOSITORY}@{digest}"
        assert {item.path: f"sha256:{item.sha256}" for item in found.files} == {
            path: digest_of(content) for path, content in FILES.items()
        }
    with found.files[0].open() as handle:
        handle.seek(-100, 2)
        assert handle.read() == FILES["det.onnx"][-100:]
    first = found.files[0]
    file = {"path": "a", "urls": [first.urls[0]], "checksum": f"sha256:{first.sha256}", "size": first.size}
    models = [{"name": "t", "version": "4.0", "files": [file]}]
    (model,), headers = resolve_models(models, headers={}, environ={"HOME": "/nonexistent"}, ca_path=ca_path)
    assert headers == {}
    answer = requests.get(model["files"][0]["urls"][0], verify=ca_path, timeout=30)
    assert digest_of(answer.content) == digest_of(FILES["det.onnx"])
