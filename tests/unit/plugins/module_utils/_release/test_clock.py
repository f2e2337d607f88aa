# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases are named by the time, and a host's clock may be set back: what came last is still the last."""

from __future__ import annotations

import json

from ansible_collections.drydock.serving.plugins.module_utils._release.record import all_records, sequence

from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.world import World


def releases(world: World) -> list[str]:
    return [record.identity for record in all_records(world.desired(world.stack).layout)]


def test_releases_are_in_the_order_they_were_made_in(world: World) -> None:
    world.number = 500
    world.release()
    world.release(world.with_api(environment={"N": "1"}))
    world.number = 100
    world.release(world.with_api(environment={"N": "2"}))
    assert releases(world) == ["r101", "r502", "r501"]
    assert [sequence(record) for record in all_records(world.desired(world.stack).layout)] == [3, 2, 1]


def test_what_is_kept_is_what_was_made_last(world: World) -> None:
    world.number = 500
    for count in range(4):
        world.release(world.with_api(environment={"N": str(count)}))
    world.number = 100
    result = world.release(world.with_api(environment={"N": "last"}), keep=2)
    assert releases(world) == ["r101", "r504"]
    assert sorted(result["pruned"]) == ["r501", "r502", "r503"]
    consistent(world)


def test_a_second_that_comes_twice_does_not_touch_the_release_that_was_made_in_it(world: World) -> None:
    world.release()
    world.number = 0
    world.release(world.with_api(environment={"N": "1"}))
    assert releases(world) == ["r001-2", "r001"]
    assert world.current.rest["previous"] == "r001"
    consistent(world)
    world.number = 0
    world.docker.invalid = True
    world.failing(world.with_api(environment={"N": "2"}))
    assert releases(world) == ["r001-2", "r001"]


def test_releases_of_a_version_that_did_not_count_come_before_those_of_one_that_does(world: World) -> None:
    world.release()
    path = world.root / "current" / "release.json"
    raw = json.loads(path.read_text())
    del raw["sequence"]
    path.write_text(json.dumps(raw))
    world.release(world.with_api(environment={"N": "1"}))
    assert releases(world) == ["r002", "r001"]
    assert sequence(world.current) == 1
