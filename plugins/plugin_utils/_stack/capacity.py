# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stack needs of a host, and whether a host has it. Used by the filter and by the host check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import AUTO, MOST, replicas_for

MIB = 1024**2


@dataclass(frozen=True)
class Host:
    """What a host has: bytes of memory, processors."""

    memory: int
    cpus: float


def size(count: float) -> str:
    """Bytes for people."""
    for unit, factor in (("GiB", 1024**3), ("MiB", MIB), ("KiB", 1024)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}".replace(".0 ", " ")
    return f"{count:g} bytes"


def totals(units: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The sums over ``{path: unit}`` with all replicas, and the largest share of processors one of them wants.

    ``auto`` lists, each once, what has as many replicas as the host has cores for: its resources and its ``max``.
    """
    return {
        "memory": sum(_times(unit) * unit["resources"]["memory"] for unit in units.values()),
        "cpus": round(sum(_times(unit) * unit["resources"]["cpus"] for unit in units.values()), 3),
        "largest_cpus": max((unit["resources"]["cpus"] for unit in units.values()), default=0.0),
        "auto": [{**unit["resources"], "max": _replicas(unit)["max"]} for unit in units.values() if not _times(unit)],
    }


def _replicas(unit: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = unit.get("replicas") or {"count": 1, "max": None}
    return found


def _times(unit: Mapping[str, Any]) -> int:
    """How often a unit runs; 0 where only its host tells."""
    count = _replicas(unit)["count"]
    return 0 if count == AUTO else int(count)


def on_host(needed: Mapping[str, Any], cpus: float) -> dict[str, Any]:
    """The totals with the replicas that a host with so many cores has."""
    auto = [(min(replicas_for(cpus), item["max"] or MOST), item) for item in needed.get("auto") or ()]
    return {
        **needed,
        "memory": needed["memory"] + sum(times * item["memory"] for times, item in auto),
        "cpus": round(needed["cpus"] + sum(times * item["cpus"] for times, item in auto), 3),
    }


def capacity_problems(needed: Mapping[str, Any], rules: Mapping[str, Any], host: Host) -> list[tuple[str, str]]:
    """``(path, message)`` for everything the host lacks.

    Memory limits together stay within the host's memory less ``memory_reserve``. Processor limits are ceilings: none
    above the host's number, which Docker refuses, and together at most ``cpu_overcommit`` times it.
    """
    needed = on_host(needed, host.cpus)
    found = []
    if needed["memory"] > host.memory - rules["memory_reserve"]:
        found.append(
            (
                "stack.services.*.resources.memory",
                f"all services and components together may use {size(needed['memory'])}; the host has "
                f"{size(host.memory)}, and {size(rules['memory_reserve'])} of it is kept for the system "
                "(stack.capacity.memory_reserve). Lower limits, or take a larger host.",
            )
        )
    if needed["largest_cpus"] > host.cpus:
        found.append(
            (
                "stack.services.*.resources.cpus",
                f"one of them wants {needed['largest_cpus']:g} processors; the host has {host.cpus:g}, and Docker "
                "refuses more. Lower that limit, or take a larger host.",
            )
        )
    elif needed["cpus"] > host.cpus * rules["cpu_overcommit"]:
        found.append(
            (
                "stack.services.*.resources.cpus",
                f"all services and components together may use {needed['cpus']:g} processors; the host has "
                f"{host.cpus:g}, and stack.capacity.cpu_overcommit allows {rules['cpu_overcommit']:g} times that. "
                "Lower limits, allow more, or take a larger host.",
            )
        )
    return found
