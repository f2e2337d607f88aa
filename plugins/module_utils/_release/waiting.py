# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When are the containers of a release healthy? Turns units into health targets and polls them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
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
    ANY,
    ContainerSpec,
    HttpSpec,
    Observation,
    Target,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.words import waits_for
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine

INTERVAL = 0.5  # seconds between two looks at first: most services start within a few
SLOWER, LONGEST = 1.3, 2.0  # each look that finds it not healthy makes the next pause longer: models load for minutes
ALIVE = "port"  # the phase in which a service has to say that it is alive
SETTLED = 4  # looks in a row that a container has to run, two seconds; a crash right after the start shows in them


def targets_for(
    name: str, *, container: str, url: str | None, timeout: float = 5.0, budget: float | None = None
) -> list[Target]:
    """A container that runs and, where it has one, passes its health check; and the path that says it is ready."""
    spec = ContainerSpec(container=container)
    targets = [Target(name=name, spec=spec, timeout=10.0, budget=budget)]
    if url:
        targets.append(Target(name=f"{name} {url}", spec=HttpSpec(url=url), timeout=timeout, budget=budget))
    return [replace(target, interval=INTERVAL, backoff=SLOWER, max_interval=LONGEST) for target in targets]


def unit_targets(unit: Unit) -> list[Target]:
    """The same for a unit of a release, which may say that it is alive before it is ready, and how long each may take.

    Then it goes through phases of its own. Its container is watched from the first one on: one that ends, crashes again
    and again or is killed for memory is not waited for, whatever time it has left.
    """
    health, live = unit.health, unit.live_url
    ready = targets_for(unit.name, container=unit.container, url=unit.url, timeout=health.timeout, budget=health.budget)
    if live is None and health.ready_within is None:
        return ready
    if health.ready_within is not None:
        ready = [replace(target, budget=None, span=health.ready_within) for target in ready]
    runs = ContainerSpec(container=unit.container, health=ANY)
    found = [Target(name=f"{unit.name} process", spec=runs, phase="process", timeout=10.0, budget=health.budget)]
    if live is not None:
        alive = Target(name=f"{unit.name} {live}", spec=HttpSpec(url=live), phase=ALIVE, timeout=health.timeout)
        late = health.live_within is None
        found.append(replace(alive, budget=health.budget if late else None, span=health.live_within))
    found = [replace(target, interval=INTERVAL, backoff=SLOWER, max_interval=LONGEST) for target in found]
    return [replace(target, group=unit.name) for target in [*found, *ready]]


class Waiter:
    """Polls containers through the engine's command and paths over the loopback."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        make_pool: Callable[[int], Pool] = ThreadPool,
        tell: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._make_pool = make_pool
        self._tell = tell

    def wait(self, units: Sequence[Unit], *, limit: float) -> Report:
        """Until all are healthy; each at most as long as it may take to start, and none longer than ``limit``."""
        found = [unit_targets(unit) for unit in units]
        return self._poll([target for targets in found for target in targets], limit)

    def wait_recorded(self, containers: Mapping[str, Mapping[str, str]], *, limit: float) -> Report:
        """Until the containers of a record are healthy."""
        found = [
            targets_for(name, container=item["name"], url=item.get("url") or None)
            for name, item in sorted(containers.items())
        ]
        return self._poll([target for targets in found for target in targets], limit)

    def _poll(self, targets: Sequence[Target], timeout: float) -> Report:
        names = [target.spec.container for target in targets if isinstance(target.spec, ContainerSpec)]
        looks = Looks(self._engine, sorted(set(names)))
        pool = self._make_pool(workers_for(len(targets)))
        return poll(
            targets,
            Prober(looks.look),
            timeout=timeout,
            clock=self._clock,
            pool=pool,
            on_look=lambda states, seconds: self._tell(waits_for(states, seconds, timeout)),
        )


class Looks:
    """Looks at containers, at all of them by one call of the engine: what it said of each is taken once.

    A container is healthy when it is, and has run for some looks in a row, whatever its health was meanwhile.
    """

    def __init__(self, engine: Engine, containers: Sequence[str]) -> None:
        self._engine = engine
        self._containers = containers
        self._watch = Watch()
        self._lock = threading.Lock()
        self._said: dict[str, Mapping[str, Any] | None] = {}
        self._ran: dict[ContainerSpec, tuple[int, int]] = {}  # looks in a row, and the restarts it had then

    def look(self, spec: ContainerSpec, _timeout: float) -> Observation:
        """What is seen of one."""
        try:
            inspection = self._inspection(spec.container)
        except DrydockError as error:
            if error.kind != "engine_unreachable":
                raise
            return Observation(ok=False, summary=error.message)  # it may come back
        if inspection is None:
            return absent(spec.container)
        seen = self._watch.judge(inspection, spec)
        ran = self._count(spec, seen.facts)
        if not seen.ok or spec.health == ANY or ran >= SETTLED:
            return seen
        return replace(seen, ok=False, summary=f"{seen.summary}, seen so {ran} of {SETTLED} times")

    def _inspection(self, container: str) -> Mapping[str, Any] | None:
        with self._lock:
            if container not in self._said:
                found = self._engine.inspect_all(self._containers)
                self._said = {name: found.get(name) for name in self._containers}
            return self._said.pop(container)

    def _count(self, spec: ContainerSpec, facts: Mapping[str, Any]) -> int:
        restarts = int(facts["restarts"])
        before, then = self._ran.get(spec, (0, restarts))
        ran = before + 1 if facts["state"] == spec.state and restarts == then else 0
        self._ran[spec] = (ran, restarts)
        return ran
