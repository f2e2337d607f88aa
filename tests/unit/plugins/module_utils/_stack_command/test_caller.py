# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the command speaks to whoever called it, also when nobody listens any more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller

from tests.unit.plugins.module_utils._release.world import World


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_what_is_done_goes_on_when_nobody_reads_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As after ``| head -1``, or with a terminal that was closed."""
    world = World(tmp_path)
    world.release()
    world.release(world.with_api(image="api:2"))
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        monkeypatch.setattr(sys, name, stream)
        world.back(on_step=caller.say if name == "stdout" else lambda step: caller.warn("demo", step))
    assert world.serving()["api"] == "api:1"
