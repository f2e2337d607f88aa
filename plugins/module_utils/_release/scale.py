# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another number of replicas, as a release that is made of what lies on the host and needs no Ansible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import scaled
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import (
    given_from,
    model_of,
    on_the_host,
    restored,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run_wish
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Wanted

MIB = 1024**2
RESERVE = 256 * MIB  # for the system, where the model does not tell


@dataclass(frozen=True)
class Scale:
    """How many containers these services shall have.

    :param force: also where their limits together are more memory than the host has.
    """

    counts: Mapping[str, int]
    force: bool = False


def memory(path: Path = Path("/proc/meminfo")) -> int:
    """The host's memory in bytes.

    :raises OSError: it cannot be read.
    """
    line = next(line for line in path.read_text(encoding="ascii").splitlines() if line.startswith("MemTotal:"))
    return int(line.split()[1]) * 1024


def scale(
    layout: Layout,
    wish: Scale,
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
    total: Callable[[], int] = memory,
) -> None:
    """Bring the services to these numbers, and fill ``result`` as ``run`` does.

    :raises DrydockError: with the kinds of ``run`` and of ``restore``, ``not_released``, ``unknown_service``,
        ``invalid_input``, ``no_memory``.
    """
    options = on_the_host(layout, options)
    run_wish(lambda: _wanted(layout, wish, total), options, host, check_mode=check_mode, result=result)


def _wanted(layout: Layout, wish: Scale, total: Callable[[], int]) -> Wanted:
    current = current_record(layout)
    if current is None:
        raise DrydockError(
            "not_released", f"Nothing serves here, so there is nothing to scale: {layout.current} is not there."
        )
    before = model_of(layout, current)
    model = scaled(before, wish.counts)
    needed, reserve = _limits(model), _reserve(model)
    if not wish.force and needed > _limits(before) and needed > total() - reserve:
        raise DrydockError(
            "no_memory",
            f"All services and components together could then use {needed // MIB} MiB; the host has "
            f"{total() // MIB} MiB, and {reserve // MIB} MiB of it are kept for the system. Nothing was changed. Take "
            "fewer, lower limits in the inventory, or say --force if you know that they do not use it all.",
        )
    desired = restored(layout, current, model)
    return Wanted(desired, given_from(layout, current, desired))


def _limits(model: Mapping[str, Any]) -> int:
    """Bytes that all containers may use together."""
    units = [*(model.get("services") or {}).values(), *(model.get("components") or {}).values()]
    return sum(
        int((unit.get("replicas") or {}).get("count") or 1) * int((unit.get("resources") or {}).get("memory") or 0)
        for unit in units
    )


def _reserve(model: Mapping[str, Any]) -> int:
    found = (model.get("capacity") or {}).get("memory_reserve")
    return RESERVE if found is None else int(found)
