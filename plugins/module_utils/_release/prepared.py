# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is ready and waits to be switched: the note of who made it, and until when it is kept for them.

The journal says that it is ready; without the journal the note means nothing. How long it is kept is measured by a
clock that nobody can set; the times of day in the note are only told.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks
from ansible_collections.drydock.serving.plugins.module_utils._release.networks import Link
from ansible_collections.drydock.serving.plugins.module_utils._release.record import read_journal
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import READY

SCHEMA = 1


@dataclass(frozen=True)
class Owner:
    """Who makes a release, and from where. What one has made ready, only the same may undo before its time."""

    actor: str
    controller: str


@dataclass(frozen=True)
class Prepared:
    """``prepared.json``. ``boot`` and ``until``, of a steady clock, are compared; ``since`` and ``expires`` are told.

    ``lent`` are the links of services that stay, made for those that came up.
    """

    release: str
    previous: str | None
    hash: str
    actor: str
    controller: str
    since: str
    expires: str
    boot: str
    until: float
    lent: tuple[Link, ...] = ()

    @property
    def owner(self) -> Owner:
        return Owner(actor=self.actor, controller=self.controller)

    def is_over(self, clocks: Clocks) -> bool:
        """Nobody has fetched it in time, or the host was started anew since."""
        return self.boot != clocks.boot() or clocks.steady() >= self.until

    def told(self) -> dict[str, Any]:
        """For people and for ``release_info``."""
        return {
            "release": self.release,
            "actor": self.actor,
            "controller": self.controller,
            "since": self.since,
            "expires": self.expires,
        }

    def write(self, layout: Layout) -> None:
        """Leave the note. The journal has to say already that the release is ready."""
        links = [{"network": link.network, "container": link.container, "name": link.name} for link in self.lent]
        note = {**self.told(), "previous": self.previous, "hash": self.hash, "boot": self.boot, "until": self.until}
        write_json(layout.prepared, {**note, "lent": links, "schema": SCHEMA})


def keep_until(clocks: Clocks, seconds: float) -> dict[str, Any]:
    """The times of a note that is made now and holds for so many seconds."""
    wall = clocks.wall()
    return {
        "since": _iso(wall),
        "expires": _iso(wall + seconds),
        "boot": clocks.boot(),
        "until": clocks.steady() + seconds,
    }


def read_prepared(layout: Layout) -> Prepared | None:
    """The release that is ready here and not switched; None when there is none. A damaged note is none.

    :raises DrydockError: ``state_unreadable``, when a newer version of the collection wrote the journal.
    """
    journal = read_journal(layout)
    if journal is None or journal.step != READY:
        return None
    try:
        found = _parsed(json.loads(layout.prepared.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.release == journal.release else None


def _parsed(raw: Mapping[str, Any]) -> Prepared:
    if raw["schema"] != SCHEMA:
        raise ValueError(raw["schema"])
    links = tuple(Link(network=item["network"], container=item["container"], name=item["name"]) for item in raw["lent"])
    texts = {key: str(raw[key]) for key in ("release", "hash", "actor", "controller", "since", "expires", "boot")}
    return Prepared(**texts, previous=raw["previous"], until=float(raw["until"]), lent=links)


def refuse_waiting(layout: Layout, owner: Owner | None, clocks: Clocks | None = None) -> Prepared | None:
    """The release that waits here, when it may be undone: its time is over, or it is this owner's.

    :raises DrydockError: ``prepared``: it is somebody else's, and its time is not over.
    """
    found = read_prepared(layout)
    if found is None or found.owner == owner or found.is_over(clocks or Clocks()):
        return found
    raise DrydockError(
        "prepared",
        f"The release {found.release} is ready here and waits to be switched together with other hosts: made by "
        f"{found.actor} from {found.controller} at {found.since}, kept until {found.expires}. It was not touched, and "
        "what served before it serves. Let that run come to its end. When it is dead, run again as the same user from "
        f"the same machine, or wait until {found.expires}, or remove {layout.prepared}: the next run then undoes it.",
        **found.told(),
    )


def forget_prepared(layout: Layout) -> None:
    layout.prepared.unlink(missing_ok=True)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
