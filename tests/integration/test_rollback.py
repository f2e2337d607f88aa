# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases and the way back with a real engine, all of it below a temporary directory; nginx is for the lab's tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.service_images import ensure_image
from lab.state import State

ROOT = Path(__file__).resolve().parents[2]
ROLLBACK = ROOT / "playbooks" / "rollback.yml"
NAME = "drydock-test-back"
READY = {"interval": 1, "timeout": 3, "retries": 20, "start_period": 10}

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
    """One stack on this machine."""

    def __init__(self, place: Path, image: str) -> None:
        self.place = place
        self.image = image
        self.paths = {"root": str(place / "opt"), "secrets": str(place / "etc" / "secrets")}
        for version in ("4.0", "5.0"):
            (place / "models" / version).mkdir(parents=True)
            (place / "models" / version / "version").write_text(version)

    def stack(self, label: str) -> dict[str, Any]:
        environment = {"ECHO_RELEASE": label}
        return {
            "name": NAME,
            "environment": "lab",
            "domain": "echo.example.org",
            "release": {"keep_warm": True},
            "services": {
                "api": {
                    "image": self.image,
                    "command": ["api"],
                    "port": 8000,
                    "routes": ["/"],
                    "secrets": ["token"],
                    "environment": environment,
                    "health": {"path": "/health/ready", **READY},
                },
                "worker": {
                    "image": self.image,
                    "command": ["api"],
                    "environment": environment,
                    "health": {"command": ["true"], **READY},
                },
            },
        }

    def release(self, label: str, *, model: str = "4.0", secret: str | None = None) -> dict[str, Any]:
        """Release the stack by its role; what the task returned."""
        source = str(self.place / "models" / model)
        change = {
            "paths": self.paths,
            "models": [{"name": "ocr", "version": model, "files": [{"path": "version", "checksum": model, "size": 3}]}],
            "services": {
                "api": {"models": [{"name": "ocr", "version": model, "source": source, "target": "/models/ocr"}]}
            },
        }
        given = {"token": secret} if secret else {}
        wanted = (
            "{{ stack | drydock.serving.stack_model(secrets=stack_secrets | list) | combine(change, recursive=true) }}"
        )
        variables = {"stack": self.stack(label), "stack_secrets": given, "change": change}
        play = {
            "hosts": "localhost",
            "gather_facts": False,
            "vars": variables,
            "roles": [
                {"role": "drydock.serving.stack", "vars": {"stack_model": wanted, "stack_command_enabled": False}}
            ],
        }
        path = self.place / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        return self._play(path)

    def back(self, **variables: Any) -> dict[str, Any]:
        """The playbook; what its first task returned."""
        return self._play(
            ROLLBACK,
            drydock_hosts="localhost",
            rollback_paths=self.paths,
            stack={"name": NAME},
            ansible_become=False,
            **variables,
        )

    def _play(self, playbook: Path, **variables: Any) -> dict[str, Any]:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", "localhost,", "-c", "local", "-e", json.dumps(variables), str(playbook)),
            ],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            cwd=self.place,
            env={
                **os.environ,
                "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
                "ANSIBLE_LOCALHOST_WARNING": "0",
                "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            },
        )
        output = done.stdout + done.stderr
        try:
            tasks = json.loads(done.stdout[done.stdout.index("{") :])["plays"][0]["tasks"]
            results = [task["hosts"]["localhost"] for task in tasks]
            result = next(item for item in results if "rolled_back_to" in item)
        except (ValueError, StopIteration):
            raise AssertionError(output) from None
        return {**result, "code": done.returncode, "output": output}

    def record(self) -> dict[str, Any]:
        return dict(json.loads(Path(self.paths["root"], "current", "release.json").read_text()))

    def container(self, service: str) -> dict[str, Any]:
        """The container that serves, inspected."""
        name = self.record()["containers"][service]["name"]
        return dict(json.loads(docker("inspect", name))[0])

    def inside(self, path: str) -> str:
        """A file as the service that serves reads it."""
        return docker("exec", self.record()["containers"]["api"]["name"], "cat", path)

    def label(self, service: str) -> str:
        found = self.container(service)["Config"]["Env"]
        return next(str(item) for item in found if item.startswith("ECHO_RELEASE="))

    def running(self) -> set[str]:
        return set(docker("ps", "--filter", f"label=drydock.stack={NAME}", "--format", "{{.Names}}").split())


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


def test_everything_goes_back_as_one_and_the_other_way_again(site: Site) -> None:
    assert site.release("one", model="4.0", secret="the old value")["kind"] == "release"
    first = site.record()["id"]
    assert site.release("two", model="5.0", secret="the new value")["kind"] == "release"
    second = site.record()["id"]
    assert (site.inside("/models/ocr/version"), site.inside("/run/secrets/token")) == ("5.0", "the new value")

    done = site.back(reason="a test")
    assert (done["code"], done["rolled_back_to"], done["rolled_back_from"]) == (0, first, second), done["output"]
    assert "the old value" not in done["output"]
    assert (site.label("api"), site.label("worker")) == ("ECHO_RELEASE=one", "ECHO_RELEASE=one")
    assert (site.inside("/models/ocr/version"), site.inside("/run/secrets/token")) == ("4.0", "the old value")
    assert site.record()["models"]["ocr"]["version"] == "4.0"

    done = site.back(release=second)
    assert (done["code"], done["rolled_back_to"]) == (0, second), done["output"]
    assert (site.inside("/models/ocr/version"), site.inside("/run/secrets/token")) == ("5.0", "the new value")
    assert not site.back(release=second)["changed"]


def test_what_is_warm_is_not_started_again_and_what_is_behind_no_route_is(site: Site) -> None:
    site.release("one")
    api, worker = site.container("api"), site.container("worker")
    site.release("two")
    kept = f"{NAME}-blue-api-1"
    assert site.running() == {kept, f"{NAME}-green-api-1", f"{NAME}-green-worker-1"}
    assert set(json.loads(docker("inspect", kept))[0]["NetworkSettings"]["Networks"]) == {f"{NAME}-blue"}
    assert site.release("two")["changed"] is False
    done = site.back()
    assert done["code"] == 0, done["output"]
    assert list(done["durations"])[:7] == ["room", "stage", "place", "secrets", "rejoin", "switch", "confirm"]
    print({key: value for key, value in done["durations"].items() if value})  # noqa: T201 - shown with -rP
    after = site.container("api")
    assert (after["Id"], after["State"]["StartedAt"]) == (api["Id"], api["State"]["StartedAt"])
    assert site.container("worker")["Id"] != worker["Id"]
    assert NAME in after["NetworkSettings"]["Networks"]
    assert site.running() == {kept, f"{NAME}-blue-worker-1", f"{NAME}-green-api-1"}


def test_a_model_that_is_gone_keeps_what_serves(site: Site) -> None:
    site.release("one", model="4.0")
    site.release("two", model="5.0")
    serving = site.record()["id"]
    (site.place / "models" / "4.0").rename(site.place / "models" / "away")
    done = site.back()
    assert (done["code"], done["failure"]["kind"]) == (2, "models_missing")
    assert site.record()["id"] == serving
