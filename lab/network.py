# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own network, and the addresses on it.

Addresses are given out in turn instead of reusing the lowest free one, so that a connection kept open to a host that is
gone never meets its successor.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from shutil import which
from typing import Any

from lab.checkout import LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.netpick import free_subnet, next_address, parse_networks
from lab.proc import run
from lab.progress import say


def ensure_network(checkout: Checkout, docker: Docker) -> str:
    """Make sure the lab's network exists and return its name."""
    name = checkout.network
    with checkout.lock("network"):
        found = docker.inspect("network", [name])
        if found:
            if (found[0].get("Labels") or {}).get(LABEL) != checkout.id:
                raise LabError(
                    f"A network named {name} exists that is not this lab's. Remove it ('docker network rm {name}')."
                )
            return name
        networks = docker.inspect("network", docker.lines("network", "ls", "-q"))
        used = [pool.get("Subnet", "") for each in networks for pool in (each.get("IPAM", {}).get("Config") or [])]
        routes = run(["ip", "-4", "route", "show", "table", "all"], timeout=10).stdout.split() if which("ip") else []
        subnet = free_subnet(checkout.id, parse_networks([*used, *routes]))
        if subnet is None:
            raise LabError(
                "No free subnet is left for the lab's network. Remove networks of other labs ('docker network ls')."
            )
        docker(
            "network",
            "create",
            f"--label={checkout.label}",
            f"--subnet={subnet}",
            name,
            purpose="create the lab's network",
        )
        say(f"network {name} is {subnet}")
    return name


@contextlib.contextmanager
def reserved_address(checkout: Checkout, docker: Docker) -> Iterator[str]:
    """An address for a new container, nobody else's while the block runs; the container must be created in it."""
    subnet = ipaddress.IPv4Network(
        docker.inspect("network", [ensure_network(checkout, docker)])[0]["IPAM"]["Config"][0]["Subnet"]
    )
    counter = checkout.path("last-address")
    with checkout.lock("address"):
        last = counter.read_text().strip() if counter.exists() else ""
        address = next_address(subnet, last, used_addresses(checkout, docker))
        if address is None:
            raise LabError(
                f"Every address of the lab's network {subnet} is taken. Remove hosts ('python -m lab status')."
            )
        counter.write_text(address + "\n")
        yield address


def used_addresses(checkout: Checkout, docker: Docker) -> set[str]:
    """The addresses that containers of the lab have been given, running or not."""
    ids = docker.lines("ps", "-aq", f"--filter=label={checkout.label}")
    return {address_of(found, checkout.network) for found in docker.inspect("container", ids)}


def address_of(found: dict[str, Any], network: str) -> str:
    """The fixed address of a container, as the engine describes it; empty when it has none."""
    on_network = found["NetworkSettings"]["Networks"].get(network) or {}
    fixed = (on_network.get("IPAMConfig") or {}).get("IPv4Address")
    return str(fixed or on_network.get("IPAddress") or "")
