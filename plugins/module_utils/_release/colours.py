# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which colour each service of a release has. Pure; ``docs/releases.md`` says why.

A service that is the same as in the release that serves stays where it is; one that differs comes up in the other
colour, beside the old one. So one release may have services of both colours.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from ansible_collections.drydock.serving.plugins.module_utils._release.desired import (
    BASE,
    BLUE,
    COLOURS,
    GREEN,
    Desired,
    Unit,
    compose_file,
    digest,
    sha256,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record

_BLOCK = re.compile(r"  (?P<name>[a-z][a-z0-9-]*):\s*")


def other(colour: str) -> str:
    return GREEN if colour == BLUE else BLUE


def fragment(text: str, name: str, names: Collection[str]) -> str:
    """The part of a Compose file that says something about one service.

    That is its own block, and every line that is in no block of another service. A host has no YAML library: the file
    is expected to have its services in block style, two spaces in. Where it has not, all of it counts for each service.
    """
    own: list[str] = []
    common: list[str] = []
    owner = ""
    for line in text.splitlines():
        block = _BLOCK.fullmatch(line)
        if block and block.group("name") in names:
            owner = block.group("name")
        elif line.strip() and not line.startswith("   "):
            owner = ""
        if owner == name:
            own.append(line)
        elif not owner and line.strip():
            common.append(line)
    return "\n".join([*common, *own]).rstrip() if own else text


def unit_hash(desired: Desired, unit: Unit, versions: Mapping[str, str]) -> str:
    """Equal for two runs in which this unit's container would be the same, whatever its colour.

    :param versions: service -> the version of its secrets.
    """
    names = desired.blocks(base=unit.part == BASE)
    text = desired.files.get(compose_file(unit.part), b"").decode("utf-8")
    return digest(
        {
            "compose": sha256(fragment(text, unit.name, names).encode("utf-8")),
            "image": unit.image,
            "config": str(desired.config_dir(unit)),
            "secrets": versions.get(unit.service, ""),
            "models": desired.models_version(unit),
            "ports": dict(unit.ports),
        }
    )


def place(
    desired: Desired,
    current: Record | None,
    versions: Mapping[str, str],
    running: Iterable[str],
    *,
    back_to: Record | None = None,
) -> Desired:
    """Give every service its colour.

    :param running: names of containers that run. They count only where no record says what serves.
    :param back_to: the release that is gone back to; a service that what serves does not have comes up where it was.
    """
    names = set(running)
    earlier = back_to.containers if back_to else {}

    def placed(unit: Unit) -> Unit:
        if unit.part == BASE:
            return unit
        recorded = current.containers.get(unit.name) if current else None
        if recorded is None and (earlier.get(unit.name) or {}).get("part") in COLOURS:
            return replace(unit, part=earlier[unit.name]["part"])
        if recorded is None or recorded["part"] not in COLOURS:
            taken = current is None and replace(unit, part=BLUE).container in names
            return replace(unit, part=_new_colour(current) if not taken else GREEN)
        same = recorded.get("hash") == unit_hash(desired, unit, versions)
        stays = same or unit.published  # a published port cannot be held by two containers: replaced where it is
        return replace(unit, part=recorded["part"] if stays else other(recorded["part"]))

    return replace(desired, units=_beside_their_first(tuple(placed(unit) for unit in desired.units), current))


def _beside_their_first(units: tuple[Unit, ...], current: Record | None) -> tuple[Unit, ...]:
    """A replica that there was none of comes up in the colour that the service's first one has."""
    recorded = current.containers if current else {}
    colours = {unit.name: unit.part for unit in units}
    return tuple(
        replace(unit, part=colours[unit.service]) if not unit.first and unit.name not in recorded else unit
        for unit in units
    )


def _new_colour(current: Record | None) -> str:
    """A service that is new comes up where most of the others are."""
    parts = [item["part"] for name, item in current.containers.items()] if current else []
    return GREEN if parts.count(GREEN) > parts.count(BLUE) else BLUE


def stay(desired: Desired, current: Record) -> Desired:
    """Every service in its recorded colour: for a release that serves already."""
    parts = {name: item["part"] for name, item in current.containers.items()}
    return replace(
        desired,
        units=tuple(
            unit if unit.part == BASE else replace(unit, part=parts.get(unit.name, unit.part)) for unit in desired.units
        ),
    )
