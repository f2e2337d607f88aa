# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab host, and the two ways to change what it serves: the collection's playbooks, and Compose by hand."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.models.workbench import CannotRunError, say
from benchmarks.release.http1 import Place
from benchmarks.release.load import place_of
from benchmarks.release.wanted import DOMAIN, NAME, PEER_NGINX, PEER_PORT, Wanted, compose, stack
from lab.ca import KeyPair, ensure_ca, ensure_certificate
from lab.checkout import Checkout

ROOT = Path(__file__).resolve().parents[2]
HOST = "bench-release"
PATIENCE = 600
ROLLBACK = ROOT / "playbooks" / "rollback.yml"


@dataclass(frozen=True)
class Done:
    """A change that has ended: its exit status, the seconds of the whole command, the end of what it said."""

    status: int
    seconds: float
    said: str


@dataclass(frozen=True)
class Host:
    """A lab host that runs, with how Ansible reaches it."""

    connection: dict[str, Any]

    @property
    def address(self) -> str:
        """Its address."""
        return str(self.connection["ansible_host"])

    def ssh(self, *words: str, data: str = "") -> Done:
        """Run a command there as root, as an operator would who logs in."""
        found = self.connection
        login = ["ssh", "-i", found["ansible_ssh_private_key_file"], *shlex.split(found["ansible_ssh_common_args"])]
        return _run([*login, f"{found['ansible_user']}@{self.address}", "sudo", shlex.join(words)], data=data)

    def write(self, path: str, content: str, *, mode: str = "0644") -> None:
        """Put a file there."""
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1.new" && chmod "$2" "$1.new" && mv "$1.new" "$1"'
        judged(self.ssh("sh", "-c", script, "sh", path, mode, data=content), f"writing {path}")


class Way(Protocol):
    """A way to change what is served."""

    name: str
    place: Place

    def deploy(self, wanted: Wanted) -> Done:
        """Make this what is served."""

    def back(self, to: Wanted) -> Done:
        """Return to what was served before."""


class Collection:
    """The collection, as its users call it."""

    name = "ours"

    def __init__(self, host: Host, folder: Path, *, image: str, redis: str, certificate: KeyPair, ca: Path) -> None:
        self.host = host
        self.place = place_of(f"https://{DOMAIN}", address=host.address, ca=ca)
        self._folder = folder
        self._images = {"image": image, "redis": redis}
        self._certificate = certificate
        inventory = {"drydock": {"hosts": {HOST: host.connection}}}
        (folder / "group_vars" / "all").mkdir(parents=True)
        (folder / "hosts.json").write_text(json.dumps(inventory), encoding="utf-8")

    def first(self, wanted: Wanted) -> None:
        """What comes before the changes: the engine, and a release that serves."""
        self._want(wanted)
        judged(self._play("site.yml", "--tags", "engine,stack"), "the first deployment")

    def deploy(self, wanted: Wanted) -> Done:
        """``site.yml --tags stack`` with another inventory."""
        self._want(wanted)
        return self._play("site.yml", "--tags", "stack")

    def back(self, to: Wanted) -> Done:
        """``playbooks/rollback.yml``; while the collection has none, the former inventory once more."""
        self._want(to)
        return self._play(str(ROLLBACK)) if ROLLBACK.exists() else self._play("site.yml", "--tags", "stack")

    def scale(self, service: str, count: int) -> Done:
        """The command on the host."""
        return self.host.ssh(f"/usr/local/bin/{NAME}", "scale", f"{service}={count}")

    def edge(self, wanted: Wanted) -> Done:
        """``site.yml --tags edge``: only nginx's configuration."""
        self._want(wanted)
        return self._play("site.yml", "--tags", "edge")

    def _want(self, wanted: Wanted) -> None:
        value = stack(wanted, **self._images, certificate=self._certificate.certificate, key=self._certificate.key)
        place = self._folder / "group_vars" / "all" / "stack.json"
        place.write_text(json.dumps({"stack": value}, indent=2), encoding="utf-8")

    def _play(self, *words: str) -> Done:
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        return _run([program, "-i", str(self._folder / "hosts.json"), *words])


class Compose:
    """``docker compose up -d --wait`` on the same host, with an nginx of the same settings in front."""

    name = "compose"

    def __init__(self, host: Host, *, image: str, redis: str, certificate: KeyPair, ca: Path) -> None:
        self.host = host
        self.place = place_of(f"https://{DOMAIN}:{PEER_PORT}", address=host.address, ca=ca)
        self._images = {"image": image, "redis": redis}
        host.write("/opt/peer/tls.crt", certificate.certificate.read_text(encoding="utf-8"))
        host.write("/opt/peer/tls.key", certificate.key.read_text(encoding="utf-8"), mode="0600")
        host.write("/opt/peer/redis_password", "of-the-peer\n")

    def first(self, wanted: Wanted) -> None:
        """What comes before the changes; nginx is there already, for the collection's release."""
        judged(self.deploy(wanted), "the first docker compose up")
        self.host.write("/etc/nginx/conf.d/90-peer.conf", PEER_NGINX)
        judged(self.host.ssh("sh", "-c", "nginx -t && systemctl reload nginx"), "nginx in front of Compose")

    def deploy(self, wanted: Wanted) -> Done:
        """Another compose.yaml, then the command; it is timed without the writing."""
        self.host.write("/opt/peer/compose.yaml", json.dumps(compose(wanted, **self._images), indent=2))
        words = ["docker", "compose", "--project-directory", "/opt/peer", "up", "-d", "--wait", "--wait-timeout", "60"]
        return self.host.ssh(*words)

    def back(self, to: Wanted) -> Done:
        """Compose knows no former state: the former file once more."""
        return self.deploy(to)


@dataclass(frozen=True)
class Site:
    """The host with both."""

    ours: Collection
    peer: Compose


@contextmanager
def site(folder: Path, *, keep: bool) -> Iterator[Site]:
    """A host that serves a first release both ways.

    :param keep: use the host of an earlier run, and leave it.
    :raises CannotRunError: no lab, or a first deployment fails.
    """
    if "engine    answers" not in _lab("status"):
        raise CannotRunError("needs a host of the lab, and no Docker engine answers: make lab-up")
    checkout = Checkout(ROOT)
    certificate = ensure_certificate(checkout, "release", (DOMAIN,))
    ca = ensure_ca(checkout).certificate
    image = json.loads(_lab("images", "echo"))["echo"]
    redis = json.loads(_lab("images"))["redis"]
    say(f"the host {HOST}, and a first release on it")
    found = json.loads(_lab("host-up", HOST, "--engine", *([] if keep else ["--fresh"])))
    try:
        host = Host({name: value for name, value in found.items() if name.startswith("ansible_")})
        ours = Collection(host, folder, image=image, redis=redis, certificate=certificate, ca=ca)
        ours.first(Wanted("first"))
        peer = Compose(host, image=image, redis=redis, certificate=certificate, ca=ca)
        peer.first(Wanted("first"))
        yield Site(ours, peer)
    finally:
        if not keep:
            _lab("host-down", HOST)


def judged(done: Done, what: str) -> Done:
    """A change that ended well.

    :raises CannotRunError: it did not.
    """
    if done.status != 0:
        raise CannotRunError(f"{what} ended with {done.status}: {done.said[-800:]}")
    return done


def _run(words: list[str], *, data: str = "") -> Done:
    started = time.monotonic()
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=environment,
        input=data,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, time.monotonic() - started, done.stdout[-4000:])


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
