# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to an earlier release as a whole, which is a release like any other and needs no Ansible."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import irreversible
from ansible_collections.drydock.serving.plugins.module_utils._release.history import last_good
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.info import layout_of
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import read_model
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import model_dirs_missing
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    all_records,
    current_record,
    sequence,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import (
    given_from,
    model_of,
    on_the_host,
    record_of,
    restored,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run_wish
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Back, Wanted


@dataclass(frozen=True)
class Way:
    """Where to go back to. ``force``: also across a migration that cannot be undone.

    :param to: None for the last good release before the one that serves.
    """

    to: str | None = None
    force: bool = False


def layout_from(stack: Mapping[str, Any]) -> Layout:
    """Where the stack of this name lives; ``paths`` as in a stack model only where it is elsewhere.

    :raises DrydockError: ``invalid_input``.
    """
    paths = stack.get("paths") or {}
    layout = layout_of(str(stack.get("name") or ""), paths.get("root"))
    return replace(layout, secrets=Path(str(paths["secrets"]))) if paths.get("secrets") else layout


def go_back(
    layout: Layout, way: Way, options: Options, host: Host, *, check_mode: bool, result: dict[str, Any]
) -> None:
    """Make an earlier release serve again, and fill ``result`` as ``run`` does.

    :raises DrydockError: with the kinds of ``run`` and of ``restore``, ``not_released``, ``no_way_back``,
        ``irreversible``.
    """
    if not layout.state.is_dir():
        raise _not_released(layout)
    current = current_record(layout)
    if current is not None:  # it serves, also where there is no way back from it
        name = current.identity
        result.update(release=name, previous=name, directory=str(layout.release(name)))
    options = on_the_host(layout, options)
    run_wish(lambda: wanted_back(layout, way), options, host, check_mode=check_mode, result=result, look_first=False)


def wanted_back(layout: Layout, way: Way) -> Wanted:
    """What going this way asks for; ask under the lease.

    :raises DrydockError: see ``go_back``.
    """
    current = current_record(layout)
    if current is None:
        raise _not_released(layout)
    target = record_of(layout, way.to) if way.to else _last_good(layout, current)
    if not way.force:
        _refuse_crossed(layout, target)
    desired = restored(layout, target, _as_the_edge_is(layout, model_of(layout, target)))
    given = given_from(layout, target, desired)
    missing = model_dirs_missing(desired)
    if missing:
        raise DrydockError(
            "models_missing",
            f"Models that the release {target.identity} was made with are not on the host any more: "
            f"{', '.join(missing)}. Nothing was touched. Put these versions into the inventory and run the tag "
            "`models`, which brings them over and restarts nothing; then go back.",
            release=target.identity,
            models=missing,
        )
    return Wanted(desired, given, Back(to=target, left=current))


def _refuse_crossed(layout: Layout, target: Record) -> None:
    """Data that were changed for good are not what an older release expects."""
    crossed = irreversible.crossed(layout, sequence(target))
    if crossed:
        raise DrydockError(
            "irreversible",
            f"The data on this host are too new for the release {target.identity}. Nothing was touched.\n"
            + "\n".join(f"  {irreversible.said(item)}" for item in crossed)
            + "\nGo back to a release that was made after that. Or bring the data back from a backup of before, "
            "then go back with force.",
            release=target.identity,
            migrations=crossed,
        )


def _last_good(layout: Layout, current: Record) -> Record:
    found = last_good(layout)
    if found is None:
        others = [record.identity for record in all_records(layout) if record.identity != current.identity]
        named = f"Name one of those that are here: {', '.join(others)}." if others else "There is no other one here."
        raise DrydockError(
            "no_way_back",
            f"Before {current.identity} no release served that could be made again, was another one, and that nobody "
            f"went back from. Nothing was touched. {named}",
            releases=others,
        )
    return found


def _not_released(layout: Layout) -> DrydockError:
    return DrydockError(
        "not_released", f"Nothing serves here, so there is nothing to go back from: {layout.current} is not there."
    )


def _as_the_edge_is(layout: Layout, model: Mapping[str, Any]) -> dict[str, Any]:
    """With the domain and the routes that nginx has: its own configuration is no part of a release and does not go
    back. How releases are made does not, either.
    """
    serving: Mapping[str, Any] | None = None
    with contextlib.suppress(DrydockError):  # what serves was edited by hand, which must not keep anybody from leaving
        serving = read_model(layout.current)
    if serving is None:
        return dict(model)
    merged = {**model, **{key: serving[key] for key in ("domain", "edge", "release") if key in serving}}
    routes = (serving.get("edge") or {}).get("routes")
    if routes is not None:
        merged["services"] = {
            name: {**service, "routes": [str(item["path"]) for item in routes if item["service"] == name]}
            for name, service in (model.get("services") or {}).items()
        }
    return merged
