# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What whoever waits for a verb is told meanwhile: seldom enough to read, often enough to know that it lives."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.lines import Lines

from tests.unit.plugins.module_utils._health.fakes import FakeClock
from tests.unit.plugins.module_utils._release.world import World


def listening(said: list[str], clock: FakeClock) -> Progress:
    return Progress(clock=clock, listen=Lines(said.append, clock=clock))


def test_a_long_step_says_every_ten_seconds_what_it_waits_for_and_at_its_end_how_long_it_took() -> None:
    said, clock = list[str](), FakeClock()
    progress = listening(said, clock)
    progress.step("up", 1, 3)
    clock.now += 0.5
    progress.step("healthy", 2, 3)
    progress.tell("1 of 3 healthy, waits for api")
    for _look in range(25):
        clock.now += 1
        progress.ask(None)  # as each sign of life
    progress.step("switch", 3, 3)
    assert said == [
        "healthy for 10 s: 1 of 3 healthy, waits for api",
        "healthy for 20 s: 1 of 3 healthy, waits for api",
        "healthy: 25.0 s",
    ]


def test_it_is_told_also_where_there_is_no_status_file(tmp_path: Path) -> None:
    said, clock = list[str](), FakeClock()
    progress = listening(said, clock)
    with progress.shown(tmp_path / "missing" / "job", {}):
        progress.step("drain", 0, 0)
        clock.now += 2
        progress.step("stop", 0, 0)
    assert said == ["drain: 2.0 s"]


def test_a_rollback_tells_the_steps_that_take_time(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.release()
    world.release(world.with_api(image="api:2"))
    said = list[str]()
    progress = listening(said, world.clock)

    def late(step: str) -> None:
        progress.step(step, 0, 0)
        world.clock.now += 3 if step == "up" else 0

    world.back(on_step=late)
    assert "up: 3.0 s" in said
