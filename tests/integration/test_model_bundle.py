# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock and bundle a model of the lab's stand-in hub, stop the hub, restore a host from the archive alone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.hub import Hub, serving
from tests.unit.plugins.module_utils._formats.samples import JSON, onnx, safetensors, tensor

ROOT = Path(__file__).resolve().parents[2]
SIZE = 6_000_000
FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n# OCR\n",
    "config.json": JSON,
    "det.onnx": onnx(),
    "model.safetensors": safetensors({"a": tensor("U8", [SIZE], 0, SIZE)}, bytes(range(250)) * (SIZE // 250)),
}


class Site:
    """An inventory of one host, which is this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bundle = root / "usb" / "models.tar"
        self.bundle.parent.mkdir()
        self.endpoint = ""
        self.variables = root / "group_vars" / "all"
        self.variables.mkdir(parents=True)
        (root / "hosts.yml").write_text("drydock: {hosts: {one.example.org: {}, two.example.org: {}}}\n")
        wanted = {"ocr": {"version": "4.0", "source": "hf://acme/ocr@v4.0"}}
        api = {
            "image": f"registry.example.org/ocr@sha256:{'ab' * 32}",
            "port": 8000,
            "routes": ["/"],
            "models": ["ocr"],
        }
        stack = {"name": "ocr", "environment": "lab", "domain": "ocr.example.org", "services": {"api": api}}
        (self.variables / "site.yml").write_text(yaml.safe_dump({"models": wanted, "stack": stack}))

    def play(self, playbook: str, *options: str, **variables: Any) -> tuple[int, str]:
        settings = self.root / "ansible.cfg"
        settings.write_text("[defaults]\nlocalhost_warning = false\n")
        known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "AWS_"))}
        extra = {"ansible_python_interpreter": sys.executable, "bundle": str(self.bundle), **variables}
        done = subprocess.run(
            [
                *(str(Path(sys.executable).parent / "ansible-playbook"), playbook, "-i", str(self.root / "hosts.yml")),
                *("-e", json.dumps(extra), *options),
            ],
            cwd=self.root,
            env={
                **known,
                "ANSIBLE_CONFIG": str(settings),
                "ANSIBLE_NOCOLOR": "1",
                "HF_ENDPOINT": self.endpoint,
                "HOME": str(self.root / "home"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout

    def make(self, *options: str) -> tuple[int, str]:
        return self.play("drydock.serving.bundle", *options)

    def restore(self) -> dict[str, Any]:
        """What model_sync says on the one host."""
        code, output = self.play(
            str(Path(__file__).parent / "targets" / "model_bundle" / "playbook.yml"),
            *("--limit", "one.example.org"),
            root=str(self.root),
            owner=str(os.getuid()),
            group=str(os.getgid()),
        )
        assert code == 0, output
        result: dict[str, Any] = json.loads((self.root / "result.json").read_text())
        return result


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Site:
    """Locked and bundled; the hub is gone."""
    site = Site(tmp_path)
    with serving(Hub(token="unused")) as hub:
        site.endpoint = hub.endpoint
        hub.commit("acme/ocr", FILES, tag="v4.0")
        code, output = site.play("drydock.serving.lock")
        assert code == 0, output
        code, output = site.make("--check")
        assert (code, "changed=1" in output, site.bundle.exists()) == (0, True, False), output
        code, output = site.make()
        assert (code, "changed=1" in output) == (0, True), output
    return site


def test_a_host_is_restored_from_the_bundle_alone(site: Site) -> None:
    done = site.restore()
    assert (done["changed"], done["bytes_fetched"]) == (True, sum(map(len, FILES.values())))
    place = site.root / "models" / "sets" / "ocr" / "current"
    assert {path: (place / path).read_bytes() for path in FILES} == FILES
    again = site.restore()
    assert (again["changed"], again["bytes_fetched"]) == (False, 0)


def test_a_second_bundle_asks_nobody_and_changes_nothing_and_a_lost_one_is_made_from_the_cache(site: Site) -> None:
    before = site.bundle.read_bytes()
    code, output = site.make()
    assert (code, "changed=0" in output) == (0, True), output
    site.bundle.unlink()
    code, output = site.make()
    assert (code, "changed=1" in output) == (0, True), output
    assert site.bundle.read_bytes() == before
    assert (site.root / "home" / ".cache" / "drydock" / "models" / "blobs").is_dir()


def test_the_lock_can_be_taken_out_with_tar(site: Site) -> None:
    with tarfile.open(site.bundle) as archive:
        member = archive.extractfile("models.lock.yml")
        assert member is not None
        assert yaml.safe_load(member.read()) == yaml.safe_load((site.variables / "models.lock.yml").read_bytes())


def test_wrong_bytes_in_a_bundle_never_become_a_file(site: Site) -> None:
    content = site.bundle.read_bytes()
    place = content.index(bytes(range(250))) + 1_000_000
    site.bundle.chmod(0o600)
    site.bundle.write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    with pytest.raises(AssertionError, match="expected sha256:"):
        site.restore()
    digest = hashlib.sha256(FILES["model.safetensors"]).hexdigest()
    assert not (site.root / "models" / "blobs" / "sha256" / digest[:2] / digest).exists()
    assert not (site.root / "models" / "sets" / "ocr" / "current").exists()


def test_a_run_without_an_archive_says_what_to_give(tmp_path: Path) -> None:
    site = Site(tmp_path)
    code, output = site.play("drydock.serving.bundle", "-e", '{"bundle": null}', "--extra-vars", "drydock_hosts=nobody")
    assert code != 0
    assert "Say where the archive goes" in output
