# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Docker engine that answers: the one that is there, else Debian's, installed and started by us, and said so.

An engine we did not start is never stopped. The one we start may have to work where systemd is not process 1 and where
its predecessor was killed hard, so stale pid files go first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.checkout import LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.proc import last_lines, root_prefix, run
from lab.progress import say

START_TIMEOUT = 90.0
STOP_TIMEOUT = 30.0
PID_FILES = (
    (Path("/var/run/docker.pid"), "dockerd"),
    (Path("/var/run/docker/containerd/containerd.pid"), "containerd"),
)
MACHINE_LOCK = Path("/var/lock/drydock-lab-engine.lock")
PACKAGES = ("docker.io", "iptables")
CLIENT = "docker-cli"  # a package of its own from Debian 13 on


@dataclass(frozen=True)
class Process:
    """A process that cannot be mistaken for a later one with the same number."""

    pid: int
    started: str

    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str:
    """Boot identity and start tick of a process, empty when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else f"{boot}:{fields[19]}"


def ensure_engine(checkout: Checkout) -> Docker:
    """Return a client of an engine that answers, starting one if need be."""
    docker = Docker.find()
    if docker is not None:
        return docker
    if os.environ.get("DOCKER_HOST"):
        raise LabError(
            "No Docker engine answers at the address in DOCKER_HOST. "
            "Start that engine, or unset DOCKER_HOST to let the lab use this machine's own."
        )
    prefix = root_prefix()
    if prefix is None:
        raise LabError(
            "No Docker engine answers and this user can become root neither directly nor by password-less sudo. "
            "Start Docker and add this user to the group 'docker', or run the command as root."
        )
    with machine_lock():
        docker = Docker.find()
        if docker is not None:
            return docker
        if shutil.which("dockerd", path=search_path()) is None:
            say("no Docker engine here: installing the distribution's docker.io (with containerd, runc and iptables)")
            install(prefix, *PACKAGES)
        if shutil.which("docker") is None:
            say(f"no docker command here: installing {CLIENT}")
            install(prefix, CLIENT)
        return start(checkout, prefix)


def ensure_ssh_client() -> None:
    """Make sure this machine can reach a host over SSH, as Ansible does."""
    if shutil.which("ssh") is None:
        prefix = root_prefix()
        if prefix is None:
            raise LabError(
                "The ssh command is missing and this user cannot become root. Install the package openssh-client."
            )
        say("no ssh command here: installing openssh-client")
        install(prefix, "openssh-client")


@contextlib.contextmanager
def machine_lock() -> Iterator[None]:
    """Let one checkout at a time install or start the engine."""
    try:
        handle = MACHINE_LOCK.open("a")
    except OSError:
        yield
        return
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def search_path() -> str:
    """PATH with the directories of system programs, which an ordinary user's PATH lacks."""
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"


def install(prefix: list[str], *packages: str) -> None:
    """Install packages of the distribution."""
    wanted = " ".join(packages)
    if shutil.which("apt-get") is None:
        raise LabError(
            f"This machine lacks {wanted} and has no apt-get to install it with. "
            "Install Docker's engine and client by hand, start the engine, and try again."
        )
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = [*prefix, "apt-get", "-o", "DPkg::Lock::Timeout=120", "-q"]
    update = run([*apt, "update"], check=False, timeout=180, env=env)
    result = run([*apt, "install", "-y", "--no-install-recommends", *packages], check=False, timeout=420, env=env)
    if result.returncode != 0:
        hint = f" (apt-get update said: {last_lines(update, 2)})" if update.returncode != 0 else ""
        raise LabError(
            f"{wanted} could not be installed: {last_lines(result, 3)}{hint}. "
            "Check that the machine's package mirror answers, or install and start Docker by hand."
        )


def start(checkout: Checkout, prefix: list[str]) -> Docker:
    """Start the engine, by systemd where that runs the machine, else by hand."""
    systemd = Path("/run/systemd/system").is_dir()
    if systemd or names_program(*PID_FILES[0]):
        # Somebody is starting one, perhaps the installation just now.
        docker = wait_for_engine(None, 3.0 if systemd else START_TIMEOUT)
        if docker is not None:
            return docker
    if systemd:
        say("starting the Docker engine (systemctl start docker)")
        run([*prefix, "systemctl", "start", "docker"], timeout=120, purpose="start the Docker engine")
        docker = wait_for_engine(None, START_TIMEOUT)
        if docker is None:
            raise LabError(
                "systemd started docker.service but the engine does not answer. Look at 'journalctl -u docker'."
            )
        record_owner(checkout, {"by": "systemd"})
        return docker
    if names_program(*PID_FILES[0]):
        pid = PID_FILES[0][0].read_text().strip()
        raise LabError(
            f"A Docker engine runs (process {pid}) but does not answer. End it ('kill {pid}') and try again."
        )
    remove_stale_pid_files(prefix)
    log = checkout.path("engine.log")
    say(f"starting the Docker engine by hand (log: {log})")
    with log.open("a") as handle:
        process = subprocess.Popen(
            [*prefix, shutil.which("dockerd", path=search_path()) or "dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            cwd="/",
            start_new_session=True,
        )
    ours = Process(pid=process.pid, started=start_time(process.pid))
    # Before the wait: an engine whose starter was interrupted is ours all the same.
    record_owner(checkout, {"by": "hand", "pid": ours.pid, "started": ours.started})
    docker = wait_for_engine(process, START_TIMEOUT)
    if docker is None:
        tail = " / ".join(log.read_text(errors="replace").splitlines()[-4:])
        stop_process(ours)
        owner_file(checkout).unlink()
        raise LabError(f"The Docker engine did not start: {tail}. The whole log is {log}.")
    return docker


def wait_for_engine(process: subprocess.Popen[bytes] | None, timeout: float) -> Docker | None:
    """Wait until the engine answers; None when the time is over or the process ended."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        docker = Docker.find()
        if docker is not None:
            return docker
        if process is not None and process.poll() is not None:
            return None
        time.sleep(0.2)
    return None


def remove_stale_pid_files(prefix: list[str]) -> None:
    """Remove pid files that name no engine: dockerd takes any live process with that number for its predecessor."""
    for path, program in PID_FILES:
        if path.exists() and not names_program(path, program):
            say(f"removing {path}, left by an engine that was killed")
            run([*prefix, "rm", "-f", str(path)], timeout=10)


def names_program(pid_file: Path, program: str) -> bool:
    """Whether the process named in a pid file is the program it should be."""
    try:
        pid = int(pid_file.read_text().strip() or "0")
        # A killed engine that nobody has reaped keeps its name and runs no more.
        return Path(f"/proc/{pid}/comm").read_text().strip() == program and start_time(pid) != ""
    except (OSError, ValueError):
        return False


def owner_file(checkout: Checkout) -> Path:
    """Where it is written that this checkout started the engine."""
    return checkout.path("engine.json")


def record_owner(checkout: Checkout, value: dict[str, object]) -> None:
    """Remember that this checkout started the engine."""
    owner_file(checkout).write_text(json.dumps(value) + "\n")


def stop_if_ours(checkout: Checkout, docker: Docker | None) -> None:
    """Stop the engine when this checkout started it and nothing else runs in it."""
    path = owner_file(checkout)
    if not path.exists():
        return
    owner = json.loads(path.read_text())
    if docker is not None:
        others = docker.lines("ps", "-q")
        if others:
            say(f"the engine stays: {len(others)} container(s) that are not this lab's run in it")
            path.unlink()
            return
    if owner.get("by") == "hand":
        stop_process(Process(pid=int(owner["pid"]), started=str(owner["started"])))
    elif docker is not None:
        prefix = root_prefix()
        if prefix is not None:
            say("stopping the Docker engine")
            run([*prefix, "systemctl", "stop", "docker", "docker.socket"], check=False, timeout=60)
    path.unlink()


def stop_process(process: Process) -> None:
    """End the engine we started and wait for it."""
    if not process.alive():
        return
    say("stopping the Docker engine")
    prefix = root_prefix() or []
    if prefix:
        run([*prefix, "kill", str(process.pid)], check=False, timeout=10)
    else:
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while process.alive() and time.monotonic() < deadline:
        time.sleep(0.2)


__all__ = ["LABEL", "ensure_engine", "stop_if_ours"]
