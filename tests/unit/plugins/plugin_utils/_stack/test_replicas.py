# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas in the stack: what may be written, what becomes of it, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import MOST
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host

from .stacks import DIGEST, build, violations

GIB = 1024**3


def api(value: Any, **changes: Any) -> dict[str, Any]:
    """The replicas of the service in the model."""
    changed = {f"stack.services.api.{key}": item for key, item in changes.items()}
    found: dict[str, Any] = build({"stack.services.api.replicas": value, **changed})["services"]["api"]["replicas"]
    return found


def ports(model: dict[str, Any]) -> list[int]:
    """All loopback ports of a model."""
    return [
        port
        for service in model["services"].values()
        for pair in (service["host_ports"] or {}, *service["replicas"]["ports"])
        for port in pair.values()
    ]


@pytest.mark.parametrize(
    ("written", "count", "most"),
    [
        (None, 1, 4),
        (1, 1, 4),
        ("3", 3, 4),
        (6, 6, 6),
        ("auto", "auto", 8),
        ({"count": 2, "max": 2}, 2, 2),
        ({"count": "auto", "max": 3}, "auto", 3),
        ({"max": 12}, 1, 12),
    ],
)
def test_a_number_is_read_with_how_many_there_may_be(written: Any, count: int | str, most: int) -> None:
    found = api(written)
    assert (found["count"], found["max"]) == (count, most)
    assert len(found["ports"]) == most - 1


@pytest.mark.parametrize("value", [0, 17, "many", 1.5, {"count": 0}, {"max": 17}, {"min": 1}, True, [2]])
def test_what_is_no_number_of_replicas_is_refused(value: Any) -> None:
    (line,) = violations({"stack.services.api.replicas": value})
    assert line.startswith("stack.services.api.replicas")


def test_a_maximum_below_the_number_is_refused() -> None:
    (line,) = violations({"stack.services.api.replicas": {"count": 3, "max": 2}})
    assert line == "stack.services.api.replicas.max: is 2, below count 3. Raise it, or take it out."


def test_a_published_port_allows_one_replica_and_says_so() -> None:
    published = {"stack.services.api.publish": [{"port": 9000}]}
    assert build(published)["services"]["api"]["replicas"] == {"count": 1, "max": 1, "ports": []}
    (line,) = violations({**published, "stack.services.api.replicas": 2})
    assert "can have one container alone" in line


def test_a_service_that_has_the_name_of_a_replica_is_refused_where_the_replica_is_asked_for() -> None:
    other = {"stack.services.api-3": {"image": f"x@{DIGEST}"}}
    assert build(other)["services"]["api"]["replicas"]["max"] == 2, "nobody asked for more"
    assert violations({**other, "stack.services.api.replicas": 2}) == []
    (line,) = violations({**other, "stack.services.api.replicas": 3})
    assert "needs the name 'api-3'" in line


def test_ports_of_replicas_are_two_each_their_own_and_below_those_of_outgoing_connections() -> None:
    model = build({"stack.services.api.replicas": MOST})
    found = ports(model)
    assert len(found) == len(set(found)) == 2 * MOST
    assert all(18000 <= port < 32768 for port in found)


def test_another_replica_and_another_service_move_no_port() -> None:
    few, many = (api(count)["ports"] for count in (2, MOST))
    assert many[: len(few)] == few
    others = {f"stack.services.{name}": {"image": f"x@{DIGEST}", "port": 80, "replicas": 9} for name in ("aa", "zz")}
    beside = build({"stack.services.api.replicas": 2, **others})
    assert beside["services"]["api"]["replicas"]["ports"] == few
    assert len(ports(beside)) == len(set(ports(beside)))


def test_a_port_of_a_replica_never_takes_a_declared_one() -> None:
    usual = api(2)["ports"][0]["blue"]
    model = build({"stack.services.api.replicas": 2, "stack.firewall.allow": [{"name": "x", "port": usual}]})
    assert model["services"]["api"]["replicas"]["ports"][0]["blue"] == usual + 1


def test_chosen_loopback_ports_are_the_first_replica_s() -> None:
    found = api(2, host_ports={"blue": 20001, "green": 20002})
    assert found["ports"] == api(2)["ports"]


def test_a_service_without_a_port_can_have_replicas() -> None:
    model = build({"stack.services.worker.replicas": 3})
    assert model["services"]["worker"]["replicas"] == {"count": 3, "max": 4, "ports": []}


def test_totals_count_every_replica() -> None:
    one, three = (build({"stack.services.api.replicas": count})["totals"] for count in (1, 3))
    assert three["memory"] - one["memory"] == 2 * 768 * 1024**2
    assert three["cpus"] - one["cpus"] == 2


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (Host(memory=16 * GIB, cpus=8), None),
        (Host(memory=4 * GIB, cpus=8), "together may use 4.2 GiB"),
        (Host(memory=4 * GIB, cpus=4), None),
        (Host(memory=2 * GIB, cpus=1), "together may use 2 GiB"),
    ],
)
def test_auto_counts_as_many_as_the_host_has_cores_for(host: Host, words: str | None) -> None:
    found = violations({"stack.services.api.replicas": "auto"}, host=host)
    assert any(words in line for line in found) if words else found == []
