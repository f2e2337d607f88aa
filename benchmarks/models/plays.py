# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of the lab for the cases that are about whole plays, and running such plays."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import CannotRunError, Ended, run, say

ROOT = Path(__file__).resolve().parents[2]
_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Hosts:
    """Hosts that run, by name, with how Ansible reaches them."""

    connections: dict[str, dict[str, Any]]
    folder: Path

    @property
    def addresses(self) -> dict[str, str]:
        """Their addresses, by name."""
        return {name: str(found["ansible_host"]) for name, found in self.connections.items()}

    @property
    def our_address(self) -> str:
        """The address of this machine that the hosts reach."""
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
            probe.connect((next(iter(self.addresses.values())), 9))
            address: str = probe.getsockname()[0]
        return address

    def know(self, **variables: Any) -> None:
        """Put variables into the inventory, where every play reads them."""
        place = self.folder / "group_vars" / "all.json"
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps(variables), encoding="utf-8")

    def play(self, *tasks: dict[str, Any]) -> Ended:
        """Run one play of these tasks against all of them, as root. Timed as a user would: the whole command."""
        book = self.folder / "play.json"
        play = {"hosts": "all", "gather_facts": False, "become": True, "tasks": list(tasks)}
        book.write_text(json.dumps([play]), encoding="utf-8")
        inventory = self.folder / "hosts.json"
        inventory.write_text(json.dumps({"all": {"hosts": self.connections}}), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        environment = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return run([program, "-i", str(inventory), str(book)], folder=self.folder, environment=environment)


def changed(ended: Ended) -> int:
    """How many tasks changed something, over all hosts."""
    return sum(int(found[3]) for found in _RECAP.finditer(ended.output))


@contextlib.contextmanager
def lab_hosts(names: Sequence[str], folder: Path) -> Iterator[Hosts]:
    """Fresh hosts of this checkout's lab, which are gone afterwards.

    :raises CannotRunError: no engine answers (it is not started here: that is for ``make lab-up``), or a host fails.
    """
    if "engine    answers" not in _lab("status"):
        raise CannotRunError("needs hosts of the lab, and no Docker engine answers: make lab-up")
    say(f"starting {len(names)} lab host(s)")
    try:
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda name: _lab("host-up", name, "--fresh"), names))
        reached = {name: _connection(text) for name, text in zip(names, found, strict=True)}
        yield Hosts(connections=reached, folder=folder)
    finally:
        _lab("host-down", *names)


def _connection(text: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(text).items() if name.startswith("ansible_")}


def _lab(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lab", *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CannotRunError(f"python -m lab {' '.join(words)}: {done.stderr[-500:]}")
    return done.stdout
