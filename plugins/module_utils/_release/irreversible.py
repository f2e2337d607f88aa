# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations that cannot be undone: which were begun on this host, and which releases are older than they are.

The note is written before such a migration begins and stays when its release fails, since the data stay as well. What
is older is told by the number of a release in the host's history, not by a clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import all_records
from ansible_collections.drydock.serving.plugins.module_utils._release.record import sequence as sequence_of

SCHEMA = 1
NAME = "irreversible.json"
BEGUN = "begun"  # and how far it came is not known
DONE = "done"


def note_path(layout: Layout) -> Path:
    return layout.state / NAME


def read(layout: Layout) -> list[dict[str, Any]]:
    """Every noted migration: service, reason, release, sequence, actor, at and state, oldest first.

    :raises DrydockError: ``state_unreadable``.
    """
    path = note_path(layout)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        schema, found = int(raw["schema"]), [dict(item) for item in raw["migrations"]]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DrydockError(
            "state_unreadable",
            f"{path}, the note of migrations that cannot be undone, is damaged: {error}. Nothing was touched. Put it "
            "back from a backup; or remove it, and know yourself which releases the data are too new for.",
        ) from error
    if schema > SCHEMA:
        raise DrydockError(
            "state_unreadable",
            f"{path} was written by a newer version of this collection (schema {schema}, this one knows {SCHEMA}). Run "
            "with that version; nothing was touched.",
        )
    return found


def begin(layout: Layout, *, service: str, reason: str, release: str, sequence: int, actor: str, at: str) -> None:
    """Note one that is about to begin.

    :param sequence: the number that its release is going to have in the host's history.
    """
    others = [item for item in read(layout) if (item.get("service"), item.get("sequence")) != (service, sequence)]
    entry = {"service": service, "reason": reason, "release": release, "sequence": sequence}
    _write(layout, [*others, {**entry, "actor": actor, "at": at, "state": BEGUN}])


def done(layout: Layout, *, service: str, release: str) -> None:
    """Note that it came to its end."""
    found = read(layout)
    for item in found:
        if (item.get("service"), item.get("release")) == (service, release):
            item["state"] = DONE
    _write(layout, found)


def crossed(layout: Layout, sequence: int) -> list[dict[str, Any]]:
    """What stands between the data and a release of the host's history: later migrations, oldest first.

    :raises DrydockError: ``state_unreadable``.
    """
    return [item for item in read(layout) if int(item.get("sequence") or 0) > sequence]


def said(item: Mapping[str, Any]) -> str:
    """One of them, in a sentence."""
    how = "was done" if item.get("state") == DONE else "was begun, and how far it came is not known,"
    return (
        f"The migration of {item.get('service')} {how} for the release {item.get('release')} by {item.get('actor')} at "
        f"{item.get('at')} and cannot be undone: {item.get('reason')}"
    )


def tidy(layout: Layout) -> None:
    """Forget those that no release on the host is older than. A note that cannot be read is left as it is."""
    oldest = min(map(sequence_of, all_records(layout)), default=0)
    try:
        found = read(layout)
    except DrydockError:
        return
    kept = [item for item in found if int(item.get("sequence") or 0) > oldest]
    if len(kept) != len(found):
        _write(layout, kept)


def _write(layout: Layout, found: list[dict[str, Any]]) -> None:
    write_json(note_path(layout), {"schema": SCHEMA, "migrations": found})
