# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release that serves, brought up and down as it is recorded: after a reboot and before one. Makes no release.

Up, each wave is healthy before the next begins: components, then services by what they depend on, then the edge. After
a power cut the engine has started everything at once; what it started too early is stopped and waits for its turn.
Down is the reverse: the edge is closed, requests are finished, services end, then components.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import load_requests
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, PARTS
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import STOP_EXTRA, retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import led_to
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import STOPPED
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, read_journal
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import kept_now
from ansible_collections.drydock.serving.plugins.module_utils._release.way_back import UP_EXTRA

Items = Mapping[str, Mapping[str, Any]]  # unit -> its container in the record


@dataclass(frozen=True)
class Recorded:
    """The release that serves, and where it lives."""

    stack: str
    layout: Layout
    record: Record

    @property
    def names(self) -> set[str]:
        return {str(item["name"]) for item in self.record.containers.values()}


def waves(containers: Items) -> list[Items]:
    """The containers of a record in the order they are brought up: each wave needs only those before it."""
    left = dict(containers)
    found: list[Items] = []
    base = {name: left.pop(name) for name in sorted(containers) if containers[name]["part"] == BASE}
    if base:
        found.append(base)
    while left:
        free = [name for name in sorted(left) if not set(left[name].get("depends_on") or ()) & set(left)]
        found.append({name: left.pop(name) for name in free or sorted(left)})  # a circle comes up at once
    return found


class Starter:
    """Brings what is recorded up, wave by wave.

    :param limit: seconds that each wave may take to become healthy.
    :param tell: told what is done, for people.
    """

    def __init__(self, recorded: Recorded, host: Host, *, limit: float, tell: Callable[[str], None]) -> None:
        self._recorded = recorded
        self._layout = recorded.layout
        self._host = host
        self._engine = host.engine
        self._limit = limit
        self._tell = tell
        self.started: list[str] = []

    def start(self) -> None:
        """Bring everything up. A wave that does not become healthy keeps no later one from its try.

        :raises DrydockError: ``unhealthy``, ``timed_out`` and others of what went wrong first; ``engine_missing``,
            ``engine_unreachable``; ``edge_invalid``, ``edge_failed``.
        """
        if any(item.get("url") for item in self._recorded.record.containers.values()):
            load_requests()
        order = waves(self._recorded.record.containers)
        failures = [self._tried(wave, later=order[number + 1 :]) for number, wave in enumerate(order)]
        self._others()
        self._lead()
        for error in failures:
            if error is not None:
                raise error

    def _tried(self, wave: Items, *, later: Sequence[Items]) -> DrydockError | None:
        try:
            self._wave(wave, later=later)
        except DrydockError as error:
            self._tell(error.message)
            return error
        return None

    def _wave(self, wave: Items, *, later: Sequence[Items]) -> None:
        live = {item.name: item for item in self._live()}
        down = {name: item for name, item in wave.items() if not self._serves(item, live.get(str(item["name"])))}
        if not down:
            return
        self._hold_back([item for items in later for item in items.values()], live)
        self._bring(down, live)
        report = self._host.waiter.wait_recorded(down, limit=self._limit)
        if not report.ok:
            raise report.error()
        self._join(down)
        self._tell(f"healthy: {', '.join(down)}")

    def _serves(self, item: Mapping[str, Any], live: Live | None) -> bool:
        """Whether it runs and says that it is well; one that cannot say it counts as well when it runs."""
        if live is None or live.state != "running" or live.unhealthy or live.starting:
            return False
        return not item.get("url") or self._host.ready(str(item["url"]))

    def _hold_back(self, items: Iterable[Mapping[str, Any]], live: Mapping[str, Live]) -> None:
        """Stop what runs before what it needs, unless it is well all the same."""
        early = [item for item in items if (found := live.get(str(item["name"]))) and found.running]
        early = [item for item in early if not self._serves(item, live[str(item["name"])])]
        if early:
            self._tell(f"started too early, waits for its turn: {', '.join(str(item['name']) for item in early)}")
            self._stop(early)

    def _bring(self, items: Items, live: Mapping[str, Live]) -> None:
        """Start containers as they were made; one that is gone is made again from the release's files."""
        there = sorted(str(item["name"]) for item in items.values() if str(item["name"]) in live)
        stopped = [name for name in there if live[name].state != "running"]
        if stopped:
            self._tell(f"starting {', '.join(stopped)}")
            self._engine.start(stopped, timeout=self._limit + UP_EXTRA)
        folder = self._layout.release(self._recorded.record.identity)
        for part in PARTS:
            gone = [name for name in items if items[name]["part"] == part and str(items[name]["name"]) not in there]
            if gone:
                self._tell(f"making {', '.join(gone)} again")
                compose = Compose(self._host.runner, stack=self._recorded.stack, part=part, release=folder)
                compose.up(gone, timeout=self._limit + UP_EXTRA)
        self.started += sorted({*items} - set(self.started))

    def _join(self, items: Items) -> None:
        """Services that were made again are not yet found under their names by the others."""
        attached = {item.name: item.networks for item in self._live()}
        for name, item in items.items():
            container = str(item["name"])
            if item["part"] != BASE and self._recorded.stack not in attached.get(container, ()):
                self._engine.connect(self._recorded.stack, container, alias=str(item.get("service") or name))

    def _others(self) -> None:
        """Containers that are kept warm run again; those of a release that was undone, which the engine has started as
        well, end. They are kept for a look.
        """
        if read_journal(self._layout) is not None:  # a release waits to be switched: they may be its own
            return
        warm = kept_now(self._layout, self._recorded.record, self._host.now())
        live = [item for item in self._live() if item.name not in self._recorded.names]
        strays = [item.name for item in live if item.running and item.name not in warm]
        if strays:
            self._tell(f"of no release, stopped: {', '.join(strays)}")
            self._engine.stop(strays, timeout=UP_EXTRA)
        cold = [item.name for item in live if not item.running and item.name in warm]
        if cold:
            self._tell(f"kept warm: {', '.join(cold)}")
            self._engine.start(cold, timeout=UP_EXTRA)

    def _lead(self) -> None:
        edge = self._host.edge(self._layout)
        wanted = led_to(self._recorded.record)
        if edge.read() != wanted:
            self._tell("leading the edge to the services")
            edge.lead(wanted)
        gate = self._host.gate(self._layout)
        if gate.closed(STOPPED):
            gate.open(STOPPED)

    def _stop(self, items: Iterable[Mapping[str, Any]]) -> None:
        ending = [retired_from(item) for item in items]
        self._engine.stop([item.name for item in ending], timeout=max(item.grace for item in ending) + STOP_EXTRA)

    def _live(self) -> list[Live]:
        return self._engine.present(self._recorded.stack)


def stop(recorded: Recorded, host: Host, *, tell: Callable[[str], None]) -> list[str]:
    """Finish requests, then end everything, what is needed by others last; names of the units that ran.

    Close the edge before. Containers are kept: as they were stopped by hand, the engine does not start them by itself.

    :raises DrydockError: ``engine_missing``, ``engine_unreachable``, ``up_failed``, ``timed_out``.
    """
    running = {item.name for item in host.engine.present(recorded.stack) if item.running}
    there = {name: item for name, item in recorded.record.containers.items() if item["name"] in running}
    services = [retired_from(item) for item in there.values() if item["part"] != BASE]
    if services:
        tell(f"waiting for requests of {', '.join(item.name for item in services)}")
        for name in host.drainer(host.edge(recorded.layout)).drain(services):
            tell(f"{name}: its time was over, what it still had is cut")
    others = running - recorded.names
    host.engine.stop(others, timeout=UP_EXTRA)
    for wave in reversed(waves(there)):
        ending = [retired_from(item) for item in wave.values()]
        tell(f"stopping {', '.join(item.name for item in ending)}")
        host.engine.stop([item.name for item in ending], timeout=max(item.grace for item in ending) + STOP_EXTRA)
    return sorted(there)
