# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A download on a real host over SSH, whose connection is cut in every way that a connection is cut."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.tests.slow_origin import SlowOrigin, serving_slowly

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"
NAME = "model-sync"
STORE = "/var/lib/drydock/cut"
SIZE = 40_000_000
CONTENT = b"one line of the model\n" * (SIZE // 22) + b"\n" * (SIZE % 22)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TOKEN = "tr0ub4dor-and-3"
CUT = (
    "nft add table inet cut && nft add chain inet cut in '{ type filter hook input priority -300; }' && "
    "nft add rule inet cut in tcp dport 22 drop"
)


def lab(*words: str) -> str:
    return subprocess.run(
        [str(BIN / "python"), "-m", "lab", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=900
    ).stdout


@dataclass
class Machine:
    """The host, from above and from beside."""

    folder: Path
    origin: SlowOrigin
    address: str

    def root(self, command: str) -> str:
        """Run a command as root through the engine, not through SSH."""
        return lab("exec", NAME, "--", "sh", "-c", command)

    def start(self, **variables: Any) -> subprocess.Popen[str]:
        origin = f"http://{self.address}:{self.origin.port}"
        file = {"path": "m.txt", "urls": [f"{origin}/m.txt"], "checksum": f"sha256:{SHA256}", "size": SIZE}
        task = {
            "root": STORE,
            "models": [{"name": "ocr", "version": "1", "files": [file]}],
            "reserve": "0",
            "headers": {origin: {"Authorization": f"Bearer {TOKEN}"}},
            **variables,
        }
        play = [{"hosts": NAME, "gather_facts": False, "become": True, "tasks": [{"drydock.serving.model_sync": task}]}]
        (self.folder / "play.yml").write_text(yaml.safe_dump(play), encoding="utf-8")
        return subprocess.Popen(
            [str(BIN / "ansible-playbook"), "-i", str(self.folder / "inventory.yml"), str(self.folder / "play.yml")],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "DRYDOCK_PROGRESS": "lines"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def play(self, **variables: Any) -> tuple[int, str]:
        return ended(self.start(**variables))

    def left(self) -> str:
        """Files of jobs and modules, and whatever has the token in it."""
        places = "/home/ops/.ansible/tmp /root/.ansible_async /root/.ansible"
        files = f"find {places} -type f 2>/dev/null"
        return self.root(f"sleep 6; {files}; grep -rlF {TOKEN} {places} /tmp {STORE}/state 2>/dev/null; true")

    def done(self) -> bool:
        found = self.root(f"sha256sum {STORE}/sets/ocr/current/m.txt 2>/dev/null | cut -d' ' -f1")
        return found.strip() == SHA256


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _errors = process.communicate(timeout=240)
    return process.returncode, output


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("cut")
    facts = json.loads(lab("host-up", "--fresh", NAME))
    inventory = {"all": {"hosts": {NAME: {key: value for key, value in facts.items() if key.startswith("ansible_")}}}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    try:
        packages = "python3-requests nftables procps"
        lab(
            "exec",
            NAME,
            "--",
            "sh",
            "-c",
            f"apt-get -q update && apt-get -qy install --no-install-recommends {packages}",
        )
        route = re.search(r"default via (\S+)", lab("exec", NAME, "--", "ip", "route"))
        assert route
        with serving_slowly(CONTENT, rate=1, address=route[1]) as origin:
            yield Machine(folder, origin, route[1])
    finally:
        lab("host-down", NAME)


@pytest.fixture(autouse=True)
def _fresh(machine: Machine) -> Iterator[None]:
    machine.origin.sent, machine.origin.rate = 0, 3_000_000
    machine.root(f"rm -rf {STORE}")
    yield
    machine.root("nft delete table inet cut 2>/dev/null; systemctl start ssh; true")


def test_a_server_that_dies_and_comes_back_is_found_again(machine: Machine) -> None:
    process = machine.start()
    machine.origin.wait_until_sent(SIZE * 0.3)
    machine.root("systemctl stop ssh.socket ssh.service; pkill sshd; sleep 6; systemctl start ssh")
    code, output = ended(process)
    assert code == 0, output
    assert "does not answer; the download goes on there. Trying again for 5 min 00 s more." in output
    assert "answers again after" in output
    assert f"changed: [{NAME}]" in output
    assert machine.done()
    assert machine.origin.sent == SIZE
    assert machine.left() == ""


def test_a_network_that_swallows_everything_is_noticed_and_the_download_completes(machine: Machine) -> None:
    process = machine.start()
    machine.origin.wait_until_sent(SIZE * 0.3)
    machine.root(f"{CUT} && sleep 30 && nft delete table inet cut")
    code, output = ended(process)
    assert code == 0, output
    assert "does not answer" in output
    assert machine.done()
    assert machine.origin.sent == SIZE


def test_a_host_that_stays_away_is_given_up_and_the_next_run_finds_everything(machine: Machine) -> None:
    process = machine.start(reconnect_timeout=3)
    machine.origin.wait_until_sent(SIZE * 0.3)
    machine.root(CUT)
    code, output = ended(process)
    assert code == 4, output
    assert "unreachable=1" in output
    assert "has not answered for 3 s. The download goes on there by itself" in output
    machine.origin.rate = 100_000_000
    machine.origin.wait_until_sent(SIZE)
    machine.root("nft delete table inet cut")
    code, output = machine.play()
    assert code == 0, output
    assert machine.done()
    assert machine.origin.sent == SIZE


def test_a_host_that_freezes_for_a_while_goes_on(machine: Machine) -> None:
    process = machine.start()
    machine.origin.wait_until_sent(SIZE * 0.3)
    container = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"name=-{NAME}$"], capture_output=True, text=True, check=True
    ).stdout.strip()
    subprocess.run(["docker", "pause", container], check=True, stdout=subprocess.DEVNULL)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=15)
    finally:
        subprocess.run(["docker", "unpause", container], check=True, stdout=subprocess.DEVNULL)
    code, output = ended(process)
    assert code == 0, output
    assert machine.done()


def test_a_controller_that_is_killed_loses_nothing_and_leaves_no_secret(machine: Machine) -> None:
    process = machine.start()
    machine.origin.wait_until_sent(SIZE * 0.6)
    process.kill()
    ended(process)
    code, output = machine.play()
    assert code == 0, output
    assert "which works on the same store" in output
    assert machine.done()
    assert machine.origin.sent <= SIZE * 1.01
    assert TOKEN not in output
    assert machine.root(f"grep -rlF {TOKEN} /home /root /tmp {STORE}/state 2>/dev/null; true") == ""


def test_a_host_whose_download_dies_goes_on_where_it_was(machine: Machine) -> None:
    process = machine.start()
    machine.origin.wait_until_sent(SIZE * 0.6)
    machine.root("pkill -9 -f '[a]sync_wrapper.py'; pkill -9 -f '[A]nsiballZ_model_sync'; true")
    code, output = ended(process)
    assert code == 0, output
    assert "the download broke off: its process is gone. Going on." in output
    assert machine.done()
    assert machine.origin.sent <= SIZE * 1.01 + 16 * 1024 * 1024
