# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would do. Reads only; check mode returns this, and everything that changes follows from it."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import backups, differences, migrating
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.around import Around, look_around
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import place, stay
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Desired, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.differences import Change
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import closed_text, upstreams_text
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine, Live
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import read_model
from ansible_collections.drydock.serving.plugins.module_utils._release.ready import is_ready
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Journal,
    Record,
    all_records,
    closed,
    current_record,
    read_journal,
    secret_dirs,
    services,
    upstream_ports,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import fitting, kept_now, to_keep
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Back
from ansible_collections.drydock.serving.plugins.module_utils._secrets import (
    STORE,
    SecretsPlan,
    plan_secrets,
    read_or_make_key,
)

NONE = "none"
REPAIR = "repair"
RELEASE = "release"


@dataclass(frozen=True)
class Plan:
    """Everything a run is going to do.

    ``desired`` has a colour for each service. ``moved`` come up beside what serves; ``replaced`` where they are, which
    components always do; ``mended`` are as before and brought back. ``blocking`` and ``strays`` are containers that no
    release needs, where something has to come up and elsewhere; ``retired`` serve until the switch and not after it.

    ``back`` is what is gone back to; of what moves then, ``warm`` runs already, and with ``edge_first`` the edge is led
    there before anything is started. ``kept`` run on when they serve no longer. ``closed`` are services that the edge
    may still lead to and that the release does not have.
    """

    kind: str
    desired: Desired
    hash: str
    secrets: SecretsPlan = field(repr=False)
    changes: tuple[Change, ...]
    engine: str
    current: Record | None
    journal: Journal | None
    pulls: tuple[str, ...] = ()
    restarts: tuple[Unit, ...] = ()
    moved: tuple[Unit, ...] = ()
    replaced: tuple[Unit, ...] = ()
    mended: tuple[Unit, ...] = ()
    blocking: tuple[Retired, ...] = ()
    strays: tuple[Retired, ...] = ()
    retired: tuple[Retired, ...] = ()
    upstreams: bytes = b""
    closed: tuple[str, ...] = ()
    back: Back | None = None
    warm: tuple[Unit, ...] = ()
    kept: tuple[Retired, ...] = ()
    edge_first: bool = False
    migrations: tuple[Unit, ...] = ()  # whose is due, in the order that they run in
    backups: tuple[backups.Source, ...] = ()  # whose data are copied before

    @property
    def changed(self) -> bool:
        return self.kind != NONE

    def actions(self) -> list[str]:
        """What would be done, in words."""
        pulls = [f"pull the image {reference}" for reference in self.pulls]
        return pulls + [change.said for change in self.changes]

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "actions": self.actions(), "engine": self.engine, "hash": self.hash}


def make_plan(
    desired: Desired,
    given: Mapping[str, str],
    engine: Engine,
    *,
    may_write: bool,
    now: str = "",
    back: Back | None = None,
    prepared: Record | None = None,
    ready: Callable[[str], bool] = is_ready,
) -> Plan:
    """Compare the host with what is wanted.

    :param given: secret values from the operator.
    :param may_write: false in check mode: the key for fingerprints is then not made.
    :param now: the time in UTC, as ``until`` of what is kept warm is written.
    :param back: not None: this goes back to an earlier release.
    :param prepared: the release that was made ready for this wish; its services have their colours.
    :param ready: whether the path at this address says that a service is ready.
    :raises DrydockError: ``secret_lost``, ``secret_invalid``, ``data_missing``, ``state_unreadable`` and ``timed_out``.
    """
    layout = desired.layout
    current = current_record(layout)
    journal = read_journal(layout)
    records = all_records(layout)
    key = read_or_make_key(layout.fingerprint_key, create=may_write and layout.state.is_dir())
    secrets = plan_secrets(
        layout.secrets,
        desired.secrets,
        given,
        key=key,
        serving=secret_dirs(current) if current else {},
        kept=[folder for record in records for folder in secret_dirs(record).values()],
    )
    _refuse_lost(secrets, current)
    status, live = engine.containers(desired.name)
    _refuse_missing_data(desired, current, live)
    wanted_hash = desired.hash(secrets.fingerprints)

    content = [
        *differences.files(desired),
        *differences.images(desired, current),
        *differences.models(desired, current),
        *differences.keys(secrets, current),
        *differences.replicas(desired, current),
    ]
    if current is None or current.hash != wanted_hash or content:
        kind = RELEASE
        running = [item.name for item in live if item.running]
        if prepared is None:
            desired = place(desired, current, secrets.versions, running, back_to=back.to if back else None)
        else:
            desired = stay(desired, prepared)
        kept: frozenset[str] = frozenset()
    else:
        kind, back = REPAIR, None
        desired = stay(desired, current)
        kept = kept_now(layout, current, now)
    warm = fitting(back.to, desired.units, live) if back else ()
    if prepared is not None:  # what has come up for it looks the same
        warm = tuple(unit for unit in warm if unit.container in kept_now(layout, current, now))
    around = look_around(
        desired, current, live, secrets.versions, records, kept=kept, warm={unit.container for unit in warm}
    )
    mended = tuple(unit for unit in around.stays if differences.broken(unit, current, live))
    keep = desired.policy.keep_warm or (desired.policy.probation.seconds > 0 and back is None)
    keeping = _keeping(desired, current, around, live, kept=kept, keep=keep)
    shut = _closed(desired, current, kind=kind, back=back)
    upstreams = upstreams_text(desired.upstream_ports) + closed_text(shut)
    forward = kind == RELEASE and back is None and prepared is None
    due = migrating.due(desired, current) if forward else ()
    copied = backups.wanted(desired, current, migrates=bool(due)) if forward else ()
    drifted = differences.containers(stay(desired, current), current, live) if status == engines.OK and current else []
    changes = [
        *content,
        *differences.secret_files(secrets),
        *differences.config(desired),
        *differences.data(desired),
        *drifted,
        *differences.strays(around.strays, live),
        *differences.edge(layout.upstreams, upstreams),
        *differences.out_of_service(layout),
        *differences.gate(layout),
        *differences.leftovers(journal, status),
        *differences.works(copied, due),
        *(differences.settings(desired) + differences.still_named(keeping) if kind == REPAIR else []),
    ]
    kind = kind if kind == RELEASE or changes else NONE
    images = set(desired.images.values())
    if back is not None:  # what runs goes on without its image, should somebody have removed that
        images = {unit.image for unit in (*around.moved, *around.replaced, *mended) if unit not in warm}
    return Plan(
        kind=kind,
        desired=desired,
        hash=wanted_hash,
        secrets=secrets,
        changes=tuple(changes),
        engine=status,
        current=current,
        journal=journal,
        pulls=_pulls(images, engine) if kind != NONE and status == engines.OK else (),
        restarts=_restarts(desired, secrets, live) if kind == REPAIR else (),
        moved=around.moved,
        replaced=around.replaced,
        mended=mended,
        blocking=around.blocking,
        strays=around.strays,
        retired=around.retired,
        upstreams=upstreams,
        closed=shut,
        back=back,
        warm=tuple(unit for unit in warm if unit in around.moved),
        kept=keeping,
        migrations=due,
        backups=copied,
        edge_first=back is not None and _edge_first(around, mended, warm, ready),
    )


def _keeping(
    desired: Desired, current: Record | None, around: Around, live: list[Live], *, kept: frozenset[str], keep: bool
) -> tuple[Retired, ...]:
    """What runs on when it serves no longer; of what does already, what is still reached under its service's name. Of a
    service that only has fewer replicas none is kept: those that serve are the same.
    """
    if kept:
        named = [item for item in live if item.name in kept and item.running and desired.name in item.networks]
        return tuple(replace(around.known.get(item.name, Retired(item.name)), command=()) for item in named)
    if current is None or not keep:
        return ()
    names, stays = services(current), {unit.service for unit in around.stays}
    surplus = {item["name"] for unit, item in current.containers.items() if names[unit] in stays}
    return to_keep(current, (item for item in around.retired if item.name not in surplus), live)


def _closed(desired: Desired, current: Record | None, *, kind: str, back: Back | None) -> tuple[str, ...]:
    """Services that nginx may lead to and that are not there. Its own configuration is that of the last run from the
    inventory, so after going back it may be any that the edge was led to before.
    """
    if current is None:
        return ()
    if kind != RELEASE:
        return closed(current)
    names = {*upstream_ports(current), *(closed(current) if back else ())}
    return tuple(sorted(names - set(desired.upstream_ports)))


def _edge_first(around: Around, mended: tuple[Unit, ...], warm: tuple[Unit, ...], ready: Callable[[str], bool]) -> bool:
    """Whether the edge can be led back before anything is started: all that it leads to elsewhere is there."""
    routed = [unit for unit in around.moved if unit.routes and unit.host_port]
    touched = [*around.replaced, *mended]
    return (
        bool(routed)
        and not any(unit.part == BASE or unit.routes for unit in touched)
        and all(unit in warm and (unit.url is None or ready(unit.url)) for unit in routed)
    )


def _refuse_lost(secrets: SecretsPlan, current: Record | None) -> None:
    """A new value for a secret that a release has used would lock the services out of their databases."""
    recorded = (current.rest.get("secrets") or {}) if current else {}
    lost = [name for name in secrets.generated if name in recorded]
    if lost:
        raise DrydockError(
            "secret_lost",
            f"Secrets that the current release uses are no longer on the host: {', '.join(lost)}. A new value would "
            "not be the one that databases were made with, so nothing was touched. Put the files back from a backup (a "
            "container that still runs has them in /run/secrets), or give the values in stack_secrets, then run again.",
            secrets=lost,
        )


def _refuse_missing_data(desired: Desired, current: Record | None, live: list[Live]) -> None:
    """An empty directory in place of one with data would have an empty database serve."""
    lost = [(unit, why) for unit in desired.units if unit.data is not None and (why := _data_missing(unit.data, unit))]
    had = _had_data(desired.layout, current, live) if lost else frozenset()
    for unit, why in lost:
        if unit.container in had:
            by = f"the release {current.identity} serves with it" if current else f"{unit.container} was made with it"
            raise DrydockError(
                "data_missing",
                f"{unit.data}, the data of {unit.service}, {why}, though {by}. Most likely a disk is not mounted; an "
                f"empty database would serve instead. Nothing was touched. Look at `findmnt --target {unit.data}` and "
                "/etc/fstab, mount the disk or bring the data back from a backup, then run again. To begin with empty "
                f"data on purpose: `install -d -o {unit.uid} -g {unit.gid} -m 0700 {unit.data}`.",
                path=str(unit.data),
                service=unit.service,
            )


def _data_missing(folder: Path, unit: Unit) -> str:
    """In words; empty when it is there. One that is empty and its container's own was made on purpose."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return "is not there"
    if (status.st_uid, status.st_gid) == (unit.uid, unit.gid) or any(folder.iterdir()):
        return ""
    return f"is an empty directory of {status.st_uid}:{status.st_gid}, not of {unit.uid}:{unit.gid}"


def _had_data(layout: Layout, current: Record | None, live: list[Live]) -> frozenset[str]:
    """Containers that were made with data, as far as is known. With the whole stack on a disk that is not mounted, only
    the engine knows.
    """
    if current is None:
        return frozenset(item.name for item in live)
    try:
        components = (read_model(layout.current) or {}).get("components") or {}
    except DrydockError:  # edited by hand
        return frozenset(str(item["name"]) for item in current.containers.values())
    return frozenset(
        str(item["name"])
        for name, item in current.containers.items()
        if item["part"] == BASE and (components.get(name) or {}).get("data")
    )


def _pulls(images: Collection[str], engine: Engine) -> tuple[str, ...]:
    have = engine.images(images)
    return tuple(reference for reference in sorted(images) if reference not in have)


def _restarts(desired: Desired, secrets: SecretsPlan, live: list[Live]) -> tuple[Unit, ...]:
    """Units that a repair has to restart: unhealthy ones, and those whose secret was edited under their feet."""
    unhealthy = {(item.project, item.service) for item in live if item.unhealthy}
    copies = [item.path for item in secrets.writes if item.reason == "content" and item.path.parent.name != STORE]
    edited = {path.parent.parent.name for path in copies}
    return tuple(unit for unit in desired.units if (unit.project, unit.name) in unhealthy or unit.service in edited)


def model_dirs_missing(desired: Desired) -> list[str]:
    """Model sets that a unit mounts and that are not on the host, as ``name version (directory)``."""
    missing = {
        f"{name} {version} ({source})"
        for unit in desired.units
        for name, version, source in unit.models
        if not os.path.isdir(source)  # noqa: PTH112  # a plain string of the model
    }
    return sorted(missing)
