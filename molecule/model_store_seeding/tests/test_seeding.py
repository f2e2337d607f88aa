# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Three real hosts, a firewall on each, one origin that writes down what it sends."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest
from testinfra.host import Host

CHECKOUT = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"]).parents[1]
FILES = json.loads((CHECKOUT / "examples" / "ocr" / "models.json").read_text())["files"]
ROOT = "/var/lib/drydock/models"
PORT = 18480
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2)"
LINE = re.compile(r'^(\S+) "GET /models/ocr/4\.0/\S+ HTTP/1\.1" 20[06] (\d+) ', re.MULTILINE)


@pytest.fixture
def addresses(host: Host) -> dict[str, str]:
    """Of all hosts of the scenario, by name."""
    runner = host.backend.ansible_runner
    return {name: runner.get_variables(name)["ansible_host"] for name in runner.get_hosts("all")}


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def container(address: str) -> str:
    """The container that has this address."""
    names = docker("ps", "--format", "{{.Names}}").split()
    form = "{{.Name}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    found = [line.split() for line in docker("inspect", "--format", form, *names).splitlines()]
    return next(line[0].lstrip("/") for line in found if line[1:] == [address])


def test_every_host_has_the_declared_bytes(host: Host) -> None:
    lines = host.check_output(f"cd {ROOT}/sets/ocr/current/ && sha256sum *.onnx").splitlines()
    assert {path: digest for digest, path in (line.split() for line in lines)} == {
        path: file["sha256"] for path, file in FILES.items()
    }


def test_the_origin_sent_each_byte_once(addresses: dict[str, str]) -> None:
    one = container(addresses["one"])
    born = docker("inspect", "--format", "{{.Created}}", one).strip()
    origin = re.sub(r"-model-store-seeding-one$", "-origin", one)
    log = LINE.findall(docker("logs", "--since", born, origin))
    sent = [int(count) for address, count in log if address in addresses.values()]
    size = sum(file["size"] for file in FILES.values())
    print(f"origin sent {sum(sent)} bytes to {len(addresses)} hosts, the set has {size}")  # noqa: T201 - the figure for the reader
    assert size <= sum(sent) <= 1.05 * size


def test_only_the_group_gets_through_to_the_port(host: Host, address: str, addresses: dict[str, str]) -> None:
    with pytest.raises(TimeoutError):  # refused would mean that the packet came through
        socket.create_connection((address, PORT), timeout=2).close()
    for other in set(addresses.values()) - {address}:
        tried = host.run(f"python3 -c '{CONNECT}' {other} {PORT}")
        assert tried.rc == 0 or "ConnectionRefusedError" in tried.stderr, tried.stderr


def test_nothing_stays_behind(host: Host) -> None:
    deadline = time.monotonic() + 90
    while host.run("pgrep -x drydock-seed").rc == 0:
        assert time.monotonic() < deadline, host.check_output("ps -ef")
        time.sleep(2)  # it ends by itself a minute after the last request
    assert host.check_output(f"find {ROOT} -name '.drydock-*'; find {ROOT}/partial -type f") == ""
    assert not host.socket(f"tcp://{PORT}").is_listening
