# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults injected into hosts: each is told in words, with what to do, and nothing is changed on the host."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testinfra.host import Host

ROOT = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"])
SCENARIO = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
INVENTORY = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"


def as_root(platform: str, script: str) -> str:
    """Run a script through the engine: sudo and SSH may be what is broken."""
    command = [sys.executable, "-m", "lab", "exec", f"preflight-{platform}", "sh", "-ec", script]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def fault(platform: str, inject: str, mend: str) -> Iterator[None]:
    as_root(platform, inject)
    try:
        yield
    finally:
        as_root(platform, mend)


def preflight(platform: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of the role against one host."""
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        str(INVENTORY),
        "--limit",
        platform,
        *arguments,
        str(SCENARIO / "converge.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
    result = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=120, env=environment
    )
    return result.returncode, " ".join((result.stdout + result.stderr).split())


@pytest.fixture
def platform(host: Host) -> str:
    return str(host.backend.host)


def test_nothing_was_left_on_the_host(host: Host) -> None:
    assert not host.file("/var/lib/drydock").exists
    assert not host.file("/etc/drydock").exists


def test_a_user_who_may_not_use_sudo_is_told_how_to_get_it(platform: str) -> None:
    folder = "/etc/sudoers.d"
    with fault(platform, f"mv {folder} {folder}.off; mkdir {folder}", f"rmdir {folder}; mv {folder}.off {folder}"):
        code, output = preflight(platform)
    assert code == 2
    assert "User ops cannot become root" in output
    assert "/etc/sudoers.d/ops" in output


def test_a_host_without_sudo_is_told_how_to_get_it(platform: str) -> None:
    with fault(platform, "mv /usr/bin/sudo /usr/bin/sudo.off", "mv /usr/bin/sudo.off /usr/bin/sudo"):
        code, output = preflight(platform)
    assert code == 2
    assert "sudo is not installed" in output
    assert "apt-get install sudo" in output


def test_an_unsupported_distribution_is_named_with_those_that_are_supported(platform: str) -> None:
    release = "/usr/lib/os-release"
    inject = (
        f"cp {release} {release}.off; printf 'ID=fedora\\nVERSION_ID=42\\nPRETTY_NAME=\"Fedora 42\"\\n' > {release}"
    )
    with fault(platform, inject, f"mv {release}.off {release}"):
        code, output = preflight(platform)
    assert code == 2
    assert "It runs Fedora 42, which is not supported. Supported: debian 12, 13; ubuntu 22.04, 24.04" in output


def test_a_host_without_room_is_told_how_much_is_missing(platform: str) -> None:
    code, output = preflight(platform, "--extra-vars", '{"disk": {"/var/lib/docker": 1125899906842624}}')
    assert code == 2
    assert "GiB are needed: 1048576 GiB kept free at /var/lib/docker" in output
    assert "docker image prune" in output


def test_problems_of_a_host_are_told_together(platform: str) -> None:
    release = "/usr/lib/os-release"
    inject = f"cp {release} {release}.off; echo ID=x > {release}; mv /usr/bin/sudo /usr/bin/sudo.off"
    with fault(platform, inject, f"mv {release}.off {release}; mv /usr/bin/sudo.off /usr/bin/sudo"):
        code, output = preflight(platform)
    assert code == 2
    assert "2 problems" in output


def test_a_host_that_does_not_let_anybody_in_is_unreachable_in_words(platform: str) -> None:
    code, output = preflight(platform, "--extra-vars", "ansible_port=9")
    assert code == 4
    assert "does not let this controller in" in output
    assert "Try: ssh -p 9" in output
