# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module on this machine, shown while its task waits for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._health_job.kind import POLLING
from ansible_collections.drydock.serving.plugins.plugin_utils._job.beside import look_until, shown_beside
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Stage
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Told


def rounds(*meanwhile: Callable[[], object]) -> Callable[[float], bool]:
    """A wait in which this happens, one thing a time; then it is over."""
    left = list(meanwhile)

    def wait(_seconds: float) -> bool:
        if not left:
            return True
        left.pop(0)()
        return False

    return wait


def test_each_look_shows_what_is_there_and_what_is_no_status_is_passed_over(tmp_path: Path) -> None:
    path, told = tmp_path / "status.json", Told()

    def write(text: str) -> Callable[[], object]:
        return lambda: path.write_text(text)

    wait = rounds(
        lambda: None,
        write(json.dumps({"step": "polls", "elapsed": 1})),
        write("{"),
        write(json.dumps({"step": "polls", "elapsed": 2})),
        lambda: path.write_bytes(b"\xff"),
    )
    look_until(wait, path, POLLING, told)
    assert told.shown == [Stage(step="polls", elapsed=1.0), Stage(step="polls", elapsed=2.0)]


def test_it_ends_with_the_block(tmp_path: Path) -> None:
    told = Told()
    with shown_beside(tmp_path / "missing" / "status.json", POLLING, told):
        pass
    assert told.shown == []
