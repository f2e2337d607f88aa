# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by every level of tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def lab() -> None:
    """The lab is up: engine, image registry, model origin and the host lab-1. ``make lab-down`` ends it."""
    subprocess.run([str(ROOT / ".venv" / "bin" / "python"), "-m", "lab", "up"], cwd=ROOT, check=True, timeout=900)
