# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One-off containers of the engine in memory, as `docker compose run --detach` makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Job:
    """``looks``: how often it is still seen running."""

    name: str
    project: str
    service: str
    image: str
    command: list[str]
    environment: dict[str, str]
    labels: dict[str, str]
    looks: float = 1
    code: int = 0
    state: str = "running"
    oom: bool = False


@dataclass
class Jobs:
    """``begun`` has all that there ever were; ``failing`` (service -> exit code) and ``hanging`` say how they end."""

    there: dict[str, Job] = field(default_factory=dict)
    begun: list[Job] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    greedy: set[str] = field(default_factory=set)  # killed for want of memory
    says: str = "migrating"
    most: int = 0  # that ever ran at once

    def start(self, project: str, image_of: dict[str, str], arguments: Sequence[str]) -> tuple[int, str, str]:
        """The arguments after `run`."""
        rest = [item for item in arguments if item not in {"--detach", "--no-deps", "--no-TTY"}]
        name, rest = rest[rest.index("--name") + 1], [item for item in rest if item != "--name"][1:]
        options = [item for item in rest if item.startswith(("--label=", "--env="))]
        service, *command = rest[len(options) :]
        if name in self.there:
            return 1, "", f'Error response from daemon: Conflict. The container name "/{name}" is already in use'
        pairs = [option.split("=", 2) for option in options]
        job = Job(
            name=name,
            project=project,
            service=service,
            image=image_of[service],
            command=command,
            environment={key: value for kind, key, value in pairs if kind == "--env"},
            labels={key: value for kind, key, value in pairs if kind == "--label"},
            looks=float("inf") if service in self.hanging else 1,
            code=137 if service in self.greedy else self.failing.get(service, 0),
            oom=service in self.greedy,
        )
        self.there[name] = job
        self.begun.append(job)
        self.most = max(self.most, sum(1 for item in self.there.values() if item.state == "running"))
        return 0, f"{name}\n", ""

    def rows(self) -> list[str]:
        return [
            "\t".join([job.name, job.state, "Up 1 second", job.project, job.service, "hash", job.project, job.service])
            for job in self.there.values()
        ]

    def inspect(self, name: str) -> dict[str, Any] | None:
        job = self.there.get(name)
        if job is None:
            return None
        job.looks -= 1
        if job.looks < 0 and job.state == "running":
            job.state = "exited"
        state = {"Status": job.state, "ExitCode": job.code, "OOMKilled": job.oom}
        return {"Id": name, "Name": f"/{name}", "State": state, "Config": {}}

    def log(self, name: str) -> str:
        return f"2026-11-21T04:15:00.000000001Z {self.says}\n" if name in self.there else ""
