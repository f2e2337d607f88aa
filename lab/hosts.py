# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lab hosts: containers that behave like a freshly installed Debian server, reached over SSH as an ordinary user."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from dataclasses import dataclass
from typing import Any

from lab import ssh
from lab.archive import File, pack
from lab.ca import ensure_ca
from lab.checkout import DOMAIN, LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.images import DEFAULT_RELEASE, host_image
from lab.network import address_of, reserved_address
from lab.proc import last_lines
from lab.progress import elapsed, say

NAME = re.compile(r"^[a-z][a-z0-9-]{0,40}$")
BOOT_TIMEOUT = 120.0
# What systemd needs of the engine without --privileged (which needs a capability that not every machine can give).
RUN_FLAGS = (
    "--cap-add=ALL",
    "--security-opt=seccomp=unconfined",
    "--security-opt=systempaths=unconfined",
    "--security-opt=apparmor=unconfined",
    "--cgroupns=private",
    "--tmpfs=/run:rw,nosuid,nodev,exec,mode=755",
    "--tmpfs=/run/lock:rw,nosuid,nodev,noexec,mode=1777",
    "--tmpfs=/tmp:rw,nosuid,nodev,exec,mode=1777",
)
# "All" must leave out the capability that this machine may lack; newer engines look themselves, and refuse to drop what
# is not there.
DROP = "--cap-drop=SYS_RESOURCE"
# Overlay file systems do not stack: what the host's own engine keeps must lie on a real one.
VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}
# The trust store only after the boot: run during it, Debian 12's script links the authority but leaves the old bundle.
FIRST_BOOT = 'state=$(systemctl is-system-running --wait); update-ca-certificates >/dev/null 2>&1; echo "$state"'
# The last thing that makes: without it, whoever started the host was ended before it had booted.
BOOTED = "/etc/ssl/certs/drydock-lab.pem"
FAILED_UNITS = "systemctl list-units --state=failed --plain --no-legend --no-pager"


@dataclass(frozen=True)
class Host:
    """A lab host as it is now."""

    name: str
    container: str
    release: str
    running: bool
    address: str
    image: str
    half_made: bool = False  # created and never started: its keys may be missing

    @classmethod
    def from_inspect(cls, found: dict[str, Any], network: str) -> Host:
        """Read what the engine says about a container."""
        labels = found["Config"]["Labels"]
        return cls(
            name=labels[f"{LABEL}.name"],
            container=found["Name"].lstrip("/"),
            release=labels.get(f"{LABEL}.release", ""),
            running=bool(found["State"]["Running"]),
            address=address_of(found, network),
            image=found["Config"]["Image"],
            half_made=found["State"].get("Status") == "created",
        )


def hosts(checkout: Checkout, docker: Docker) -> list[Host]:
    """Every lab host of this checkout, by name."""
    ids = docker.lines("ps", "-aq", f"--filter=label={checkout.label}", f"--filter=label={LABEL}.kind=host")
    found = [Host.from_inspect(each, checkout.network) for each in docker.inspect("container", ids)]
    return sorted(found, key=lambda host: host.name)


def find_host(checkout: Checkout, docker: Docker, name: str) -> Host | None:
    """One lab host; None when there is none of this name."""
    found = docker.inspect("container", [checkout.container(name)])
    return Host.from_inspect(found[0], checkout.network) if found else None


def host_up(
    checkout: Checkout, docker: Docker, name: str, *, release: str = DEFAULT_RELEASE, with_engine: bool = False
) -> Host:
    """Make sure a host of this name runs and can be reached; one that exists is kept as it is."""
    if not NAME.match(name):
        raise LabError(f"'{name}' cannot be a host's name: use lower-case letters, digits and dashes, a letter first.")
    started = elapsed()
    existing = find_host(checkout, docker, name)
    if existing is not None and existing.half_made:
        say(f"{name}: making it anew, as the last attempt ended half-way")
        host_down(checkout, docker, name)
        existing = None
    if existing is not None:
        if existing.running:
            if docker("exec", existing.container, "test", "-e", BOOTED, check=False).returncode == 0:
                return existing
            return wait_until_ready(checkout, docker, name, started)
        say(f"{name}: starting it again")
        docker("start", existing.container, purpose=f"start the lab host {name}")
        return wait_until_ready(checkout, docker, name, started)
    image = host_image(checkout, docker, release, with_engine=with_engine)
    with reserved_address(checkout, docker) as address:
        create(checkout, docker, name, image=image, release=release, address=address)
    start_new(checkout, docker, name, address)
    try:
        return wait_until_ready(checkout, docker, name, started)
    except LabError:
        say(
            f"{name}: not usable, left for inspection ('python -m lab exec {name} journalctl -b'); "
            f"'python -m lab host-down {name}' removes it"
        )
        raise


def create(checkout: Checkout, docker: Docker, name: str, *, image: str, release: str, address: str) -> None:
    """Create the container of a host."""
    container = checkout.container(name)
    mounts = [
        f"--mount=type=volume,source={container}-{key},destination={path},volume-label={checkout.label}"
        for key, path in VOLUMES.items()
    ]
    options = [
        f"--name={container}",
        f"--hostname={name}",
        f"--network={checkout.network}",
        f"--ip={address}",
        f"--network-alias={name}.{DOMAIN}",
        f"--label={checkout.label}",
        f"--label={LABEL}.kind=host",
        f"--label={LABEL}.name={name}",
        f"--label={LABEL}.release={release}",
        *RUN_FLAGS,
        *mounts,
    ]
    result = docker("create", DROP, *options, image, check=False)
    if "invalid CapDrop" in result.stderr:
        result = docker("create", *options, image, check=False)
    if result.returncode != 0:
        raise LabError(f"Could not create the lab host {name}: {last_lines(result)}")


def start_new(checkout: Checkout, docker: Docker, name: str, address: str) -> None:
    """Boot a new host, its keys and certificates in place before."""
    container = checkout.container(name)
    host_key = ssh.new_key(f"root@{name}")
    docker.copy_in(container, host_files(checkout, host_key))
    ssh.remember_host(checkout, address, host_key.public)
    docker("start", container, purpose=f"start the lab host {name}")


def host_files(checkout: Checkout, host_key: ssh.SshKey) -> bytes:
    """A tar archive of what makes a copy of the image this one host."""
    authorized = ssh.ensure_user_key(checkout).with_suffix(".pub").read_bytes()
    authority = ensure_ca(checkout).certificate.read_bytes()
    return pack(
        File(path="etc/ssh/ssh_host_ed25519_key", content=host_key.private.encode(), mode=0o600),
        File(path="etc/ssh/ssh_host_ed25519_key.pub", content=host_key.public.encode()),
        File(path="home/ops/.ssh/authorized_keys", content=authorized, mode=0o600, owner=1000),
        File(path="usr/local/share/ca-certificates/drydock-lab.crt", content=authority),
    )


def wait_until_ready(checkout: Checkout, docker: Docker, name: str, started: float) -> Host:
    """Wait until the host has booted and its SSH server greets."""
    container = checkout.container(name)
    deadline = time.monotonic() + BOOT_TIMEOUT
    state = ""
    while time.monotonic() < deadline:
        result = docker("exec", container, "sh", "-c", FIRST_BOOT, check=False, timeout=BOOT_TIMEOUT)
        state = result.stdout.strip() or last_lines(result, 1)
        if state in ("running", "degraded"):
            break
        found = find_host(checkout, docker, name)
        if found is None or not found.running:
            log = last_lines(docker("logs", "--tail=5", container, check=False), 5)
            raise LabError(f"The lab host {name} ended while booting: {log}")
        time.sleep(0.1)
    if state == "degraded":
        units = ", ".join(line.split()[0] for line in docker.lines("exec", container, "sh", "-c", FAILED_UNITS) if line)
        raise LabError(f"The lab host {name} booted with failed units: {units}.")
    host = find_host(checkout, docker, name)
    if state != "running" or host is None:
        raise LabError(f"The lab host {name} did not boot within {BOOT_TIMEOUT:.0f} s (systemd says: {state}).")
    while not ssh_greets(host.address):
        if time.monotonic() > deadline:
            raise LabError(f"The lab host {name} booted, but its SSH server at {host.address} does not answer.")
        time.sleep(0.1)
    say(f"{name}: up at {host.address} after {elapsed() - started:.1f} s")
    return host


def ssh_greets(address: str) -> bool:
    """Whether an SSH server introduces itself at the address."""
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def host_down(checkout: Checkout, docker: Docker, name: str) -> bool:
    """Remove a host with everything on it; false when there is none of this name."""
    container = checkout.container(name)
    found = docker.inspect("container", [container])
    if found:
        if found[0]["Config"]["Labels"].get(LABEL) != checkout.id:
            raise LabError(f"The container {container} is not this lab's; it stays. Remove it by hand if you know it.")
        docker("rm", "--force", "--volumes", container, purpose=f"remove the lab host {name}")
        ssh.remember_host(checkout, address_of(found[0], checkout.network), None)
    with contextlib.suppress(LabError):
        docker("volume", "rm", "--force", *(f"{container}-{key}" for key in VOLUMES))
    return bool(found)
