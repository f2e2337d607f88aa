# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who shares a store: several stacks on one host, each with records of its own releases.

A stack is known by the directory of its releases. The store remembers which models each wanted last, so that a sync for
one of them removes nothing that another one uses or could go back to, also before that one's release is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.records import Recorded, read_records
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import read_json

# A stack whose directory is gone is forgotten so long after its wishes last changed; a new one has no directory yet.
FORGOTTEN_AFTER = 30 * 24 * 3600


@dataclass(frozen=True)
class User:
    """What one stack wanted last.

    :param models: version by name.
    :param since: seconds since the epoch when that changed last.
    """

    models: Mapping[str, str]
    since: int


def load_users(layout: Layout) -> dict[Path, User]:
    """Every stack that syncs into this store, by the directory of its releases; none where that cannot be read."""
    content = read_json(layout.users)
    listed = content.get("users") if isinstance(content, Mapping) else None
    return {
        Path(path): User({str(name): str(version) for name, version in one["models"].items()}, one["since"])
        for path, one in (listed.items() if isinstance(listed, Mapping) else ())
        if isinstance(one, Mapping) and isinstance(one.get("models"), Mapping) and isinstance(one.get("since"), int)
    }


def is_known(layout: Layout, releases: Path | None, models: Mapping[str, str]) -> bool:
    """Does the store know that this stack wants this? Nobody can be told by no directory of releases."""
    if releases is None:
        return True
    own = load_users(layout).get(releases)
    return own is not None and own.models == models


def save_user(layout: Layout, releases: Path | None, models: Mapping[str, str], *, now: float) -> None:
    """Remember what a stack wants, by whoever holds the lock of the store. :raises OSError: it cannot be written."""
    if is_known(layout, releases, models) or releases is None:
        return
    users = {**load_users(layout), releases: User(models, int(now))}
    kept = {
        str(path): {"models": dict(user.models), "since": user.since}
        for path, user in users.items()
        if path.is_dir() or now - user.since < FORGOTTEN_AFTER
    }
    write_json(layout.users, {"schema": 1, "users": kept})


def read_all_records(layout: Layout, releases: Path | None) -> Recorded:
    """What this stack and the others could go back to, and what the others want."""
    own = read_records(releases)
    versions: dict[tuple[str, str], str] = {}
    unreadable = list(own.unreadable)
    for path, user in load_users(layout).items():
        if path == releases:
            continue
        versions.update(dict.fromkeys(user.models.items(), f"wanted by the stack with its releases in {path}"))
        other = read_records(path)
        versions.update({pair: f"{why} in {path}" for pair, why in other.versions.items()})
        unreadable += other.unreadable
    return Recorded({**versions, **own.versions}, tuple(unreadable))


def contested(layout: Layout, releases: Path | None, going: Mapping[str, str | None]) -> tuple[str, ...]:
    """Warnings about models of which two stacks want different versions: only one of them can be current.

    :param going: version by name that is current now and will not be.
    """
    return tuple(
        f"{name}: the stack with its releases in {path} wants {version} to be current, and this one does not, so each "
        "sync of one takes it from the other. Both versions stay. Next step: give the model another name in one of "
        "them."
        for path, user in (load_users(layout).items() if going else ())
        for name, version in user.models.items()
        if path != releases and going.get(name) == version
    )
