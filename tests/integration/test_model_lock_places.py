# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook lock where files come from web servers and folders, and with inventories of every kind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.tests.integration.lock_site import (
    CARD,
    FILES,
    OCR,
    TOKEN,
    Site,
    hub_fixture,  # noqa: F401 - used by name
    sha256,
    site_fixture,  # noqa: F401 - used by name
    tensors,
)

from lab.hub import Hub, load


@pytest.fixture(name="web")
def _web(tmp_path: Path) -> Iterator[tuple[str, Path, list[str | None]]]:
    """Address, folder, and the Authorization of every request of a plain web server."""
    folder = tmp_path / "web"
    folder.mkdir()
    asked: list[str | None] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            asked.append(self.headers.get("Authorization"))

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder, asked
    server.shutdown()
    server.server_close()


def test_files_of_a_web_server_are_read_and_refused_when_they_change_under_a_version(
    site: Site, web: tuple[str, Path, list[str | None]]
) -> None:
    address, folder, asked = web
    (folder / "model.safetensors").write_bytes(tensors(1))
    (folder / "README.md").write_text(CARD)
    wanted: dict[str, Any] = {
        "version": "1",
        "files": [{"path": "model.safetensors", "urls": [f"{address}/gone", f"{address}/model.safetensors"]}],
        "card_url": f"{address}/README.md",
        "require": {"mAP": ">=0.82"},
        "mirrors": ["https://mirror.example.org/1/"],
    }
    site.want(web=wanted)
    done = site.run()
    assert done.rc == 0, done.output
    assert "models.web: model.safetensors: read over http://" in " ".join(done.output.split())
    [file] = site.lock["web"]["files"].values()
    assert (file["checksum"], file["size"]) == (sha256(tensors(1)), len(tensors(1)))
    assert file["urls"] == [*wanted["files"][0]["urls"], "https://mirror.example.org/1/model.safetensors"]

    (folder / "model.safetensors").write_bytes(tensors(2))
    refused = site.run()
    assert refused.rc != 0
    assert "under the same version 1" in refused.output
    site.want(web={**wanted, "version": "2"})
    headers = {"models_lock_headers": {address: {"Authorization": f"Bearer {TOKEN}"}}}
    (site.vars / "headers.yml").write_text(yaml.safe_dump(headers))
    assert site.run("-vvvv").rc == 0
    assert f"Bearer {TOKEN}" in asked
    site.want(web={**wanted, "version": "3", "files": [{**wanted["files"][0], "size": 5}]})
    assert "expected 5 bytes, but the source has" in site.run().output


def test_a_folder_is_locked_but_not_what_its_links_lead_to(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "model.safetensors").write_bytes(tensors(1))
    (folder / "inside.safetensors").symlink_to("sub/model.safetensors")
    site.want(local={"version": "1", "source": f"file://{folder}"})
    assert site.run().rc == 0
    assert set(site.lock["local"]["files"]) == {"inside.safetensors", "sub/model.safetensors"}
    (folder / "out.json").symlink_to("/etc/hostname")
    (folder / "etc").symlink_to("/etc")
    os.mkfifo(folder / "pipe.json")
    refused = site.run()
    assert refused.rc != 0
    for expected in ("out.json is a link that leads out", "etc is a link to a folder", "pipe.json is not a file"):
        assert expected in refused.output


def test_an_inventory_without_models_or_hosts_is_refused(site: Site) -> None:
    assert "there is nothing to lock" in site.run().output
    names = site.run("-i", "one.example.org,", inventory="", drydock_hosts="all", models={"ocr": OCR})
    assert names.rc != 0
    assert "models_lock_file=PATH" in names.output
    other = site.run(drydock_hosts="nobody")
    assert other.rc != 0
    assert "No host matches 'nobody'" in other.output


def test_hosts_that_want_different_models_are_locked_group_by_group(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    site.want(ocr=OCR)
    assert site.run().rc == 0
    before = site.path.read_bytes()
    own = site.folder / "host_vars"
    own.mkdir()
    (own / "two.example.org.yml").write_text(yaml.safe_dump({"models": {"other": OCR}}))
    for limit in ((), ("--limit", "two.example.org")):
        refused = site.run(*limit)
        assert refused.rc != 0
        assert "want different models" in refused.output
    assert site.path.read_bytes() == before
    alone = {"drydock_hosts": "two.example.org", "models_lock_file": str(own / "lock.yml")}
    assert site.run(**alone).rc == 0
    assert set(yaml.safe_load((own / "lock.yml").read_text())["models_lock"]) == {"other"}
    (own / "two.example.org.yml").write_text("models: {}\n")  # hosts without models do not count
    assert site.run().rc == 0


def test_a_lock_that_is_something_else_is_not_overwritten(site: Site, hub: Hub) -> None:
    hub.commit("acme/ocr", FILES, tag="v4.0")
    site.want(ocr=OCR)
    site.path.write_text("secrets: 5\n")
    refused = site.run()
    assert refused.rc != 0
    assert "something other than the variable 'models_lock'" in refused.output
    assert site.path.read_text() == "secrets: 5\n"


def test_the_stand_in_answers_as_the_library_expects_of_a_hub(hub: Hub, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    for path, content in FILES.items():
        place = tmp_path / "tree" / "acme" / "ocr" / "v4.0" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    load(hub, tmp_path / "tree")
    script = (
        "import sys, json, huggingface_hub as h\n"
        "endpoint, folder = sys.argv[1:]\n"
        "url = h.hf_hub_url('acme/ocr', 'onnx/model.safetensors', revision='v4.0', endpoint=endpoint)\n"
        "seen = h.get_hf_file_metadata(url)\n"
        "info = h.HfApi(endpoint=endpoint).model_info('acme/ocr', revision='v4.0', files_metadata=True)\n"
        "h.snapshot_download('acme/ocr', revision='v4.0', endpoint=endpoint, local_dir=folder)\n"
        "sizes = {item.rfilename: item.size for item in info.siblings}\n"
        "print(json.dumps([seen.commit_hash == info.sha, seen.etag, seen.size, sizes]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, hub.endpoint, str(tmp_path / "out")],
        env={**os.environ, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    same, etag, size, sizes = json.loads(done.stdout)
    content = FILES["onnx/model.safetensors"]
    assert (same, f"sha256:{etag}", size) == (True, sha256(content), len(content))
    assert sizes == {path: len(content) for path, content in FILES.items()}
    assert {path: (tmp_path / "out" / path).read_bytes() for path in FILES} == FILES
    assert huggingface_hub.__version__
