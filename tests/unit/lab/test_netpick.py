# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ipaddress import IPv4Network

from lab.netpick import POOL, free_subnet, next_address, parse_networks

SUBNET = IPv4Network("198.18.9.0/29")


def test_the_same_checkout_gets_the_same_subnet_when_it_is_free() -> None:
    assert free_subnet("f2af6c09", []) == free_subnet("f2af6c09", [])


def test_a_used_subnet_is_passed_over() -> None:
    first = free_subnet("00000000", [])
    assert first is not None
    second = free_subnet("00000000", [first])
    assert second is not None
    assert not second.overlaps(first)


def test_a_larger_network_blocks_every_subnet_it_covers() -> None:
    assert free_subnet("00000000", [POOL]) is None


def test_networks_are_found_among_the_words_of_a_routing_table() -> None:
    words = ["default", "via", "192.0.2.1", "192.0.2.0/24", "proto", "kernel", "scope", "link", "src", "192.0.2.7"]
    assert IPv4Network("192.0.2.0/24") in parse_networks(words)


def test_a_default_route_does_not_take_every_address() -> None:
    assert parse_networks(["0.0.0.0/0", "", "fe80::/64"]) == []


def test_addresses_are_given_out_in_turn() -> None:
    assert next_address(SUBNET, "", set()) == "198.18.9.2"
    assert next_address(SUBNET, "198.18.9.2", set()) == "198.18.9.3"


def test_after_the_last_address_the_first_free_one_follows() -> None:
    assert next_address(SUBNET, "198.18.9.6", {"198.18.9.2"}) == "198.18.9.3"


def test_a_full_network_has_no_address_left() -> None:
    assert next_address(SUBNET, "", {str(address) for address in SUBNET.hosts()}) is None
