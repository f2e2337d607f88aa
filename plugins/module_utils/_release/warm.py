# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that served before and run on, so that going back to them takes no start.

``state/warm.json`` says whose they are and until when. They are reached by nobody: the edge does not lead to them, and
they are in no network under the name of their service.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record

SCHEMA = 1
READY_WITHIN = 5.0  # seconds that a container may need to answer when it was put back into a network
READY_INTERVAL = 0.05


@dataclass(frozen=True)
class Warm:
    """The note. ``of`` is the release that serves meanwhile; ``until`` a UTC time, or None for the next release."""

    release: str
    of: str
    until: str | None
    containers: tuple[str, ...]

    def holds(self, current: Record | None, now: str) -> bool:
        """Whether it still counts. Times are compared as they are written, in UTC."""
        return current is not None and current.identity == self.of and (self.until is None or now < self.until)

    def as_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "release": self.release,
            "of": self.of,
            "until": self.until,
            "containers": sorted(self.containers),
        }


def read_warm(layout: Layout) -> Warm | None:
    """The note; None without one, or where it cannot be read: then its containers are strays."""
    try:
        raw = json.loads(layout.warm.read_text(encoding="utf-8"))
        names = tuple(str(name) for name in raw["containers"])
        until = None if raw["until"] is None else str(raw["until"])
        return Warm(release=str(raw["release"]), of=str(raw["of"]), until=until, containers=names)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_warm(layout: Layout, warm: Warm | None) -> None:
    """Written before the release that it is about becomes current; without containers there is no note."""
    if warm is None or not warm.containers:
        layout.warm.unlink(missing_ok=True)
    else:
        write_json(layout.warm, warm.as_dict())


def end(layout: Layout, names: Collection[str] | None = None) -> None:
    """These containers, or all, are not kept any more; the next run stops them. Call it while holding the lease."""
    warm = read_warm(layout)
    if warm is not None:
        left = () if names is None else tuple(name for name in warm.containers if name not in names)
        write_warm(layout, replace(warm, containers=left))


def forget_stale(layout: Layout, current: Record | None, now: str) -> None:
    """Remove a note that does not count any more."""
    if not kept_now(layout, current, now):
        layout.warm.unlink(missing_ok=True)


def kept_now(layout: Layout, current: Record | None, now: str) -> frozenset[str]:
    """Names of the containers that are kept."""
    warm = read_warm(layout)
    return frozenset(warm.containers) if warm is not None and warm.holds(current, now) else frozenset()


def to_keep(current: Record | None, retired: Iterable[Retired], live: Iterable[Live]) -> tuple[Retired, ...]:
    """Those of the containers that no longer serve that are worth keeping: behind the edge, running and healthy.

    Others may do work by themselves, as workers of a queue do; two releases at once must not.
    """
    items = current.containers.values() if current else ()
    routed = {item["name"] for item in items if item["part"] != BASE and item.get("routes")}
    well = {item.name for item in live if item.state == "running" and not item.unhealthy}
    return tuple(replace(item, command=()) for item in retired if item.name in routed & well)


def fitting(target: Record, units: Iterable[Unit], live: Iterable[Live]) -> tuple[Unit, ...]:
    """Units whose container runs, is healthy and is the very one that the target was made of."""
    there = {item.name: item for item in live if item.state == "running" and not (item.unhealthy or item.starting)}
    found = []
    for unit in units:
        recorded: Mapping[str, Any] = target.containers.get(unit.name) or {}
        container = there.get(unit.container)
        same = recorded.get("name") == unit.container and bool(recorded.get("config_hash"))
        if same and container is not None and container.config_hash == recorded["config_hash"]:
            found.append(unit)
    return tuple(found)


def wait_ready(
    units: Iterable[Unit],
    ready: Callable[[str], bool],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Until the paths that say so answer; these containers have been ready before.

    :raises DrydockError: ``unhealthy``.
    """
    deadline = clock() + READY_WITHIN
    left = {unit.name: unit.url for unit in units if unit.url}
    while left:
        left = {name: url for name, url in left.items() if not ready(url)}
        if left and clock() >= deadline:
            told = ", ".join(f"{name} ({url})" for name, url in sorted(left.items()))
            raise DrydockError("unhealthy", f"Containers that were kept running are not ready any more: {told}.")
        if left:
            sleep(READY_INTERVAL)
