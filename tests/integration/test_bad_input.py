# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes in an inventory end the run before any host is connected to; the inventories that ship are right."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def preflight(tmp_path: Path, spoil: Any, *, site: str = "prod") -> tuple[int, str]:
    """Run the preflight playbook with the inventory of a site, spoilt first. Nothing answers at its addresses."""
    inventory = tmp_path / "inventory"
    folder = inventory / "group_vars" / "all"
    folder.mkdir(parents=True)
    (inventory / "hosts.yml").write_text((ROOT / "inventories" / site / "hosts.yml").read_text())
    values: dict[str, Any] = {}
    for path in (ROOT / "inventories" / site / "group_vars" / "all").glob("*.yml"):
        values.update(yaml.safe_load(path.read_text()))
    spoil(values)
    (folder / "all.yml").write_text(yaml.safe_dump(values))
    command = [str(ROOT / ".venv" / "bin" / "ansible-playbook"), "-i", str(inventory), "site.yml", "--tags", "none"]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return result.returncode, " ".join(result.stdout.split())


@pytest.mark.parametrize("site", ["prod", "staging"])
def test_the_inventories_that_ship_have_no_violation(tmp_path: Path, site: str) -> None:
    code, output = preflight(tmp_path, lambda _values: None, site=site)
    assert code == 0, output


def unknown_key(values: dict[str, Any]) -> None:
    values["stack"]["services"]["api"]["resources"]["memroy"] = "1g"


def port_twice(values: dict[str, Any]) -> None:
    for name in ("api", "worker"):
        values["stack"]["services"][name]["publish"] = [{"port": 9000}]


def no_digest(values: dict[str, Any]) -> None:
    url = "https://models.example.org/ocr/4.0/det.onnx"
    values["models"]["ocr"] = {"version": "4.0", "files": [{"path": "det.onnx", "urls": [url], "size": 4745517}]}
    del values["models_lock"]


def no_stack(values: dict[str, Any]) -> None:
    del values["stack"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (unknown_key, "stack.services.api.resources.memroy: is not a known key. Allowed: cpus, memory. Did you mean"),
        (port_twice, "stack.services.worker.publish[0].port: port 9000/tcp is taken by stack.services.api.publish[0]"),
        (no_digest, "models.ocr.files[0]: 'det.onnx' has no checksum"),
        (no_stack, "stack: is not set for this host. Describe it in the inventory"),
    ],
)
def test_a_mistake_is_told_with_its_path_before_any_host_is_looked_at(tmp_path: Path, spoil: Any, said: str) -> None:
    code, output = preflight(tmp_path, spoil)
    assert code == 2
    assert said in output
    assert "nothing was touched" in output
    assert "UNREACHABLE" not in output


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    def spoil(values: dict[str, Any]) -> None:
        unknown_key(values)
        no_digest(values)

    assert "The stack has 2 problems" in preflight(tmp_path, spoil)[1]


def test_an_inventory_without_the_group_is_no_success(tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {hosts: {db-1: {}}}\n")
    result = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "ansible-playbook"), "-i", str(inventory), "site.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode != 0
    assert "No host matches 'drydock', so nothing would be deployed." in " ".join(
        (result.stdout + result.stderr).split()
    )
