# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas in the stack: what may be written, how many a service may have, and the ports of each."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import (
    AUTO,
    AUTO_MOST,
    MOST,
    replica_name,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import coerce, fields
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.fields import Field, scalar
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

SPARE = 4  # so many there may be where nobody says more: `scale` on the host needs no new files for them
# Beside those of the first replicas, and below the ports that Linux gives to outgoing connections. Each number has
# ports of its own, so that another replica of one service takes none from another.
FIRST_PORT = 19000
EACH = 450  # for one colour of one number

_number = coerce.within(coerce.to_int, 1, MOST)


def _to_count(value: Any) -> int | str:
    if isinstance(value, str) and value.strip() == AUTO:
        return AUTO
    try:
        return int(_number(value))
    except ValueError as error:
        raise ValueError(f"{error}, or {AUTO}") from error


_record = fields.record({"count": Field(scalar(_to_count), 1), "max": Field(scalar(_number))})


def read(value: Any, path: str, problems: Problems) -> Any:
    """A number, ``auto``, or a record of ``count`` and ``max``."""
    if isinstance(value, Mapping):
        return _record(value, path, problems)
    found = scalar(_to_count)(value, path, problems)
    return None if found is None else {"count": found, "max": None}


def most(stack: Mapping[str, Any], name: str) -> int:
    """How many replicas a service may have: what was written, else some to spare."""
    replicas = stack["services"][name]["replicas"]
    if replicas["max"] is not None:
        return int(replicas["max"])
    if stack["services"][name]["publish"]:
        return 1
    wanted = max(_declared(replicas), SPARE)
    free = (number for number in range(2, wanted + 1) if replica_name(name, number) in _names(stack))
    return max(next(free, wanted + 1) - 1, 1)


def check(stack: Mapping[str, Any], problems: Problems) -> None:
    """As many as there may be, each with a name that nobody else has, and none for a port of the host."""
    for name, service in stack["services"].items():
        where = f"stack.services.{name}.replicas"
        replicas = service["replicas"]
        count, limit = replicas["count"], replicas["max"]
        if limit is not None and count != AUTO and count > limit:
            problems.add(f"{where}.max", f"is {limit}, below count {count}. Raise it, or take it out.")
        if service["publish"] and (limit or _declared(replicas)) > 1:
            problems.add(
                where,
                "is more than one, but a port that is published (stack.services."
                f"{name}.publish) can have one container alone. Keep one replica, or reach the service through routes.",
            )
        for other in _taken(stack, name, replicas):
            problems.add(
                where,
                f"needs the name '{other}' for a replica, which is another service or component. Rename that one, or "
                "set max lower.",
            )


def _taken(stack: Mapping[str, Any], name: str, replicas: Mapping[str, Any]) -> Iterator[str]:
    """Names of other services that the replicas somebody asked for would need."""
    for number in range(2, (replicas["max"] or _declared(replicas)) + 1):
        if replica_name(name, number) in _names(stack):
            yield replica_name(name, number)


def _names(stack: Mapping[str, Any]) -> set[str]:
    return {*stack["services"], *stack["components"]}


def _declared(replicas: Mapping[str, Any]) -> int:
    return AUTO_MOST if replicas["count"] == AUTO else int(replicas["count"])


def assign_ports(stack: Mapping[str, Any], taken: set[int]) -> dict[str, list[dict[str, int]]]:
    """Service -> the loopback ports of its second replica and those after it, one for each colour.

    They follow from the service's name and the replica's number. ``taken`` gets what is assigned.
    """
    assigned: dict[str, list[dict[str, int]]] = {}
    for name, service in sorted(stack["services"].items()):
        if service["port"] is not None:
            assigned[name] = [_pair(name, number, taken) for number in range(2, most(stack, name) + 1)]
    return assigned


def _pair(name: str, number: int, taken: set[int]) -> dict[str, int]:
    found = {}
    for place, colour in enumerate(("blue", "green")):
        first = FIRST_PORT + ((number - 2) * 2 + place) * EACH
        start = zlib.crc32(name.encode()) % EACH
        ports = range(first, first + EACH)
        found[colour] = next(port for port in (*ports[start:], *ports[:start]) if port not in taken)
        taken.add(found[colour])
    return found
