# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m lab <verb>``, run from the root of a checkout."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from lab import ssh
from lab.checkout import Checkout, this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.errors import LabError
from lab.hosts import Host, find_host, host_down, host_up, hosts
from lab.images import DEFAULT_RELEASE, RELEASES

Verb = Callable[[Checkout, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; a failure is one sentence on standard error and exit status 1."""
    options = parser().parse_args(arguments)
    verb: Verb = options.verb_function
    try:
        return verb(this_checkout(), options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; run the same command again to go on", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """The verbs and their arguments."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def add(name: str, function: Verb, text: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(verb_function=function)
        return sub

    add("engine", verb_engine, "make sure a Docker engine answers on this machine")
    sub = add("host-up", verb_host_up, "make sure a lab host runs; prints it as JSON")
    sub.add_argument("name")
    sub.add_argument("--release", choices=sorted(RELEASES), default=DEFAULT_RELEASE)
    sub.add_argument("--engine", action="store_true", help="with the distribution's Docker engine installed already")
    sub.add_argument("--fresh", action="store_true", help="remove a host of this name first")
    sub = add("host-down", verb_host_down, "remove lab hosts")
    sub.add_argument("names", nargs="+", metavar="name")
    sub = add("ssh", verb_ssh, "log in to a lab host, or run a command there, as its operator")
    sub.add_argument("name")
    sub.add_argument("command", nargs=argparse.REMAINDER)
    sub = add("exec", verb_exec, "run a command on a lab host as root, through the engine instead of SSH")
    sub.add_argument("name")
    sub.add_argument("command", nargs=argparse.REMAINDER)
    return top


def verb_engine(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Make sure an engine answers."""
    docker = ensure_engine(checkout)
    print(docker("version", "--format", "{{.Server.Version}}").stdout.strip())
    return 0


def verb_host_up(checkout: Checkout, options: argparse.Namespace) -> int:
    """Make sure a host runs."""
    docker = ensure_engine(checkout)
    if options.fresh:
        host_down(checkout, docker, options.name)
    host = host_up(checkout, docker, options.name, release=options.release, with_engine=options.engine)
    print(json.dumps(connection(checkout, host), indent=2))
    return 0


def connection(checkout: Checkout, host: Host) -> dict[str, object]:
    """How to reach a host, in Ansible's words."""
    return {
        "name": host.name,
        "release": host.release,
        "container": host.container,
        "ansible_host": host.address,
        "ansible_port": 22,
        "ansible_user": ssh.USER,
        "ansible_ssh_private_key_file": str(ssh.ensure_user_key(checkout)),
        "ansible_ssh_common_args": " ".join(ssh.options(checkout)),
    }


def verb_host_down(checkout: Checkout, options: argparse.Namespace) -> int:
    """Remove hosts."""
    docker = Docker.find()
    if docker is not None:
        for name in options.names:
            host_down(checkout, docker, name)
    return 0


def running_host(checkout: Checkout, name: str) -> tuple[Docker, Host]:
    """A host that runs, and the engine it runs in."""
    docker = Docker.find()
    host = find_host(checkout, docker, name) if docker is not None else None
    if docker is None or host is None or not host.running:
        others = ", ".join(each.name for each in hosts(checkout, docker)) if docker is not None else ""
        raise LabError(
            f"No lab host '{name}' runs (hosts: {others or 'none'}). Start it with 'python -m lab host-up {name}'."
        )
    return docker, host


def verb_ssh(checkout: Checkout, options: argparse.Namespace) -> int:
    """Become an SSH client."""
    _, host = running_host(checkout, options.name)
    key = str(ssh.ensure_user_key(checkout))
    words = ["ssh", "-i", key, *ssh.options(checkout), f"{ssh.USER}@{host.address}", *options.command]
    os.execvp(words[0], words)  # noqa: S606 - this process becomes that one, on purpose


def verb_exec(checkout: Checkout, options: argparse.Namespace) -> int:
    """Become a root shell on the host."""
    docker, host = running_host(checkout, options.name)
    terminal = ["-it"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-i"]
    words = [*docker.prefix, "docker", "exec", *terminal, host.container, *(options.command or ["bash"])]
    os.execvp(words[0], words)  # noqa: S606 - this process becomes that one, on purpose


if __name__ == "__main__":
    sys.exit(main())
