# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own network."""

from __future__ import annotations

from lab.checkout import LABEL, Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.netpick import free_subnet, parse_networks
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
        routes = run(["ip", "-4", "route", "show", "table", "all"], check=False, timeout=10).stdout.split()
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
