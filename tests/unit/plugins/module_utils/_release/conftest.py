# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared by the tests of releases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.plugins.module_utils._release.world import World


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No power fails in these tests; waiting for the disk is most of their time."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
