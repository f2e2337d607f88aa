# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by every level of tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]

# Whatever the tests start finds this checkout's own programs first, and keeps Ansible's working files in the checkout:
# Molecule's would otherwise be shared by every checkout of the same folder name.
os.environ["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
os.environ["ANSIBLE_HOME"] = str(ROOT / ".ansible")
os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")

# How long an example takes says more about the machine than about the code.
settings.register_profile("drydock", deadline=None)
settings.load_profile("drydock")


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab is up: engine, image registry, model origin and the host lab-1. ``make lab-down`` ends it."""
    subprocess.run([str(ROOT / ".venv" / "bin" / "python"), "-m", "lab", "up"], cwd=ROOT, check=True, timeout=900)


class ByHost(LoadScopeScheduling):  # type: ignore[misc]  # xdist's schedulers carry no types
    """What shares a host or costly fixtures runs in turn in one worker; a Molecule scenario has hosts of its own."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith("tests/lab/"):
            return "tests/lab"
        if nodeid.startswith("tests/molecule/"):
            return nodeid
        return nodeid.split("::", 1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByHost:
    """Used with ``--numprocesses``."""
    return ByHost(config, log)
