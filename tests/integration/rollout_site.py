# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for rollouts: directories of this machine, each with an engine of its own that remembers what it was told.

The playbook, the role and the module are the real ones. A host's Python is a script that puts the host's engine first
in the search path.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = str(Path(sys.executable).with_name("ansible-playbook"))
ENGINE = """#!{python}
import fcntl, os, pickle, sys, time
sys.path[:0] = {paths!r}
place = os.path.dirname(os.path.abspath(__file__))
while os.path.exists(place + "/hold") and "up" in sys.argv:
    time.sleep(0.05)
with open(place + "/engine", "r+b") as handle:
    fcntl.flock(handle, fcntl.LOCK_EX)
    engine = pickle.load(handle)
    done = engine.run(["docker", *sys.argv[1:]])
    handle.seek(0)
    handle.truncate()
    pickle.dump(engine, handle)
sys.stdout.write(done.out)
sys.stderr.write(done.err)
sys.exit(done.code)
"""
INTERPRETER = """#!/bin/sh
PATH="{place}:/usr/bin:/bin" exec {python} "$@"
"""
SSH = """#!/bin/sh
[ ! -e "{place}/gone" ] || exit 255
for command; do :; done
exec /bin/sh -c "$command"
"""
MODEL = (
    "{{ stack | drydock.serving.stack_model | combine({'paths': {'root': place ~ '/opt', 'secrets': place ~ '/etc'}}, "
    "recursive=true) }}"
)


@dataclass(frozen=True)
class Run:
    """One run of the playbook."""

    code: int
    output: str

    @property
    def tasks(self) -> list[str]:
        return re.findall(r"^TASK \[(.*?)\] \*", self.output, re.MULTILINE)


class FakeHost:
    """One host."""

    def __init__(self, place: Path) -> None:
        self.place = place
        if place.exists():  # kept from a site before
            return
        place.mkdir()
        engine = FakeDocker()
        engine.images, engine.registry = {"registry.example.org/api:1"}, {"registry.example.org/api:2"}
        self.write(engine)
        for name, text in (("docker", ENGINE), ("python", INTERPRETER), ("ssh", SSH)):
            script = place / name
            script.write_text(text.format(python=sys.executable, paths=[str(ROOT), *sys.path], place=place))
            script.chmod(0o755)

    @property
    def engine(self) -> FakeDocker:
        found = pickle.loads((self.place / "engine").read_bytes())  # noqa: S301 - the test's own
        assert isinstance(found, FakeDocker)
        return found

    def write(self, engine: FakeDocker) -> None:
        (self.place / "engine").write_bytes(pickle.dumps(engine))

    @property
    def fetched(self) -> bool:
        """Whether the result of the release that is ready is with the controller, where it is reached ``by_ssh``."""
        return self.prepared.exists() and not list((self.place / "jobs").rglob("j*"))

    @property
    def by_ssh(self) -> dict[str, Any]:
        """Variables to reach it by a connection that is lost as long as there is a file ``gone``."""
        return {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(self.place / "ssh"),
            "ansible_ssh_transfer_method": "piped",
            "ansible_async_dir": str(self.place / "jobs"),
        }

    def change(self, **attributes: Any) -> None:
        """Have the engine behave in another way."""
        engine = self.engine
        for name, value in attributes.items():
            setattr(engine, name, value)
        self.write(engine)

    @property
    def state(self) -> Path:
        return self.place / "opt" / "state"

    @property
    def release(self) -> str | None:
        link = self.place / "opt" / "current"
        return link.readlink().name if link.is_symlink() else None

    @property
    def prepared(self) -> Path:
        return self.state / "prepared.json"

    def running(self) -> list[str]:
        """Images of the services that run."""
        return sorted(item.image[-1] for item in self.engine.containers.values() if item.state == "running")

    def outcomes(self) -> list[str]:
        log = self.state / "deployments.jsonl"
        return [json.loads(line)["outcome"] for line in log.read_text().splitlines()] if log.exists() else []


@dataclass
class Site:
    """An inventory of such hosts. ``variables`` are those of the group."""

    place: Path
    names: Sequence[str]
    image: str = "1"
    variables: dict[str, Any] = field(default_factory=dict)
    connections: dict[str, dict[str, Any]] = field(default_factory=dict)  # host -> further variables
    playbook: str = "stack"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.hosts = {name: FakeHost(self.place / name) for name in self.names}

    def command(self, *arguments: str) -> list[str]:
        stack = {
            "name": "demo",
            "environment": "lab",
            "domain": "demo.example.org",
            "services": {
                "api": {
                    "image": f"registry.example.org/api:{self.image}",
                    "health": {"command": ["true"], "start_period": 8, "interval": 1, "timeout": 1, "retries": 2},
                }
            },
        }
        own = {
            name: {
                "place": str(host.place),
                "ansible_connection": "local",
                "ansible_python_interpreter": str(host.place / "python"),
                **self.connections.get(name, {}),
            }
            for name, host in self.hosts.items()
        }
        group = {
            "ansible_become": False,
            "stack": stack,
            "stack_model": MODEL,
            "rollback_paths": {"root": "{{ place }}/opt", "secrets": "{{ place }}/etc"},
            "stack_command_enabled": False,
            "stack_reserve": 1,
            **self.variables,
        }
        inventory = self.place / "hosts.json"
        inventory.write_text(json.dumps({"drydock": {"hosts": own, "vars": group}}))
        return [PLAYBOOK, "-i", str(inventory), f"playbooks/{self.playbook}.yml", *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin a run that is not waited for."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORKS": "2", **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, *arguments: str) -> Run:
        with self.start(*arguments) as process:
            output, _none = process.communicate(timeout=300)
            return Run(process.returncode, output)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """The controller is gone, with everything that it runs."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    @property
    def releases(self) -> dict[str, str]:
        """Host -> the version that its current release has."""
        found = {}
        for name, host in self.hosts.items():
            record = host.place / "opt" / "current" / "release.json"
            if record.exists():
                found[name] = json.loads(record.read_text())["images"]["api"]["reference"][-1]
        return found
