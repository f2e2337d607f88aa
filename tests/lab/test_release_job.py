# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release on a real host over SSH, whose controller is killed and whose connection is cut while it waits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmarks.release.site import Host
from benchmarks.release.wanted import DOMAIN, NAME, Wanted, stack
from lab.ca import KeyPair, ensure_ca, ensure_certificate
from lab.checkout import Checkout
from lab.outside import ask

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
HOST = "release-job"
# The service listens so late that there is time to do something about its release.
SLOW = "slow_start=12"
LIMIT = 240.0


def lab(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "lab", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=900
    ).stdout


@dataclass
class Site:
    """The host, the stack that is wanted there, and the playbook that brings it."""

    folder: Path
    host: Host
    image: str
    redis: str
    certificate: KeyPair

    def want(self, label: str, faults: str = "") -> None:
        value = stack(
            Wanted(label, faults),
            image=self.image,
            redis=self.redis,
            certificate=self.certificate.certificate,
            key=self.certificate.key,
        )
        place = self.folder / "group_vars" / "all"
        place.mkdir(parents=True, exist_ok=True)
        (place / "stack.json").write_text(json.dumps({"stack": value}), encoding="utf-8")
        inventory = {"drydock": {"hosts": {HOST: self.host.connection}}}
        (self.folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")

    def start(self, *tags: str, **environment: str) -> subprocess.Popen[str]:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return subprocess.Popen(
            [program, "-i", str(self.folder / "hosts.json"), "site.yml", "--tags", ",".join(tags or ("stack",))],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "DRYDOCK_PROGRESS": "lines", **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def root(self, command: str) -> str:
        """Run a command as root through the engine, not through SSH."""
        return lab("exec", HOST, "--", "sh", "-c", command)

    def reach(self, step: str) -> None:
        """Wait until the release on the host is at a step."""
        ends = time.monotonic() + LIMIT
        while time.monotonic() < ends:
            text = self.root(f"cat /opt/{NAME}/state/job/status.json 2>/dev/null; true")
            if text.strip() and json.loads(text)["step"] == step:
                return
            time.sleep(0.3)
        raise AssertionError(f"never at {step}")

    def settle(self) -> None:
        """Wait until nobody works on the stack."""
        self.root(f"for i in $(seq 600); do [ -e /opt/{NAME}/state/lease.json ] || break; sleep 0.2; done")

    def serving(self) -> str:
        """The label of what answers through the edge."""
        answer = ask(DOMAIN, "/v1/echo?id=a", address=self.host.address, ca=ensure_ca(Checkout(ROOT)).certificate)
        return str(json.loads(answer.body)["release"])


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _errors = process.communicate(timeout=LIMIT)
    return process.returncode, output


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("job")
    certificate = ensure_certificate(Checkout(ROOT), "release-job", (DOMAIN,))
    image, redis = json.loads(lab("images", "echo"))["echo"], json.loads(lab("images"))["redis"]
    facts: dict[str, Any] = json.loads(lab("host-up", HOST, "--engine", "--fresh"))
    try:
        host = Host({key: value for key, value in facts.items() if key.startswith("ansible_")})
        made = Site(folder, host, image, redis, certificate)
        made.want("first")
        code, output = ended(made.start("engine", "stack"))
        assert code == 0, output[-8000:]
        yield made
    finally:
        lab("host-down", HOST)


def test_a_controller_that_is_killed_in_healthy_does_not_end_the_release_and_the_next_run_changes_nothing(
    site: Site,
) -> None:
    site.want("killed", SLOW)
    process = site.start()
    site.reach("healthy")
    os.killpg(process.pid, signal.SIGKILL)
    ended(process)
    site.settle()
    assert site.serving() == "killed"
    code, output = ended(site.start())
    assert code == 0, output
    assert "changed=0" in output
    assert (
        site.root("ls /root/.ansible_async /home/*/.ansible/tmp 2>/dev/null | grep -c AnsiballZ; true").strip() == "0"
    )


def test_a_server_that_dies_and_comes_back_is_found_again_and_the_result_is_the_releases_own(site: Site) -> None:
    site.want("cut", SLOW)
    process = site.start()
    site.reach("healthy")
    site.root("systemctl stop ssh.socket ssh.service; pkill sshd; sleep 4; systemctl start ssh")
    code, output = ended(process)
    assert code == 0, output
    assert "does not answer; the release goes on there. Trying again" in output
    assert "answers again after" in output
    assert f"changed: [{HOST}]" in output
    assert site.serving() == "cut"
    code, output = ended(site.start())
    assert "changed=0" in output, output
