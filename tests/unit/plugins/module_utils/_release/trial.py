# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world in which a release is on probation: clients ask it through the edge, and somebody watches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.ending import Ending, watch_of
from ansible_collections.drydock.serving.plugins.module_utils._release.following import after
from ansible_collections.drydock.serving.plugins.module_utils._release.watching import watch

from tests.unit.plugins.module_utils._release.world import World

ACTOR = "probation@host"
PORTS = {"blue": 18001, "green": 18501}


class Trial:
    """Each second that somebody sleeps, clients get ``answers`` of whoever the edge leads to."""

    def __init__(self, place: Path, **thresholds: Any) -> None:
        self.world = World(place)
        self.world.with_edge()
        self.world.meanwhile = self.clients
        self.thresholds = {"seconds": 60, **thresholds}
        self.answers = {"api:1": [(200, 0.1)] * 10, "api:2": [(200, 0.1)] * 10}
        self.said: list[str] = []

    def stack(self, **changes: Any) -> dict[str, Any]:
        """The stack with its probation and something else about the service."""
        return {**self.world.with_api(**changes), "release": {"probation": self.thresholds}}

    def begin(self) -> dict[str, Any]:
        """A first release that serves for a while, then another image on probation."""
        self.world.release(self.stack())
        for _second in range(10):
            self.clients()
        return self.world.release(self.stack(image="api:2"))

    def clients(self) -> None:
        """What the edge's log gets in a second."""
        nginx = self.world.docker.nginx
        assert nginx is not None
        _status, upstream = nginx.ask("/")
        colour = {f"127.0.0.1:{port}": colour for colour, port in PORTS.items()}.get(upstream, "")
        container = self.world.docker.containers.get((f"demo-{colour}", "api"))
        answers = self.answers[container.image] if container and container.state == "running" else [(503, 0.0)]
        self.log(upstream, answers)

    def log(self, upstream: str, answers: list[tuple[int, float]]) -> None:
        with (self.world.place / "access.log").open("a") as stream:
            for status, seconds in answers:
                told = {"ts": self.world.clock(), "status": status, "upstream": upstream, "upstream_seconds": seconds}
                stream.write(json.dumps(told) + "\n")

    def watch(self) -> None:
        """What the unit on the host runs."""
        host, layout = self.world.host(), self.layout
        watch(
            watch_of(layout, host, actor=ACTOR, say=self.said.append),
            Ending("demo", layout, host, actor=ACTOR, say=self.said.append),
        )

    def follow(self, result: dict[str, Any]) -> None:
        """What a run does when it has made the release, or nothing."""
        desired = self.world.desired(self.stack())
        after(desired, self.world.host(), actor="op@ctl", result=result)

    @property
    def layout(self) -> Any:
        return self.world.desired(self.world.stack).layout

    @property
    def log_lines(self) -> list[dict[str, Any]]:
        text = (self.world.root / "state" / "deployments.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]
