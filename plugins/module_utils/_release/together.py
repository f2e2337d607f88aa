# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of several hosts together: none switches before all are ready.

A release is made ready up to the step before the switch and left waiting, with a note. It is fetched, when nothing has
moved meanwhile, or given up: then the host is as if it had not been begun, and nothing is kept as evidence.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import networks, rotation
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Desired, sha256
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import Plan
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import (
    Prepared,
    forget_prepared,
    read_prepared,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    clear_journal,
    current_record,
    read_record,
    secret_folders,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import kept_now
from ansible_collections.drydock.serving.plugins.module_utils._release.way_back import UP_EXTRA, bring_up_recorded
from ansible_collections.drydock.serving.plugins.module_utils._secrets import remove_unused, restore_secrets


def fetch(
    desired: Desired, look: Callable[..., Plan], host: Host, *, identity: str, limit: float
) -> tuple[Plan, Prepared]:
    """The release that was made ready here, as a plan to go on with.

    :param look: makes the plan of a run; ``prepared`` is the record of what is ready.
    :param limit: seconds that what serves may take to be healthy, should it have to be brought back.
    :raises DrydockError: ``prepared_lost``: it is not here any more, or something has moved. Then it was given up.
    """
    layout = desired.layout
    note = read_prepared(layout)
    record = read_record(layout.release(identity))
    if note is None or note.release != identity or record is None:
        raise DrydockError(
            "prepared_lost",
            f"The release {identity}, which was made ready here, is not here any more: another run has undone it, or "
            "the host was put back. What served before serves. Run again.",
        )
    plan = look(prepared=record)
    moved = list(_moved(plan, note, record))
    if moved:
        said = give_up(desired.name, layout, note, host, limit=limit)
        raise DrydockError(
            "prepared_lost",
            f"Since the release {identity} was made ready, something has moved: {'; '.join(moved)}. It was given up. "
            f"{said} Run again.",
        )
    return plan, note


def _moved(plan: Plan, note: Prepared, record: Record) -> Iterator[str]:
    """What is not as it was when the release was made ready, in words."""
    serving = plan.current.identity if plan.current else None
    if serving != note.previous:
        yield f"{serving or 'nothing'} serves, not {note.previous or 'nothing'}"
    if plan.hash != note.hash:
        yield "what is wanted is something else now: other files, images, models or secrets"
    wanted = {unit.name: unit.container for unit in plan.desired.units}
    if wanted != {name: item["name"] for name, item in record.containers.items()}:
        yield "its containers would be others"
    folder = plan.desired.layout.release(note.release)
    yield from (
        f"{folder / dest} was edited" for dest, known in sorted(record.files.items()) if _digest(folder / dest) != known
    )


def _digest(path: Any) -> str:
    try:
        return sha256(path.read_bytes())
    except OSError:
        return ""


def give_up(stack: str, layout: Layout, note: Prepared, host: Host, *, limit: float) -> str:
    """Undo a release that is ready; what serves then, in a sentence. Call it while holding the lease.

    Killed on the way, it is begun again by who gives it up again, or undone by the next run.

    :raises DrydockError: ``unhealthy`` and what the engine says, when what served could not be brought back.
    """
    folder = layout.release(note.release)
    made, previous = read_record(folder), current_record(layout)
    restore_secrets(layout.secrets)
    networks.disconnect(host.engine, note.lent)
    kept = kept_now(layout, previous, host.now())
    touched = _take_down(stack, made, previous, host, kept) if made else []
    if previous is not None and touched:
        bring_up_recorded(host, layout, stack, previous, touched, timeout=limit + UP_EXTRA)
    shutil.rmtree(folder, ignore_errors=True)
    remove_unused(layout.secrets, secret_folders(layout))
    forget_prepared(layout)
    clear_journal(layout)
    if previous is None:
        return "Nothing was released here before, so nothing serves."
    if touched:
        _require_healthy(previous, host, limit)
    rotation.enter(layout)
    verb = "was brought back and serves" if touched else "was not touched and serves"
    return f"The release {previous.identity} {verb}."


def _take_down(stack: str, made: Record, previous: Record | None, host: Host, kept: frozenset[str]) -> list[str]:
    """Remove what came up for it; names of what was replaced where it is, and has to be brought back.

    :param kept: containers that ran warm before, and do so again.
    """
    recorded = previous.containers if previous else {}
    serving = {item["name"] for item in recorded.values()}
    there = {item.name for item in host.engine.present(stack)}
    fresh = [item for item in made.containers.values() if item["name"] not in serving and item["name"] in there]
    coming = [item for item in fresh if item["name"] not in kept]
    for item in fresh:
        if item["name"] in kept:
            host.engine.disconnect(stack, item["name"])
    services = [item for item in coming if item["part"] != BASE]
    for group in (services, [item for item in coming if item["part"] == BASE]):  # who uses it before what is used
        _stop(group, host)
    return sorted(
        name
        for name, item in made.containers.items()
        if name in recorded and item["name"] == recorded[name]["name"] and item["hash"] != recorded[name].get("hash")
    )


def _stop(items: list[Mapping[str, Any]], host: Host) -> None:
    gone = [retired_from(item) for item in items]
    if gone:
        host.engine.stop([item.name for item in gone], timeout=max(item.grace for item in gone) + UP_EXTRA)
        host.engine.remove([item.name for item in gone])


def _require_healthy(previous: Record, host: Host, limit: float) -> None:
    report = host.waiter.wait_recorded(previous.containers, limit=limit)
    if not report.ok:
        raise DrydockError("unhealthy", f"The release {previous.identity} was brought back, but: {report.message()}")
