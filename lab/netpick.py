# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Picking a subnet that nothing on this machine uses, and addresses in it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network
POOL = ipaddress.IPv4Network(
    "198.18.0.0/16"
)  # reserved for tests of network devices (RFC 2544): no real network has it


def free_subnet(seed: str, used: Iterable[Network]) -> Network | None:
    """A /24 of the pool that overlaps no used network; which one is tried first depends on the seed."""
    candidates = list(POOL.subnets(new_prefix=24))
    taken = list(used)
    first = int(seed, 16) % len(candidates)
    for step in range(len(candidates)):
        candidate = candidates[(first + step) % len(candidates)]
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    return None


def parse_networks(texts: Iterable[str]) -> list[Network]:
    """The IPv4 networks among these words; anything else is passed over, a default route too."""
    found = []
    for text in texts:
        try:
            network = ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            continue
        if network.prefixlen:
            found.append(network)
    return found


def next_address(subnet: Network, last: str, used: set[str]) -> str | None:
    """The first free address after the last one given out, beginning again at the end; the gateway's is left out."""
    hosts = [str(address) for address in subnet.hosts()][1:]
    first = hosts.index(last) + 1 if last in hosts else 0
    for step in range(len(hosts)):
        candidate = hosts[(first + step) % len(hosts)]
        if candidate not in used:
            return candidate
    return None
