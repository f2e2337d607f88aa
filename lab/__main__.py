# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m lab <verb>``, run from the root of a checkout."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import ssh
from lab.ca import ensure_ca
from lab.checkout import Checkout, this_checkout
from lab.demo import Deployed, demo
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.errors import LabError
from lab.hosts import Host, find_host, host_down, host_up, hosts
from lab.hub import Hub, load, serving
from lab.images import DEFAULT_RELEASE, RELEASES
from lab.inventory import DEMO_DOMAIN, connection, inventory, read_facts
from lab.progress import say
from lab.service_images import ensure_image
from lab.services import SERVICES, ensure_service, find, stop_service
from lab.up import down, up

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
    except PermissionError as error:
        print(
            f"lab: {error.filename or 'a file'} belongs to another user ({error.strerror}). "
            "Run the command as the user who made the lab, or as root.",
            file=sys.stderr,
        )
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
    add("up", verb_up, "make sure the whole lab runs: engine, registry, origin, images and the host of the site")
    add("down", verb_down, "remove exactly what the lab made")
    add("status", verb_status, "show what runs")
    sub = add("demo", verb_demo, "the lab, one deploy, and a picture read by the deployed model")
    sub.add_argument("--setup-seconds", type=float, default=0.0, help="what making the environment took, for the table")
    add("inventory", verb_inventory, "print the lab as an Ansible inventory")
    add("ca", verb_ca, "print the path of the lab's certificate authority")
    sub = add(
        "images", verb_images, "print images' references by digest: the deployed ones, or those named, built if need be"
    )
    sub.add_argument("names", nargs="*", metavar="name")
    for service in SERVICES.values():
        sub = add(service.name, verb_service, f"stop or start the lab's {service.name}, to see what its absence does")
        sub.add_argument("action", choices=["start", "stop"])
        sub.set_defaults(service=service)
    sub = add("hub", verb_hub, "serve a folder as a model hub until interrupted; prints the address for HF_ENDPOINT")
    sub.add_argument("folder", type=Path, help="organisation/name/revision/ below it, each a tagged commit")
    sub.add_argument("--address", default="127.0.0.1", help="where to listen")
    sub.add_argument("--port", type=int, default=0, help="0: any that is free")
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


def verb_hub(_checkout: Checkout, options: argparse.Namespace) -> int:
    """Stand in for a hub."""
    hub = Hub()
    load(hub, options.folder)
    with serving(hub, address=options.address, port=options.port):
        print(f"export HF_ENDPOINT={hub.endpoint}", flush=True)
        say(f"hub: {', '.join(sorted(hub.repositories)) or 'no models'}; Ctrl-C ends it")
        threading.Event().wait()
    return 0


def verb_host_up(checkout: Checkout, options: argparse.Namespace) -> int:
    """Make sure a host runs."""
    docker = ensure_engine(checkout)
    if options.fresh:
        host_down(checkout, docker, options.name)
    host = host_up(checkout, docker, options.name, release=options.release, with_engine=options.engine)
    print(json.dumps({"name": host.name, "release": host.release, **connection(checkout, host)}, indent=2))
    return 0


def verb_up(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Bring the whole lab up."""
    host = up(checkout)
    say(f"the lab is up: host {host.name} at {host.address}")
    return 0


def verb_down(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Remove the whole lab."""
    down(checkout)
    return 0


def verb_demo(checkout: Checkout, options: argparse.Namespace) -> int:
    """Show that it works."""

    def bring_up() -> Deployed:
        host = up(checkout)
        return Deployed(host=host.name, address=host.address, domain=DEMO_DOMAIN, ca=ensure_ca(checkout).certificate)

    demo(checkout, bring_up=bring_up, setup_seconds=options.setup_seconds)
    return 0


def verb_inventory(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Print the inventory."""
    print(json.dumps(inventory(checkout), indent=2))
    return 0


def verb_ca(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Print where the authority's certificate lies."""
    print(ensure_ca(checkout).certificate)
    return 0


def verb_images(checkout: Checkout, options: argparse.Namespace) -> int:
    """Print the images."""
    found = read_facts(checkout)["lab_images"]
    if options.names:
        docker = ensure_engine(checkout)
        found = {name: ensure_image(checkout, docker, name) for name in options.names}
    print(json.dumps(found, indent=2))
    return 0


def verb_service(checkout: Checkout, options: argparse.Namespace) -> int:
    """Stop or start a service."""
    docker = ensure_engine(checkout)
    if options.action == "stop":
        stop_service(checkout, docker, options.service)
    else:
        ensure_service(checkout, docker, options.service)
    return 0


def verb_status(checkout: Checkout, _options: argparse.Namespace) -> int:
    """Print what runs."""
    docker = Docker.find()
    print(f"checkout  {checkout.id}  {checkout.root}")
    print(f"engine    {'answers' if docker is not None else 'does not answer'}")
    if docker is None:
        return 0
    for service in SERVICES.values():
        found = find(checkout, docker, service)
        state = "absent" if found is None else found["State"]["Status"]
        print(f"service   {service.fqdn:<36} {state}")
    for host in hosts(checkout, docker):
        print(f"host      {host.name:<24} {host.release:<9} {host.address:<15} {'up' if host.running else 'stopped'}")
    return 0


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
