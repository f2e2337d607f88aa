# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of a whole deployment: site.yml on the lab's own host, judged from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
INVENTORY = "inventories/lab"
HOST = "lab-1"


@dataclass(frozen=True)
class Run:
    """One ansible-playbook run: exit status, output, seconds."""

    code: int
    output: str
    seconds: float

    def recap(self, host: str = HOST) -> dict[str, int]:
        """The host's line of the play recap; empty when it has none."""
        found = re.search(rf"^{re.escape(host)}\s+: (.*)$", self.output, re.MULTILINE)
        return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", found.group(1))} if found else {}

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that ran or were skipped, in order."""
        return re.findall(r"^TASK \[(.*?)\] \*", self.output, re.MULTILINE)


Playbook = Callable[..., Run]


def run_playbook(*arguments: str, inventory: str = INVENTORY, timeout: int = 900) -> Run:
    started = time.monotonic()
    result = subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", inventory, *arguments],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Run(result.returncode, result.stdout, time.monotonic() - started)


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    """Run a playbook of this checkout against the lab."""
    return run_playbook


@pytest.fixture(scope="session")
def deployed(lab: None) -> Run:
    """The lab's host after ``make demo``, the README's own command; its output for whoever wants to look at it."""
    started = time.monotonic()
    result = subprocess.run(
        ["make", "demo"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    run = Run(result.returncode, result.stdout, time.monotonic() - started)
    assert run.code == 0, run.output[-12000:]
    return run


@pytest.fixture(scope="session")
def facts(lab: None) -> dict[str, Any]:
    """What the lab's inventory says about its host, every variable resolved."""
    listed = subprocess.run(
        [str(BIN / "ansible-inventory"), "-i", INVENTORY, "--host", HOST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(listed.stdout)
    return found


@pytest.fixture(scope="session")
def host(deployed: Run) -> Any:
    """The deployed host over SSH, as the operator's user with sudo."""
    return testinfra.get_host(f"ansible://{HOST}?ansible_inventory={ROOT / INVENTORY}&sudo=true")
