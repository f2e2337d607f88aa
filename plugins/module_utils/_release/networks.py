# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is reached by which name. Each colour has a network of its own, and the stack has one of what serves.

- ``<stack>-blue``, ``<stack>-green``: Compose attaches a service to its colour's, and components to both. A new
  container finds there what comes up with it, and the components.
- ``<stack>``: services are attached under their names once they are healthy. Names are looked up here first, so nobody
  is sent to a container that is not ready, whatever its colour.

"First" is the engine's order: an endpoint's networks are sorted by name, and ``<stack>`` sorts before
``<stack>-<colour>``. The first one is also the way out and holds the published ports, so a container joins ``<stack>``
before the edge leads to it, never while it serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from ansible_collections.drydock.serving.plugins.module_utils._release.at_once import AtOnce
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, COLOURS, Desired, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine, Live


@dataclass(frozen=True)
class Link:
    """A container that is reached under a service's name in a network."""

    network: str
    container: str
    name: str


def all_networks(desired: Desired) -> tuple[str, ...]:
    return (desired.name, *(desired.network(colour) for colour in COLOURS))


def lent(desired: Desired, moved: Iterable[Unit], live: Iterable[Live]) -> tuple[Link, ...]:
    """Links that services which stay need, so that those which come up in the other colour find them."""
    moved = tuple(moved)
    colours = {unit.part for unit in moved}
    names = {unit.name for unit in moved}
    attached = {item.name: item.networks for item in live}
    return tuple(
        Link(network=desired.network(colour), container=unit.container, name=unit.service)
        for colour in sorted(colours)
        for unit in desired.units
        if unit.part not in {BASE, colour}
        and unit.name not in names
        and unit.container in attached
        and desired.network(colour) not in attached[unit.container]
    )


def joins(desired: Desired, live: Iterable[Live]) -> tuple[Link, ...]:
    """Links that services lack to be reached by what serves."""
    attached = {item.name: item.networks for item in live}
    return tuple(
        Link(network=desired.name, container=unit.container, name=unit.service)
        for unit in desired.units
        if unit.part != BASE and desired.name not in attached.get(unit.container, ())
    )


def superfluous(desired: Desired, live: Iterable[Live]) -> tuple[Link, ...]:
    """Links into a colour that no service of the release has any more."""
    attached = {item.name: item.networks for item in live}
    unused = [colour for colour in COLOURS if not desired.of(colour)]
    return tuple(
        Link(network=desired.network(colour), container=unit.container, name=unit.service)
        for colour in unused
        for unit in desired.units
        if unit.part != BASE and desired.network(colour) in attached.get(unit.container, ())
    )


def connect(engine: Engine, links: Iterable[Link], at_once: AtOnce) -> None:
    at_once(partial(engine.connect, link.network, link.container, alias=link.name) for link in links)


def disconnect(engine: Engine, links: Iterable[Link]) -> None:
    for link in links:
        engine.disconnect(link.network, link.container)
