# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vendor's channel: where packages come from, and what happens when the key is not the vendor's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

SOURCE = "/etc/apt/sources.list.d/docker.sources"
KEYRING = "/etc/apt/keyrings/docker.asc"


def converge(*more: str) -> subprocess.CompletedProcess[str]:
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    inventory = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"
    command = [str(Path(sys.executable).with_name("ansible-playbook")), f"--inventory={inventory}", *more]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "true", "ANSIBLE_FORCE_COLOR": "false"}
    return subprocess.run(
        [*command, str(scenario / "converge.yml")],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )


def vendor_fingerprint() -> str:
    return (Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "fingerprint").read_text().strip()


@pytest.mark.parametrize(
    "package", ["docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin"]
)
def test_the_vendor_s_packages_come_from_the_vendor_s_repository(host: Host, package: str) -> None:
    assert host.package(package).version == "5:99.0.0-1~lab"


def test_the_engine_and_compose_answer(host: Host) -> None:
    assert host.run("docker info").rc == 0
    assert host.run("docker compose version").rc == 0


def test_debian_s_engine_made_room_and_lost_nothing(host: Host) -> None:
    assert not host.package("docker.io").is_installed
    assert host.run("docker image inspect kept:1").rc == 0


def test_the_key_is_trusted_for_this_repository_alone(host: Host) -> None:
    source, fingerprint = host.file(SOURCE).content_string, vendor_fingerprint()
    assert f"Signed-By: {KEYRING} {fingerprint}" in source.splitlines()
    assert host.run("ls /etc/apt/trusted.gpg.d | grep -i docker").rc == 1


def test_a_key_with_another_fingerprint_installs_neither_key_nor_source(host: Host) -> None:
    kept = {path: host.file(path).content_string for path in (SOURCE, KEYRING)}
    host.check_output(f"rm {SOURCE} {KEYRING}")
    try:
        result = converge("-e", f"docker_engine_repository_fingerprint={'0' * 40}")
        assert result.returncode != 0
        output = " ".join((result.stdout + result.stderr).split())
        assert f"expected {'0' * 40}, found {vendor_fingerprint()}. Nothing was trusted" in output
        assert not host.file(SOURCE).exists
        assert not host.file(KEYRING).exists
        assert host.run("docker info").rc == 0
    finally:
        assert converge().returncode == 0
    assert {path: host.file(path).content_string for path in (SOURCE, KEYRING)} == kept
