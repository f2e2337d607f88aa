# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything outside of a release: programs, time, polling. Tests hand in their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.http import probe_http
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import Clock
from ansible_collections.drydock.serving.plugins.module_utils._release.ask import Ask, EdgeClient
from ansible_collections.drydock.serving.plugins.module_utils._release.at_once import AtOnce, at_once
from ansible_collections.drydock.serving.plugins.module_utils._release.controller import Controller, NoController
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Drainer
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import RELOAD, Edge
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import Gate
from ansible_collections.drydock.serving.plugins.module_utils._release.golden import Probe
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import HostPrograms, Programs
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.ready import is_ready
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter


@dataclass(frozen=True)
class Host:
    """What a run works with."""

    runner: Runner
    engine: Engine
    waiter: Waiter
    now: Callable[[], str]
    clock: Clock
    sleep: Callable[[float], None] = time.sleep
    probe: Probe = probe_http  # one golden request
    client: Callable[[str, int], Ask] = EdgeClient
    ready: Callable[[str], bool] = is_ready
    proc: Path = Path("/proc")
    nginx_log: Path = Path("/var/log/nginx/error.log")
    clocks: Clocks = field(default_factory=Clocks)
    on_step: Callable[[str], None] | None = None
    progress: Progress = field(default_factory=Progress)
    controller: Controller = field(default_factory=NoController)
    programs: Programs = field(default_factory=HostPrograms)
    at_once: AtOnce = at_once

    def edge(self, layout: Layout) -> Edge:
        return Edge(layout.upstreams, self.runner, proc=self.proc)

    def gate(self, layout: Layout, *, reloading: Sequence[str] = RELOAD) -> Gate:
        """:param reloading: how nginx is told to read its files anew."""
        edge = Edge(layout.gate, self.runner, proc=self.proc, reloading=reloading)
        return Gate(layout, edge, clock=self.clock, sleep=self.sleep)

    def drainer(self, edge: Edge) -> Drainer:
        return Drainer(
            self.engine,
            edge.old_workers,
            clock=self.clock,
            sleep=self.sleep,
            proc=self.proc,
            tell=self.progress.tell,
        )
