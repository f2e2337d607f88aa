# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of a run at every step of a release, with a real engine; and the stack brought down and up as by its unit.

The steps are taken from the code, so a new one is tested by itself. nginx, the engine's own end and that of the whole
host are for the tests of the lab.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.service_images import ensure_image
from lab.state import State
from tests.compose import with_compose

from .kill_run import MIGRATES, NAME

ROOT = Path(__file__).resolve().parents[2]
BASE, BLUE, GREEN = f"{NAME}-base-store-1", f"{NAME}-blue-api-1", f"{NAME}-green-api-1"

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def docker(*words: str) -> list[str]:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split("\n")[:-1]


def free_ports() -> dict[str, int]:
    """Two ports of the loopback that nobody has, for now."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("127.0.0.1", 0))
        return {"blue": one.getsockname()[1], "green": two.getsockname()[1]}


class Site:
    """The stack on this machine."""

    def __init__(self, place: Path, image: str, environment: dict[str, str]) -> None:
        self.root = place / "opt"
        self._environment = environment
        self.secrets = place / "etc" / "secrets"
        self._settings = {"place": str(place), "image": image, "ports": free_ports()}
        self.label = "first"

    def begin(self, label: str) -> subprocess.Popen[bytes]:
        """Make a release and do not wait for it."""
        told = json.dumps({**self._settings, "what": "release", "label": label, "at": ""})
        words = [sys.executable, "-m", "tests.integration.kill_run", told]
        return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, env=self._variables())

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self._environment, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}

    def do(self, what: str, label: str = "", at: str = "") -> dict[str, Any] | None:
        """One process; None when it was killed."""
        told = json.dumps({**self._settings, "what": what, "label": label or self.label, "at": at})
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.kill_run", told],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=self._variables(),
        )
        if done.returncode == -9:
            return None
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "current" / "release.json").read_text()))

    def answers(self) -> str:
        """The label of the release that is current, from its own container."""
        url = self.record()["containers"]["api"]["url"]
        return str(requests.get(url, timeout=10).json()["release"])

    def running(self) -> set[str]:
        return set(docker("ps", "--filter", f"label=drydock.stack={NAME}", "--format", "{{.Names}}"))

    def started(self) -> dict[str, str]:
        """When each container was started."""
        return {name: docker("inspect", "--format", "{{.State.StartedAt}}", name)[0] for name in self.running()}

    def left_over(self) -> list[str]:
        """What a finished release must not leave."""
        state = self.root / "state"
        found = [*self.root.glob("releases/*.staging"), *self.root.rglob(".drydock-*"), self.secrets / ".undo"]
        found += [state / name for name in ("journal.json", "lease.json", "registry-auth")]
        found += [item for item in self.root.glob("releases/*") if not (item / "release.json").is_file()]
        records = "".join(path.read_text() for path in self.root.glob("releases/*/release.json"))
        versions = [item for item in self.secrets.glob("*/*") if item.is_dir() and not item.parent.name.startswith(".")]
        found += [item for item in versions if str(item) not in records]
        return [str(item) for item in found if item.exists()]


@pytest.fixture(scope="module")
def site(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    checkout, engine = this_checkout(), Docker.find()
    assert engine is not None
    digest = ensure_image(checkout, engine, "echo").partition("@")[2]
    images = State(checkout).load()["images"].values()
    image = next(str(item["tag"]) for item in images if item["digest"] == digest)
    place = tmp_path_factory.mktemp("kills")
    found = Site(place, image, with_compose(checkout, engine, place / "docker"))
    try:
        told = found.do("release")
        assert told is not None
        assert told["failure"] is None, told
        yield found
    finally:
        there = docker("ps", "--all", "--quiet", "--filter", f"label=drydock.stack={NAME}")
        if there:
            docker("rm", "--force", *there)
        networks = docker("network", "ls", "--quiet", "--filter", f"label=drydock.stack={NAME}")
        if networks:
            docker("network", "rm", *networks)


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_run_that_is_killed_at_a_step_is_finished_or_undone_by_the_next(site: Site, step: str) -> None:
    before, after = site.answers(), f"at-{step}"
    assert site.do("release", after, step) is None
    assert site.answers() in {before, after}
    told = site.do("release", after)
    assert told is not None
    assert (told["failure"], told["changed"]) == (None, True), told
    assert site.answers() == after
    assert site.left_over() == []
    assert site.running() == {item["name"] for item in site.record()["containers"].values()}
    checked = site.do("check", after)
    assert checked is not None
    assert not checked["changed"], checked
    site.label = after


def test_a_stop_leaves_nothing_running_and_a_start_brings_back_components_first(site: Site) -> None:
    serving = site.running()
    site.do("stop")
    assert site.running() == set()
    assert json.loads((site.root / "state" / "gate.json").read_text())["stopped"]["by"] == "systemd"
    site.do("start")
    assert site.running() == serving
    assert not (site.root / "state" / "gate.json").exists()
    started = site.started()
    assert started.pop(BASE) < min(started.values())
    assert site.answers() == site.label


def test_a_container_that_is_gone_after_a_boot_is_made_again_from_the_release(site: Site) -> None:
    serving = site.running()
    docker("kill", *serving)
    docker("rm", *(serving - {BASE}))
    site.do("start")
    assert site.running() == serving
    assert site.answers() == site.label
    checked = site.do("check")
    assert checked is not None
    assert not checked["changed"], checked


def test_a_start_of_what_serves_touches_nothing(site: Site) -> None:
    before = site.started()
    site.do("start")
    assert site.started() == before


def test_the_container_of_a_migration_rotates_its_log_like_every_other(site: Site) -> None:
    form = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}"
    seen: list[str] = []
    with site.begin(MIGRATES) as running:
        while not seen and running.poll() is None:
            jobs = docker("ps", "--quiet", "--filter", f"label=drydock.stack={NAME}", "--filter", "label=drydock.job")
            seen = docker("inspect", "--format", form, *jobs) if jobs else []
        assert running.wait(timeout=120) == 0
    assert site.answers() == site.label  # the migration did not end, so the old release serves
    there = docker("inspect", "--format", form, *site.running())
    assert [*seen, *there] == ['json-file {"max-file":"5","max-size":"10m"}'] * 3
