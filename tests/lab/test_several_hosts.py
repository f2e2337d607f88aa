# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with engines and nginx of their own: all of them get a release or none; or one after another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import this_checkout
from lab.outside import ask

from .conftest import BIN, ROOT, Run, run_playbook

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NAMES = ("several-1", "several-2")
DOMAIN = "echo.drydock.test"
WAIT = 120  # seconds, for what another process does


def lab_says(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "lab", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@dataclass
class Hosts:
    """The inventory of both, and what is wanted of them."""

    place: Path
    image: str
    connections: dict[str, dict[str, Any]]
    ca: Path
    tls: dict[str, str]
    label: str = "first"
    faults: dict[str, str] = field(default_factory=dict)  # host -> how its service misbehaves
    variables: dict[str, Any] = field(default_factory=dict)

    def inventory(self) -> str:
        health = {"path": "/health/ready", "interval": 1, "timeout": 3, "retries": 10, "start_period": 5}
        own = {name: {**found, "faults": self.faults.get(name, "")} for name, found in self.connections.items()}
        service = {
            "image": self.image,
            "command": ["api"],
            "port": 8000,
            "routes": ["/"],
            "environment": {"ECHO_RELEASE": self.label, "ECHO_FAULTS": "{{ faults }}"},
            "resources": {"cpus": 0.5, "memory": "128m"},
            "health": health,
        }
        stack = {
            "name": "several",
            "environment": "lab",
            "domain": DOMAIN,
            "services": {"api": service},
            "edge": {"tls": {"mode": "files", **self.tls}},
        }
        path = self.place / "hosts.json"
        path.write_text(json.dumps({"drydock": {"hosts": own, "vars": {"stack": stack, **self.variables}}}))
        return str(path)

    def play(self, *arguments: str) -> Run:
        return run_playbook("playbooks/stack.yml", *arguments, inventory=self.inventory())

    def start(self) -> subprocess.Popen[str]:
        """Begin a run that is not waited for."""
        return subprocess.Popen(
            [str(BIN / "ansible-playbook"), "-i", self.inventory(), "playbooks/stack.yml"],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def on(self, name: str, *words: str) -> str:
        return lab_says("exec", name, *words).strip()

    def asked(self, path: str) -> list[tuple[int, str]]:
        """What each host answers from outside: the status, and which release it was."""
        found = []
        for connection in self.connections.values():
            answer = ask(DOMAIN, path, address=connection["ansible_host"], ca=self.ca, timeout=10)
            told = json.loads(answer.body)
            found.append((answer.status, told.get("release") or told.get("status")))
        return found

    def waiting(self, name: str) -> bool:
        return "yes" in self.on(name, "sh", "-c", "test -e /opt/several/state/prepared.json && echo yes || echo no")

    def at_work(self, name: str) -> bool:
        return "yes" in self.on(name, "sh", "-c", "test -e /opt/several/state/lease.json && echo yes || echo no")


@pytest.fixture(scope="module")
def hosts(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Both hosts with a first release and nginx in front of it."""
    checkout = this_checkout()
    certificate = ensure_certificate(checkout, "several", (DOMAIN,))
    try:
        told = {name: json.loads(lab_says("host-up", name, "--engine", "--fresh")) for name in NAMES}
        found = Hosts(
            place=tmp_path_factory.mktemp("several"),
            image=json.loads(lab_says("images", "echo"))["echo"],
            connections={
                name: {key: value for key, value in host.items() if key.startswith("ansible_")}
                for name, host in told.items()
            },
            ca=ensure_ca(checkout).certificate,
            tls={"certificate": str(certificate.certificate), "key": str(certificate.key)},
        )
        first = found.play()
        assert first.code == 0, first.output[-8000:]
        yield found
    finally:
        lab_says("host-down", *NAMES)


@pytest.fixture(autouse=True)
def _as_inventory_has_it(hosts: Hosts) -> None:
    hosts.faults, hosts.variables = {}, {}


def until(condition: Callable[[], bool]) -> None:
    tick = threading.Event()
    for _ in range(WAIT):
        if condition():
            return
        tick.wait(1)
    raise AssertionError(f"it did not come about within {WAIT} s")


def test_all_hosts_serve_the_same_release_and_say_that_they_are_ready(hosts: Hosts) -> None:
    assert hosts.asked("/v1/echo?id=a") == [(200, "first")] * 2
    assert hosts.asked("/-/ready") == [(200, "ready")] * 2
    assert hosts.asked("/-/health") == [(200, "ok")] * 2


def test_one_host_whose_release_is_never_healthy_leaves_both_on_the_old_one(hosts: Hosts) -> None:
    hosts.label, hosts.faults = "second", {NAMES[1]: "never_ready"}
    run = hosts.play()
    assert run.code != 0
    assert hosts.asked("/v1/echo?id=a") == [(200, "first")] * 2
    assert f"No host was switched. {NAMES[1]}: " in run.output
    assert [hosts.waiting(name) for name in NAMES] == [False, False]


def test_a_controller_that_dies_while_hosts_wait_for_each_other_leaves_the_old_release(hosts: Hosts) -> None:
    hosts.label, hosts.faults = "second", {NAMES[1]: "never_ready"}
    process = hosts.start()
    until(lambda: hosts.waiting(NAMES[0]))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not hosts.at_work(NAMES[1]))
    assert hosts.waiting(NAMES[0])
    assert hosts.asked("/v1/echo?id=a") == [(200, "first")] * 2
    assert "prepared, not switched" in hosts.on(NAMES[0], "sh", "-c", "several status || true")


def test_the_next_run_undoes_what_waits_and_brings_all_to_the_same_release(hosts: Hosts) -> None:
    hosts.label = "second"
    run = hosts.play()
    assert run.code == 0, run.output[-8000:]
    assert hosts.asked("/v1/echo?id=a") == [(200, "second")] * 2
    again = hosts.play()
    assert [again.recap(name)["changed"] for name in NAMES] == [0, 0], again.output[-4000:]


def test_a_host_that_goes_down_before_the_switch_leaves_the_other_on_the_old_release(hosts: Hosts) -> None:
    hosts.label, hosts.variables = "third", {}
    hosts.connections[NAMES[1]]["ansible_port"] = 9
    try:
        run = hosts.play()
    finally:
        hosts.connections[NAMES[1]]["ansible_port"] = 22
    assert run.code != 0
    assert hosts.asked("/v1/echo?id=a") == [(200, "second")] * 2


def test_one_after_another_stops_at_the_host_that_fails_and_puts_it_back_into_service(hosts: Hosts) -> None:
    hosts.label, hosts.faults = "third", {NAMES[1]: "never_ready"}
    hosts.variables = {"drydock_rollout": "serial", "drydock_drain_seconds": 2}
    run = hosts.play()
    assert run.code != 0
    assert hosts.asked("/v1/echo?id=a") == [(200, "third"), (200, "second")]
    assert hosts.asked("/-/ready") == [(200, "ready")] * 2
    assert "The rollout stops here" in run.output


def test_while_a_host_is_worked_on_its_edge_tells_balancers_and_answers_on(hosts: Hosts) -> None:
    hosts.label = "fourth"
    hosts.variables = {"drydock_rollout": "serial", "drydock_drain_seconds": 5}
    seen: list[tuple[list[tuple[int, str]], list[int]]] = []
    process = hosts.start()
    while process.poll() is None:
        seen.append((hosts.asked("/-/ready"), [status for status, _release in hosts.asked("/v1/echo?id=a")]))
        threading.Event().wait(0.5)
    output = process.stdout.read() if process.stdout else ""
    assert process.returncode == 0, output[-8000:]
    ready = [[status for status, _told in told] for told, _answers in seen]
    assert [503, 200] in ready
    assert [200, 503] in ready
    assert [503, 503] not in ready
    assert all(answers == [200, 200] for _told, answers in seen)
    assert hosts.asked("/v1/echo?id=a") == [(200, "fourth")] * 2
