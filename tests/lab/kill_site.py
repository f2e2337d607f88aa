# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host of its own with a small stack behind its edge, to have something killed on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.hosts import host_down, host_up
from lab.inventory import connection
from lab.outside import ask
from lab.service_images import ensure_image

ROOT = Path(__file__).resolve().parents[2]
HOST = "kills"
NAME = "kills"
DOMAIN = "kills.drydock.test"
DRIVER = Path(__file__).with_name("kill_driver.py")
COUNT_SECRETS = f"find /etc/{NAME}/secrets -mindepth 2 -maxdepth 2 -type d ! -path '*/.*'"


def stack(image: str, redis: str, certificate: Path, key: Path) -> dict[str, Any]:
    """One service behind the edge, and a component that it needs."""
    patience = {"interval": 1, "timeout": 3, "retries": 20, "start_period": 20}
    return {
        "name": NAME,
        "environment": "lab",
        "domain": DOMAIN,
        "services": {
            "api": {
                "image": image,
                "command": ["api"],
                "port": 8000,
                "routes": ["/"],
                "environment": {"ECHO_RELEASE": "first", "ECHO_QUEUE_HOST": "redis"},
                "health": {"path": "/health/ready", **patience},
                "secrets": ["redis_password"],
                "depends_on": ["redis"],
                "resources": {"cpus": 0.5, "memory": "128m"},
                "drain": {"timeout": 5},
                "stop_grace_period": 5,
            }
        },
        "components": {"redis": {"image": redis}},
        "edge": {"tls": {"mode": "files", "certificate": str(certificate), "key": str(key)}},
    }


class Site:
    """The host, as an operator, a client and a power cut see it."""

    def __init__(self, docker: Docker, address: str, container: str, inventory: Path) -> None:
        self.docker = docker
        self.address = address
        self.container = container
        self.inventory = inventory
        self.ca = ensure_ca(this_checkout()).certificate

    def sh(self, command: str, *, check: bool = True) -> str:
        """Run it on the host as root; what it wrote."""
        done = self.docker("exec", self.container, "sh", "-c", command, check=False, timeout=300)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def release(self, label: str, how: str = "", at: str = "") -> dict[str, Any]:
        """Make a release; what it told, nothing when it was killed."""
        text = self.sh(f"python3 /root/{DRIVER.name} {label} '{how}' '{at}' 2>&1", check=False)
        last = text.splitlines()[-1:] or [""]
        return dict(json.loads(last[0])) if last[0].startswith("{") else {"said": text}

    def begin(self, label: str, how: str, at: str) -> subprocess.Popen[bytes]:
        """Make a release and do not wait for it."""
        words = ["docker", "exec", self.container, "python3", f"/root/{DRIVER.name}", label, how, at]
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def wait_until(self, condition: str, seconds: float = 90) -> None:
        """Until this command succeeds on the host."""
        deadline = time.monotonic() + seconds
        while self.docker("exec", self.container, "sh", "-c", condition, check=False).returncode != 0:
            assert time.monotonic() < deadline, f"never came to: {condition}"
            time.sleep(0.1)  # a real program works

    def power_cut(self) -> None:
        """The whole host at once, and the boot after it."""
        self.docker("kill", self.container)
        self.up()

    def reboot(self) -> None:
        """As an operator reboots: units are stopped in order."""
        self.docker("stop", "--time", "120", self.container)
        self.up()

    def up(self) -> None:
        """Until the boot is over, which is when the stack's unit has ended."""
        host_up(this_checkout(), self.docker, HOST, with_engine=True)

    def answers(self, path: str = "/health/ready") -> tuple[int, str]:
        """The status, and the label of the release that answers through the edge."""
        answer = ask(DOMAIN, path, address=self.address, ca=self.ca, timeout=10)
        try:
            return answer.status, str(json.loads(answer.body).get("release", ""))
        except ValueError:
            return answer.status, ""

    def started(self) -> dict[str, str]:
        """When each container that runs was started."""
        form = "'{{.Name}} {{.State.StartedAt}}'"
        lines = self.sh(f"docker inspect --format {form} $(docker ps --quiet)").splitlines()
        return {name.strip("/"): at for name, at in (line.split() for line in lines)}

    def left_over(self) -> list[str]:
        """What a finished release must not leave: on the disk, in the engine, among the secrets."""
        record = json.loads(self.sh(f"cat /opt/{NAME}/current/release.json"))
        records = self.sh(f"cat /opt/{NAME}/releases/*/release.json")
        found = self.sh(
            f"cd /opt/{NAME}; ls -d releases/*.staging state/journal.json state/lease.json state/registry-auth "
            f"/etc/{NAME}/secrets/.undo 2>/dev/null; find . -name '.drydock-*'; "
            "for place in releases/*; do [ -e $place/release.json ] || echo $place; done",
            check=False,
        ).splitlines()
        running = self.sh(f"docker ps --filter label=drydock.stack={NAME} --format '{{{{.Names}}}}'").split()
        names = {str(item["name"]) for item in record["containers"].values()}
        found += [f"container {name}" for name in set(running) ^ names]
        networks = self.sh("docker network ls --filter name=kills --format '{{.Name}}'").split()
        found += [f"network {name}" for name in set(networks) ^ {NAME, f"{NAME}-blue", f"{NAME}-green"}]
        found += [f"secrets {place}" for place in self.sh(COUNT_SECRETS).split() if place not in records]
        return found


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """The host with a first release that serves."""
    checkout = this_checkout()
    docker = ensure_engine(checkout)
    certificate = ensure_certificate(checkout, NAME, (DOMAIN,))
    host_down(checkout, docker, HOST)
    host = host_up(checkout, docker, HOST, with_engine=True)
    try:
        images = {name: ensure_image(checkout, docker, name) for name in ("echo", "redis")}
        inventory = folder / "hosts.json"
        inventory.write_text(json.dumps({"drydock": {"hosts": {HOST: connection(checkout, host)}}}))
        wanted = stack(images["echo"], images["redis"], certificate.certificate, certificate.key)
        (folder / "group_vars" / "all").mkdir(parents=True)
        (folder / "group_vars" / "all" / "stack.json").write_text(json.dumps({"stack": wanted}))
        found = Site(docker, host.address, host.container, inventory)
        play(found, "--tags", "engine,stack")
        docker("cp", str(DRIVER), f"{host.container}:/root/{DRIVER.name}")
        yield found
    finally:
        host_down(checkout, docker, HOST)


def play(found: Site, *words: str) -> str:
    """``site.yml`` on the host; what it said."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(found.inventory), "site.yml", *words],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
