# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Preflight stops at models that do not pass before it talks to any host: the example inventory, spoilt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
Change = Callable[[dict[str, Any], dict[str, Any]], None]


def spoil(models: dict[str, Any], locked: dict[str, Any]) -> None:
    """Several things at once."""
    models["licenses"] = ["mit"]
    models["require"] = {"mAP": ">0.7"}
    models["signature"] = {"required": True, "method": "key", "public_key": "../keys/ocr.pub"}
    models["minimum_size"] = "1 MB"


def outdate(models: dict[str, Any], locked: dict[str, Any]) -> None:
    models["source"] = "hf://acme/ocr@v5.0"


def replace_the_key(models: dict[str, Any], locked: dict[str, Any]) -> None:
    models["signature"] = {"required": True, "method": "key", "public_key": "../keys/ocr.pub"}
    locked["signature"] = {"state": "verified", "method": "key", "trusted": f"sha256:{'0' * 64}"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            spoil,
            [
                "The stack has 4 problems; nothing was touched",
                "models.ocr.licenses: expected one of mit, found apache-2.0",
                "models.ocr.require.mAP: expected >0.7, but the model card has no such metric",
                "models.ocr.signature: a verified signature is required, and its state is 'unchecked'",
                "models.ocr.files.cls.onnx: has 585532 bytes, and at least 1000000 are demanded",
            ],
        ),
        (outdate, ["models_lock.ocr.requested:", "ansible-playbook drydock.serving.lock -i"]),
        (
            replace_the_key,
            [
                "The stack has 1 problem; nothing was touched",
                "models.ocr.signature.public_key: has other content than when the model was locked",
            ],
        ),
    ],
    ids=["gates", "another source", "another key"],
)
def test_models_that_do_not_pass_stop_the_run_before_any_host(tmp_path: Path, change: Change, said: list[str]) -> None:
    site = tmp_path / "site"
    shutil.copytree(ROOT / "inventories" / "prod", site)
    place = site / "group_vars" / "all"
    wanted = yaml.safe_load((place / "models.yml").read_text())
    locked = yaml.safe_load((place / "models.lock.yml").read_text())
    change(wanted["models"]["ocr"], locked["models_lock"]["ocr"])
    (place / "models.yml").write_text(yaml.safe_dump(wanted))
    (place / "models.lock.yml").write_text(yaml.safe_dump(locked))
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ocr.pub").write_text("-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n")
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            str(ROOT / "playbooks" / "preflight.yml"),
            "-i",
            str(site),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    for words in said:
        assert words in done.stdout.replace("\\n", "\n").replace('\\"', '"'), done.stdout
    assert "UNREACHABLE" not in done.stdout
    assert "Check the host" not in done.stdout
