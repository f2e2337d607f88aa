# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When are the containers of a release healthy? Turns units into health targets and polls them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.container import Watch, absent
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import (
    Clock,
    Pool,
    Report,
    ThreadPool,
    poll,
    workers_for,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.probe import Prober
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    ContainerSpec,
    HttpSpec,
    Observation,
    Target,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine

INTERVAL = 1.0
SETTLED = 3  # looks in a row that a container has to run; a crash right after the start shows within them


def unit_targets(unit: Unit) -> list[Target]:
    """A container that runs and, where it has one, passes its health check; and the path that says it is ready."""
    targets = [
        Target(
            name=unit.name,
            spec=ContainerSpec(container=unit.container),
            interval=INTERVAL,
            timeout=10.0,
            successes=SETTLED,
        )
    ]
    if unit.health.path and unit.host_port:
        url = f"http://127.0.0.1:{unit.host_port}{unit.health.path}"
        targets.append(
            Target(name=f"{unit.name} {url}", spec=HttpSpec(url=url), interval=INTERVAL, timeout=unit.health.timeout)
        )
    return targets


class Waiter:
    """Polls containers through the engine's command and paths over the loopback."""

    def __init__(self, engine: Engine, *, clock: Clock, make_pool: Callable[[int], Pool] = ThreadPool) -> None:
        self._engine = engine
        self._clock = clock
        self._make_pool = make_pool

    def wait(self, units: Sequence[Unit], *, limit: float) -> Report:
        """Until all are healthy; at most as long as the slowest may take to start, and never longer than ``limit``."""
        targets = [target for unit in units for target in unit_targets(unit)]
        return self._poll(targets, min(limit, max(unit.health.budget for unit in units)))

    def wait_containers(self, names: Sequence[str], *, limit: float) -> Report:
        """Until the containers of these names run and are healthy."""
        targets = [
            Target(name=name, spec=ContainerSpec(container=name), interval=INTERVAL, timeout=10.0) for name in names
        ]
        return self._poll(targets, limit)

    def _poll(self, targets: Sequence[Target], timeout: float) -> Report:
        watch = Watch()

        def container(spec: ContainerSpec, _timeout: float) -> Observation:
            inspection = self._engine.inspect(spec.container)
            return absent(spec.container) if inspection is None else watch.judge(inspection, spec)

        pool = self._make_pool(workers_for(len(targets)))
        return poll(targets, Prober(container), timeout=timeout, clock=self._clock, pool=pool)
