# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release finds on the host: which of its containers run already, and which there nobody needs. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from ansible_collections.drydock.serving.plugins.module_utils._release.colours import unit_hash
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, COLOURS, Desired, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired, entry, retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record


@dataclass(frozen=True)
class Around:
    """Units by what happens to them, and containers that are not the release's; ``Plan`` tells what each is."""

    moved: tuple[Unit, ...]
    replaced: tuple[Unit, ...]
    stays: tuple[Unit, ...]
    blocking: tuple[Retired, ...]
    strays: tuple[Retired, ...]
    retired: tuple[Retired, ...]
    known: Mapping[str, Retired]  # by the container's name: what the releases on the host say of its end


def look_around(
    desired: Desired,
    current: Record | None,
    live: list[Live],
    versions: Mapping[str, str],
    records: list[Record],
    *,
    kept: Collection[str] = (),
    warm: Collection[str] = (),
) -> Around:
    """Compare the units of a release that have their colours with what is recorded and what is there.

    :param kept: containers of an earlier release that run on.
    :param warm: containers that run and are what the release wants.
    """
    recorded = current.containers if current else {}
    serving = {item["name"]: item for item in recorded.values()}
    fresh = [unit for unit in desired.units if unit.container not in serving]
    held = [unit for unit in desired.units if unit.container in serving]
    moved = tuple(unit for unit in fresh if unit.part != BASE)
    changed = [unit for unit in held if recorded[unit.name].get("hash") != unit_hash(desired, unit, versions)]
    replaced = (*(unit for unit in fresh if unit.part == BASE), *changed)
    known = {item["name"]: retired_from(item) for record in reversed(records) for item in record.containers.values()}
    known = {**{unit.container: retired_from(entry(unit)) for unit in _anywhere(desired)}, **known}
    wanted, coming = {unit.container for unit in desired.units}, {unit.container for unit in moved}
    unneeded = [item.name for item in live if item.name not in serving]
    return Around(
        moved=moved,
        replaced=replaced,
        stays=tuple(unit for unit in held if unit not in changed),
        blocking=tuple(known.get(name, Retired(name)) for name in unneeded if name in coming and name not in warm),
        strays=tuple(known.get(name, Retired(name)) for name in unneeded if name not in wanted and name not in kept),
        retired=tuple(retired_from(item) for name, item in serving.items() if name not in wanted),
        known=known,
    )


def _anywhere(desired: Desired) -> list[Unit]:
    """Each service in both colours with all its replicas: what a run that died may have left of it."""
    units = [unit for unit in (*desired.units, *desired.spares) if unit.part != BASE]
    return [replace(unit, part=colour) for unit in units for colour in COLOURS]
