# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A controller with an inventory, and the lab's stand-in hub, for tests of the playbook lock."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.hub import Hub, serving

TOKEN = "hf_canaryCANARYcanary0123456789"
CARD = """---
license: apache-2.0
model-index:
- name: ocr
  results:
  - metrics:
    - {type: mAP, value: 0.82}
    - {type: accuracy, value: 0.9}
    - {type: accuracy, value: 0.6}
---
# OCR
"""


def tensors(number: int) -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    return struct.pack("<Q", len(header)) + header + struct.pack("<4f", *[number] * 4)


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


FILES = {
    "README.md": CARD.encode(),
    "config.json": b'{"hidden_size": 4}',
    "onnx/model.safetensors": tensors(1),
}
OCR = {"version": "4.0", "source": "hf://acme/ocr@v4.0"}


@dataclass
class Run:
    """The outcome of one run, and what the module returned as far as it shows."""

    rc: int
    output: str

    @property
    def changed(self) -> bool:
        return "changed=1" in self.output


class Site:
    """An inventory with its own lock."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self.hub = hub
        self.vars = folder / "group_vars" / "all"
        self.vars.mkdir(parents=True)
        (folder / "hosts.yml").write_text("drydock: {hosts: {one.example.org: {}, two.example.org: {}}}\n")

    @property
    def path(self) -> Path:
        return self.vars / "models.lock.yml"

    @property
    def lock(self) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(self.path.read_bytes())["models_lock"]
        return found

    def want(self, **models: Mapping[str, Any]) -> None:
        (self.vars / "models.yml").write_text(yaml.safe_dump({"models": models}))

    def start(
        self,
        *options: str,
        playbook: str = "drydock.serving.lock",
        inventory: str = "hosts.yml",
        environ: Mapping[str, str] | None = None,
        **variables: Any,
    ) -> Any:
        settings = self.folder / "ansible.cfg"
        settings.write_text("[defaults]\nlocalhost_warning = false\n")
        known = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "AWS_"))}
        return subprocess.Popen(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *(playbook, "-e", json.dumps(variables)),
                *(("-i", str(self.folder / inventory)) if inventory else ()),
                *options,
            ],
            cwd=self.folder,
            env={
                **known,
                "ANSIBLE_CONFIG": str(settings),
                "ANSIBLE_NOCOLOR": "1",
                "HF_ENDPOINT": self.hub.endpoint,
                **(environ or {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *options: str, **settings: Any) -> Run:
        process = self.start(*options, **settings)
        output, _nothing = process.communicate(timeout=120)
        assert TOKEN not in output
        assert not self.path.exists() or TOKEN not in self.path.read_text()
        return Run(rc=process.returncode, output=output)


@pytest.fixture(name="hub")
def hub_fixture() -> Iterator[Hub]:
    with serving(Hub(token=TOKEN)) as hub:
        yield hub


@pytest.fixture(name="site")
def site_fixture(tmp_path: Path, hub: Hub) -> Site:
    return Site(tmp_path / "site", hub)
