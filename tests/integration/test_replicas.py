# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas with a real engine: they come and go under load, by the inventory and by the command on the host.

nginx is for the lab's tests; here the load asks where the upstreams lead, as nginx would after each reload.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.service_images import ensure_image
from lab.state import State

NAME = "drydock-test-replicas"
MODEL = "{{ stack | drydock.serving.stack_model | combine({'paths': paths}, recursive=true) }}"

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture(scope="module")
def image(lab: None) -> str:
    """The service that releases are tried on, as this machine's engine has it."""
    checkout, docker = this_checkout(), Docker.find()
    assert docker is not None
    digest = ensure_image(checkout, docker, "echo").partition("@")[2]
    images = State(checkout).load()["images"].values()
    return next(str(item["tag"]) for item in images if item["digest"] == digest)


class Site:
    """One stack on this machine, with its command."""

    def __init__(self, place: Path, image: str) -> None:
        self.place = place
        self.image = image
        self.paths = {"root": str(place / "opt"), "secrets": str(place / "etc" / "secrets")}
        self._command = place / NAME
        self._command.write_bytes(build(name=NAME, **self.paths, version="1.0.0"))

    def release(self, replicas: int) -> dict[str, Any]:
        """Release the stack by its role; what the task returned."""
        service = {
            "image": self.image,
            "command": ["api"],
            "port": 8000,
            "routes": ["/"],
            "replicas": replicas,
            "environment": {"ECHO_RELEASE": "r1"},
            "resources": {"cpus": 0.5, "memory": "128m"},
            "health": {"path": "/health/ready", "interval": 1, "timeout": 3, "retries": 20, "start_period": 10},
        }
        stack = {"name": NAME, "environment": "lab", "domain": "echo.example.org", "services": {"api": service}}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"stack": stack, "paths": self.paths},
            "roles": [
                {"role": "drydock.serving.stack", "vars": {"stack_model": MODEL, "stack_command_enabled": False}}
            ],
        }
        path = self.place / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        environment = {
            **os.environ,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_LOCALHOST_WARNING": "0",
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        }
        words = [program, "-i", "localhost,", "-c", "local", str(path)]
        done = subprocess.run(words, cwd=self.place, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
        results = [task["hosts"]["localhost"] for task in tasks]
        return dict(next(item for item in results if "kind" in item))

    def command(self, *words: str) -> str:
        """What the command on the host says."""
        argv = [sys.executable, "-I", str(self._command), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def record(self) -> dict[str, Any]:
        return dict(json.loads(Path(self.paths["root"], "current", "release.json").read_text()))

    def containers(self) -> dict[str, str]:
        """Containers that run, by name, with what tells one from another of the same name."""
        lines = docker("ps", "--filter", f"label=drydock.stack={NAME}", "--format", "{{.Names}} {{.ID}}").splitlines()
        return dict(line.split() for line in lines)

    def ports(self) -> list[int]:
        """Where the edge is led to."""
        text = Path(self.paths["root"], "edge", "upstreams.conf").read_text()
        return [int(port) for port in re.findall(r"server 127\.0\.0\.1:(\d+)", text)]


class Load:
    """Requests, one after the other, each to the next of the upstreams."""

    def __init__(self, site: Site) -> None:
        self.bad: list[str] = []
        self.seen: dict[int, int] = {}
        self._site = site
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        number = 0
        while not self._stop.wait(0.01):
            number += 1
            ports = self._site.ports()
            port = ports[number % len(ports)]
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", f"/v1/echo?id=n{number}")
                answer = connection.getresponse()
                body = json.loads(answer.read())
                connection.close()
                if (answer.status, body.get("id")) != (200, f"n{number}"):
                    self.bad.append(f"{port}: {answer.status} {body}")
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.bad.append(f"{port}: {error!r}")
            self.seen[port] = self.seen.get(port, 0) + 1


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout


def tidy() -> None:
    names = docker("ps", "--all", "--quiet", "--filter", f"label=drydock.stack={NAME}").split()
    if names:
        docker("rm", "--force", *names)
    networks = docker("network", "ls", "--quiet", "--filter", f"label=drydock.stack={NAME}").split()
    if networks:
        docker("network", "rm", *networks)


@pytest.fixture
def site(tmp_path: Path, image: str) -> Iterator[Site]:
    tmp_path.chmod(0o755)
    tidy()
    try:
        yield Site(tmp_path, image)
    finally:
        tidy()


def test_replicas_come_and_go_under_load_and_what_stays_is_not_touched(site: Site) -> None:
    site.release(1)
    (first,) = site.containers().items()
    with Load(site) as load:
        told = site.command("scale", "api=3", "--reason", "a test")
        assert f"{NAME}: {site.record()['id']} serves." in told
        assert "replicas api: 1 -> 3" in told
        three = site.ports()
        assert set(site.containers()) == {f"{NAME}-blue-{name}-1" for name in ("api", "api-2", "api-3")}
        names = "import socket; print(len({item[4] for item in socket.getaddrinfo('api', 80, type=1)}))"
        assert docker("exec", first[0], "python3", "-c", names).strip() == "3", "the name leads to each of them"
        assert site.release(2)["moved"] == {}
        assert "replicas api: 2 -> 1" in site.release(1)["actions"]
    assert load.bad == []
    assert set(load.seen) == set(three)
    assert site.containers() == dict([first])
    assert site.release(1)["kind"] == "none"


def test_all_replicas_are_told_and_the_release_says_who_wanted_them(site: Site) -> None:
    site.release(1)
    site.command("scale", "api=2", "--reason", "the peak")
    record = site.record()
    assert record["reason"] == "the peak"
    assert {item["service"] for item in record["containers"].values()} == {"api"}
    told = json.loads(site.command("status", "--json"))
    assert {item["service"] for item in told["containers"]} == {"api", "api-2"}
