# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many containers a service has, and what they are called. Pure, but for ``cores``.

The Compose file has a block for each that there may be (``api``, ``api-2`` … up to ``max``); how many there are is said
by the model alone, so that another number is another release of the same files.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

AUTO = "auto"
MOST = 16
# from so many processor cores on -> so many replicas: about half the cores, the rest is the others' and the host's
BY_CORES = ((16, 8), (8, 4), (4, 2), (1, 1))
AUTO_MOST = BY_CORES[0][1]


def cores() -> int:
    """Processor cores that this host's programs may use, as ``nproc`` counts them."""
    return len(os.sched_getaffinity(0))


def replicas_for(count: float) -> int:
    """What ``auto`` is on a host with so many cores."""
    return next((replicas for least, replicas in BY_CORES if count >= least), 1)


def replica_name(service: str, number: int) -> str:
    """What Compose calls the container: the first one as the service, the others with their number."""
    return service if number == 1 else f"{service}-{number}"


def settle(stack: Mapping[str, Any], *, count: int) -> dict[str, Any]:
    """The stack model with a number in the place of each ``auto``; nothing after it knows of ``auto``.

    :param count: the host's cores.
    """
    services = dict(stack.get("services") or {})
    for name, service in services.items():
        replicas = (service.get("replicas") or {}) if isinstance(service, Mapping) else {}
        if replicas.get("count") == AUTO:
            settled = min(replicas_for(count), int(replicas.get("max") or MOST))
            services[name] = {**service, "replicas": {**replicas, "count": settled}}
    return {**stack, "services": services}


def scaled(stack: Mapping[str, Any], counts: Mapping[str, int]) -> dict[str, Any]:
    """The stack model with other numbers of replicas.

    :raises DrydockError: ``unknown_service``, ``invalid_input`` where a service cannot have so many.
    """
    services = dict(stack.get("services") or {})
    unknown = sorted(set(counts) - set(services))
    if unknown:
        raise DrydockError(
            "unknown_service",
            f"The release has no service {', '.join(unknown)}. It has: {', '.join(sorted(services))}. Nothing was "
            "changed.",
        )
    for name, count in counts.items():
        replicas = services[name].get("replicas") or {}
        most = int(replicas.get("max") or 1)
        if not 1 <= count <= most:
            said = _refusal(services[name], most)
            raise DrydockError("invalid_input", f"{name}={count}: {said} Nothing was changed.")
        services[name] = {**services[name], "replicas": {**replicas, "count": count}}
    return {**stack, "services": services}


def _refusal(service: Mapping[str, Any], most: int) -> str:
    if service.get("publish"):
        return "it publishes ports of the host, which one container alone can have."
    if most == 1:
        return "it can have 1."
    return f"it can have 1 to {most}. For more, set replicas.max in the inventory and run the tag `stack`."
