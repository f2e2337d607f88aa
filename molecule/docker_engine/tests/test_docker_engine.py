# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine as its containers and its operator meet it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from testinfra.host import Host

SHELL = "/usr/bin/busybox"


@pytest.fixture(scope="module", autouse=True)
def image(host: Host) -> None:
    """An image of one static program, made without a registry."""
    host.check_output("tar -C / -c usr/bin/busybox | docker import - web:1")


def run(host: Host, name: str, *options: str, command: str = "httpd -f -p 80 -h /usr") -> None:
    """Start a container of this name, in place of an older one."""
    host.run(f"docker rm --force {name}")
    host.check_output(f"docker run --detach --name {name} {' '.join(options)} web:1 {SHELL} {command}")


def test_the_engine_answers_and_comes_back_after_a_reboot(host: Host) -> None:
    assert host.check_output("docker version --format '{{.Server.Version}}'")
    assert host.service("docker").is_enabled


def test_compose_is_version_2(host: Host) -> None:
    assert int(host.check_output("docker compose version --short").lstrip("v").split(".")[0]) >= 2


def test_the_python_library_of_the_modules_reaches_the_engine(host: Host) -> None:
    assert host.check_output("/usr/bin/python3 -c 'import docker; print(docker.from_env().ping())'") == "True"


def test_keys_of_others_in_daemon_json_stay(host: Host) -> None:
    assert json.loads(host.check_output("docker info --format '{{json .Labels}}'")) == ["rack=b7"]


def test_logs_of_a_container_are_bounded(host: Host) -> None:
    run(host, "logs")
    settings = json.loads(host.check_output("docker inspect --format '{{json .HostConfig.LogConfig}}' logs"))
    assert settings == {"Type": "json-file", "Config": {"max-size": "5m", "max-file": "5"}}


def test_a_process_in_a_container_cannot_gain_privileges(host: Host) -> None:
    status = host.check_output(f"docker run --rm web:1 {SHELL} grep NoNewPrivs /proc/self/status")
    assert status.split() == ["NoNewPrivs:", "1"]


def test_a_port_published_on_loopback_answers_without_a_proxy_process(host: Host) -> None:
    run(host, "loopback", "--publish 127.0.0.1:18000:80")
    assert host.run(f"{SHELL} wget -q -T 5 -O /dev/null http://127.0.0.1:18000/bin/busybox").rc == 0
    assert host.run("pgrep docker-proxy").rc == 1


def test_memory_limits_are_enforced(host: Host) -> None:
    limit = host.check_output(
        f"docker run --rm --memory 64m web:1 {SHELL} sh -c "
        f"'{SHELL} cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || true'"
    )
    assert str(64 * 1024 * 1024) in limit


def test_containers_survive_a_restart_of_the_engine(host: Host) -> None:
    run(host, "survivor")
    started = "docker inspect --format '{{.State.Pid}} {{.State.StartedAt}}' survivor"
    before = host.check_output(started)
    host.check_output("systemctl restart docker")
    assert host.check_output(started) == before


def test_nobody_was_given_the_engine_without_asking(host: Host) -> None:
    assert host.group("docker").members == []


def test_compose_on_debian_12_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    playbook = tmp_path / "play.yml"
    facts = {"distribution": "Debian", "distribution_version": "12.9", "distribution_release": "bookworm"}
    playbook.write_text(
        json.dumps(
            [
                {
                    "hosts": "localhost",
                    "gather_facts": False,
                    "tasks": [
                        {"ansible.builtin.set_fact": {**facts, "cacheable": True}},
                        {"ansible.builtin.include_role": {"name": "drydock.serving.docker_engine"}},
                    ],
                }
            ]
        )
    )
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "--check"]
    result = subprocess.run(
        [*command, str(playbook)], check=False, capture_output=True, text=True, timeout=60, env={**os.environ}
    )
    assert result.returncode != 0
    output = " ".join((result.stdout + result.stderr).split())
    assert "Debian-12 has no compose version 2" in output
    assert "Set docker_engine_channel to 'docker'" in output
