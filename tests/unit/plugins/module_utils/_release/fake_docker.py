# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine with Compose in memory, behind the runner protocol. It can be killed at any of its calls."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import digest
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed

from tests.unit.plugins.module_utils._release.fake_jobs import Jobs


class KilledError(BaseException):
    """kill -9: nothing after this line runs, no handler either."""


@dataclass
class Container:
    image: str
    hash: str
    environment: dict[str, str] = field(default_factory=dict)
    state: str = "running"
    health: str = ""
    restarts: int = 0
    stack: str = "demo"  # the label; empty: a container of somebody else
    networks: set[str] = field(default_factory=set)
    connections: int = 0  # established to its port
    warming: int = 0  # looks until its health check passes


class FakeDocker:
    """``crashing`` images restart for ever, ``sick`` ones stay unhealthy."""

    def __init__(self) -> None:
        self.installed = True
        self.plugin = True
        self.answering = True
        self.images: set[str] = set()
        self.registry: set[str] = set()
        self.manifests: dict[str, Any] = {}  # reference -> what the registry says; absent: it does not say
        self.architectures: dict[str, str] = {}  # reference -> that of its image; absent: amd64
        self.lent: list[dict[str, Any]] = []  # the configurations that were handed over with --config
        self.pull_says = "Error response from daemon: manifest unknown"
        self.crashing: set[str] = set()
        self.sick: set[str] = set()
        self.health_says = ""
        self.endings: dict[str, dict[str, Any]] = {}  # image -> what its containers' state says besides
        self.events: list[dict[str, Any]] = []
        self.log: list[str] = []  # what containers say first
        self.busy_ports = False
        self.invalid = False
        self.networks: dict[str, str] = {}  # name -> label
        self.nginx: Nginx | None = None
        self.containers: dict[tuple[str, str], Container] = {}
        self.jobs = Jobs()
        self.calls: list[tuple[str, ...]] = []
        self.die_at: int | None = None

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(tuple(argv))
        if self.die_at is not None and len(self.calls) > self.die_at:
            raise KilledError
        if argv[0] in {"nginx", "systemctl"}:
            return self.nginx.run(argv) if self.nginx else Completed(tuple(argv), 127)
        if not self.installed:
            return Completed(tuple(argv), 127)
        if not self.answering:
            return Completed(tuple(argv), 1, err="Cannot connect to the Docker daemon")
        rest = list(argv[1:])
        if rest[0] == "--config":
            self.lent.append(json.loads((Path(rest[1]) / "config.json").read_text()))
            rest = rest[2:]
        handler = getattr(self, f"_{rest[0]}")
        code, out, err = handler(rest[1:])
        return Completed(tuple(argv), code, out, err)

    def said(self, *words: str) -> list[tuple[str, ...]]:
        """The calls in which all of these words were arguments."""
        return [call for call in self.calls if all(word in call for word in words)]

    # -- the commands ------------------------------------------------------------------------------------------------

    def _ps(self, rest: list[str]) -> tuple[int, str, str]:
        if rest[-1].startswith("ancestor="):
            wanted = rest[-1].partition("=")[2]
            return 0, "".join(f"{item.hash}\n" for item in self.containers.values() if item.image == wanted), ""
        if "label=com.docker.compose.project" in rest:
            rows = ["\t".join([f"{place[0]}-{place[1]}-1", place[0], item.stack]) for place, item in self._sorted()]
            return 0, "\n".join(rows), ""
        rows = [
            "\t".join(
                [
                    f"{project}-{name}-1",
                    item.state,
                    self._status(item),
                    project,
                    name,
                    item.hash,
                    ",".join(sorted(item.networks)),
                    "",
                ]
            )
            for (project, name), item in self._sorted()
            if f"label=drydock.stack={item.stack}" in rest
        ]
        return 0, "\n".join([*rows, *self.jobs.rows()]), ""

    def _sorted(self) -> list[tuple[tuple[str, str], Container]]:
        return sorted(self.containers.items(), key=lambda entry: entry[0])

    @staticmethod
    def _status(item: Container) -> str:
        if item.health == "starting":
            return "Up 2 seconds (health: starting)"
        return "Up 2 seconds" + (f" ({item.health})" if item.health else "")

    def _inspect(self, rest: list[str]) -> tuple[int, str, str]:
        if "--format" in rest:
            return (0, "0\n", "") if self._named(rest[-1]) else (1, "", f"Error: No such container: {rest[-1]}")
        names = rest[rest.index("container") + 1 :]
        each = {name: self._inspection(name) for name in names}
        gone = [f"Error: No such container: {name}" for name, found in each.items() if found is None]
        return int(bool(gone)), json.dumps([found for found in each.values() if found is not None]), "\n".join(gone)

    def _inspection(self, name: str) -> dict[str, Any] | None:
        job, item = self.jobs.inspect(name), self._named(name)
        if job is not None or item is None:
            return job
        if item.image in self.crashing:
            item.restarts += 1
        if item.warming and item.state == "running":
            item.warming -= 1
            item.health = "starting" if item.warming else "healthy"
        state: dict[str, Any] = {"Status": item.state, "ExitCode": 0, "Error": None}
        state.update(self.endings.get(item.image, {}))
        if item.health:
            state["Health"] = {"Status": item.health, "Log": [{"Output": self.health_says}]}
        return {
            "Id": item.hash,
            "Name": f"/{name}",
            "RestartCount": item.restarts,
            "State": state,
            "Config": {"Env": [f"{key}={value}" for key, value in item.environment.items()]},
            "HostConfig": {"Memory": 512 * 1024**2},
        }

    def _image(self, rest: list[str]) -> tuple[int, str, str]:
        if rest[0] == "rm":
            there = rest[-1] in self.images
            self.images.discard(rest[-1])
            return (0, f"Untagged: {rest[-1]}", "") if there else (1, "", "No such image")
        names = rest[rest.index("--format") + 2 :]
        lines = [
            f"sha256:{name}\t[]\tlinux/{self.architectures.get(name, 'amd64')}" for name in names if name in self.images
        ]
        return int(len(lines) < len(names)), "\n".join(lines), "" if len(lines) == len(names) else "No such image"

    def _manifest(self, rest: list[str]) -> tuple[int, str, str]:
        found = self.manifests.get(rest[-1])
        return (1, "", "no such manifest") if found is None else (0, json.dumps(found), "")

    def _version(self, _rest: list[str]) -> tuple[int, str, str]:
        return 0, "linux/amd64\n", ""

    def _pull(self, rest: list[str]) -> tuple[int, str, str]:
        if rest[-1] not in self.registry:
            return 1, "", self.pull_says
        self.images.add(rest[-1])
        return 0, rest[-1], ""

    def _info(self, _rest: list[str]) -> tuple[int, str, str]:
        return 0, '/\t[["Backing Filesystem","extfs"]]\n', ""

    def _network(self, rest: list[str]) -> tuple[int, str, str]:
        if rest[0] == "inspect":
            label = self.networks.get(rest[-1])
            return (1, "", "not found") if label is None else (0, label + "\n", "")
        if rest[0] == "create":
            self.networks[rest[-1]] = rest[rest.index("--label") + 1].partition("=")[2]
            return 0, "", ""
        item = self._named(rest[-1])
        if item is None:
            return 1, "", f"Error response from daemon: No such container: {rest[-1]}"
        if rest[0] == "connect":
            if rest[-2] in item.networks:
                return 1, "", f"endpoint with name {rest[-1]} already exists in network {rest[-2]}"
            item.networks.add(rest[-2])
        else:
            item.networks.discard(rest[-2])
        return 0, "", ""

    def _named(self, container: str) -> Container | None:
        found = [item for (project, name), item in self.containers.items() if container == f"{project}-{name}-1"]
        return found[0] if found else None

    def _stop(self, rest: list[str]) -> tuple[int, str, str]:
        for container in rest:
            if container in self.jobs.there:
                self.jobs.there[container].state = "exited"
                continue
            item = self._named(container)
            if item is None:
                return 1, "", f"Error response from daemon: No such container: {container}"
            item.state = "exited"
        return 0, "", ""

    def _start(self, rest: list[str]) -> tuple[int, str, str]:
        for container in rest:
            item = self._named(container)
            if item is None:
                return 1, "", f"Error response from daemon: No such container: {container}"
            item.state = "running"
        return 0, "", ""

    def _rm(self, rest: list[str]) -> tuple[int, str, str]:
        gone = set(rest[1:])
        self.jobs.there = {name: job for name, job in self.jobs.there.items() if name not in gone}
        self.containers = {key: item for key, item in self.containers.items() if f"{key[0]}-{key[1]}-1" not in gone}
        return 0, "", ""

    def _logs(self, rest: list[str]) -> tuple[int, str, str]:
        if rest[-1] in self.jobs.there:
            return 0, self.jobs.log(rest[-1]), ""
        if self._named(rest[-1]) is None:
            return 1, "", "No such container"
        lines = [*self.log, "says password=hunter2 and canary-value"]
        stamped = [f"2026-11-21T04:15:{number:02}.000000000Z {line}\n" for number, line in enumerate(lines)]
        return 0, "".join(stamped), ""

    def _events(self, rest: list[str]) -> tuple[int, str, str]:
        assert "label=drydock.stack=demo" in rest
        return 0, "".join(f"{json.dumps(event)}\n" for event in self.events), ""

    def _exec(self, _rest: list[str]) -> tuple[int, str, str]:
        return 0, "", ""

    def _compose(self, rest: list[str]) -> tuple[int, str, str]:
        if not self.plugin:
            return 125, "", "unknown flag: --project-name"
        options = {rest[index]: rest[index + 1] for index in range(0, 8, 2)}
        project, command = options["--project-name"], rest[8:]
        if command[0] == "config":
            return (1, "", "services.api.x is not allowed") if self.invalid else (0, "", "")
        if command[0] == "up":
            names = command[command.index("--no-deps") + 1 :]
            return self._up(project, Path(options["--file"]), Path(options["--env-file"]), names)
        if command[0] == "run":
            services = self._read(Path(options["--file"]), Path(options["--env-file"]))
            return self.jobs.start(project, {name: item["image"] for name, item in services.items()}, command[1:])
        if command[0] == "restart":
            for name in command[1:]:
                self.containers[(project, name)].health = "healthy"
        return 0, "", ""

    @staticmethod
    def _read(file: Path, variables: Path) -> dict[str, Any]:
        text = file.read_text()
        for line in variables.read_text().splitlines():
            key, _equals, value = line.partition("=")
            text = text.replace("${" + key + ":?}", value)
        assert ":?}" not in text, f"a variable of {file} has no value"
        services: dict[str, Any] = yaml.safe_load(text)["services"]
        return services

    def _up(self, project: str, file: Path, variables: Path, names: list[str]) -> tuple[int, str, str]:
        services = self._read(file, variables)
        for name in names:
            service = services[name]
            if service["image"] not in self.images:
                return 1, "", f"Error response from daemon: No such image: {service['image']}"
            self._make(project, name, service)
            if self.busy_ports:
                self.busy_ports = False
                self.containers[(project, name)].state = "created"
                return 1, "", "Container x Starting\nError response from daemon: port is already allocated"
        return 0, "", ""

    def _make(self, project: str, name: str, service: dict[str, Any]) -> None:
        wanted = digest(service)
        item = self.containers.get((project, name))
        if item is None or item.hash != wanted:
            health = "unhealthy" if service["image"] in self.sick else "healthy"
            item = Container(
                image=service["image"],
                hash=wanted,
                environment={"PASSWORD": "canary-value"},
                health=health,
                networks=set(service["networks"]),
            )
            self.containers[(project, name)] = item
        item.state = "running"


class Nginx:
    """The host's nginx: what it has loaded, and who answers through it."""

    def __init__(self, upstreams: Path, docker: FakeDocker) -> None:
        self.upstreams = upstreams
        self.docker = docker
        self.included = True
        self.gate = upstreams.with_name("gate.conf")
        self.reads_gate = True  # the role edge is as new as the releases
        self.gate_loaded = ""
        self.broken = False
        self.refuses_reload = False
        self.deaf = False  # a reload that changes nothing
        self.loaded = ""
        self.reloads = 0
        self.routes: dict[str, str] = {}  # path -> service; the others lead to api
        self.asked = 0

    def run(self, argv: Sequence[str]) -> Completed:
        if argv[0] == "nginx" and "-T" in argv:
            if self.broken:
                return Completed(tuple(argv), 1, err="nginx: [emerg] unknown directive")
            read = [self.upstreams] if self.included else []
            read += [self.gate] if self.included and self.reads_gate and self.gate.exists() else []
            return Completed(tuple(argv), 0, out="".join(f"# configuration file {path}:\n" for path in read))
        if "reload" in argv:
            if self.refuses_reload:
                return Completed(tuple(argv), 1, err="Job for nginx.service failed")
            self.reloads += 1
            self.loaded = self.loaded if self.deaf else self.upstreams.read_text()
            self.gate_loaded = self.gate.read_text() if self.reads_gate and self.gate.exists() else ""
        return Completed(tuple(argv), 0)

    @property
    def closed(self) -> bool:
        """Whether clients are answered 503 on purpose."""
        return "set $drydock_page_of maintenance;" in self.gate_loaded

    def ask(self, path: str) -> tuple[int, str]:
        """The servers of the loaded upstream, in turn."""
        upstream = re.search(rf"upstream drydock_{self.routes.get(path, 'api')} \{{[^}}]*\}}", self.loaded)
        ports = re.findall(r"server (127\.0\.0\.1:\d+)", upstream.group() if upstream else "")
        self.asked += 1
        return (200, ports[self.asked % len(ports)]) if ports else (503, "")
