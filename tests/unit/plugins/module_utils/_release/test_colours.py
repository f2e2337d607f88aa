# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a Compose file is about one service, and what makes a service another one."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import fragment, unit_hash

from tests.unit.plugins.module_utils._release.world import World

FILE = """\
# a comment for all
services:
  api:
    image: api:1

    command: [a]
  worker:
    image: worker:1
networks:
  default: {name: x}
"""
NAMES = {"api", "worker"}


def test_a_fragment_is_the_own_block_and_what_is_common() -> None:
    assert fragment(FILE, "api", NAMES) == "\n".join(
        [
            "# a comment for all",
            "services:",
            "networks:",
            "  default: {name: x}",
            "  api:",
            "    image: api:1",
            "",
            "    command: [a]",
        ]
    )


@pytest.mark.parametrize(
    ("before", "after", "touched"),
    [
        ("worker:1", "worker:2", {"worker"}),
        ("[a]", "[b]", {"api"}),
        ("name: x", "name: y", {"api", "worker"}),
        ("for all", "for everyone", {"api", "worker"}),
    ],
)
def test_a_change_touches_who_it_is_about(before: str, after: str, touched: set[str]) -> None:
    changed = FILE.replace(before, after)
    assert {name for name in NAMES if fragment(FILE, name, NAMES) != fragment(changed, name, NAMES)} == touched


def test_another_service_more_touches_nobody_else() -> None:
    longer = FILE.replace("networks:", "  zeta:\n    image: z\n\nnetworks:")
    assert fragment(longer, "api", NAMES | {"zeta"}) == fragment(FILE, "api", NAMES)


@pytest.mark.parametrize(
    "text", ['{"services": {"api": {}, "worker": {}}}', "services:\n    api:\n        image: x\n    worker: {}\n"]
)
def test_a_file_of_another_style_counts_as_a_whole(text: str) -> None:
    assert fragment(text, "api", NAMES) == text


@pytest.mark.parametrize(
    ("change", "moves"),
    [
        ({"image": "api:2"}, True),
        ({"environment": {"A": "1"}}, True),
        ({"host_ports": {"blue": 1, "green": 2}}, True),
        ({"health": {"path": "/other", "timeout": 9}}, False),
        ({"routes": ["/v2"]}, False),
        ({"drain": {"timeout": 5}}, False),
    ],
)
def test_a_service_is_another_one_when_its_container_would_be(
    world: World, change: dict[str, Any], moves: bool
) -> None:
    one, two = world.desired(world.stack), world.desired(world.with_api(**change))
    hashes = {unit_hash(desired, desired.of("blue")[0], {}) for desired in (one, two)}
    assert (len(hashes) == 2) is moves


def test_a_service_is_another_one_with_other_secrets_but_not_in_another_colour(world: World) -> None:
    desired = world.desired(world.stack)
    (unit,) = desired.of("blue")
    assert unit_hash(desired, unit, {"api": "v1"}) != unit_hash(desired, unit, {"api": "v2"})
    assert unit_hash(desired, unit, {"db": "v1"}) == unit_hash(desired, unit, {"db": "v2"})
