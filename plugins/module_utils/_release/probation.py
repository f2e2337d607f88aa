# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The note of a release on probation: what is watched, from where in the log, until when, and what was decided.

It is written before the switch and counts once its release is the current one. Until then it holds the note of the
release that serves, which is put back when the new one fails. Whoever removes it has ended the probation: the watcher
after its verdict, or a later release that serves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.access_log import (
    AccessLog,
    Mark,
    mark_from,
    tail,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, Unit
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.judgement import (
    Baseline,
    Look,
    Thresholds,
    Window,
    baseline_of,
    thresholds_from,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE, Plan
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.unit_names import probation_unit

SCHEMA = 1
OPTIONS = ("wait_timeout", "pull_timeout", "keep", "reserve")
KEPT = "kept"
FAILED = "failed"
ENDED = "ended"  # by somebody else, before there was a verdict


@dataclass(frozen=True)
class Note:
    """``state/probation.json``.

    :param began: seconds since 1970; ``steady`` is the same moment by the clock of the boot that ``boot`` names.
    :param services: the address that the edge reaches a container by -> the name of its service.
    :param containers: name -> {id, restarts} when the probation began.
    :param before: by service.
    :param options: of the run that made the release, for the one that goes back from it.
    :param decision: what the watcher has found, from when it was found on.
    :param instead_of: the note of the release that serves, until this one does: should that fail, it goes on.
    """

    release: str
    previous: str
    began: float
    steady: float
    boot: str
    thresholds: Thresholds
    services: Mapping[str, str]
    containers: Mapping[str, Mapping[str, Any]]
    before: Mapping[str, Baseline]
    log: str
    marks: tuple[Mark, ...]
    options: Mapping[str, Any]
    decision: Mapping[str, Any] | None = None
    instead_of: Note | None = None

    @property
    def until(self) -> str:
        return iso(self.began + self.thresholds.seconds)

    def as_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "schema": SCHEMA,
            "since": iso(self.began),
            "until": self.until,
            "thresholds": self.thresholds.as_dict(),
            "before": {name: item.as_dict() for name, item in self.before.items()},
            "marks": [mark.as_dict() for mark in self.marks],
            "instead_of": self.instead_of.as_dict() if self.instead_of else None,
        }


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_note(layout: Layout, note: Note) -> None:
    write_json(layout.probation, note.as_dict())


def remove_note(layout: Layout) -> None:
    layout.probation.unlink(missing_ok=True)


def read_note(layout: Layout) -> Note | None:
    """The note; None when there is none, or none that can be used: without it nothing is judged.

    :raises DrydockError: ``state_unreadable`` when a newer version of the collection wrote it.
    """
    try:
        raw = json.loads(layout.probation.read_text(encoding="utf-8"))
        schema = raw["schema"]
        note = _note(raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if schema > SCHEMA:
        raise DrydockError(
            "state_unreadable",
            f"{layout.probation} tells of a probation by a newer version of this collection (schema {schema}, this one "
            f"knows {SCHEMA}). Run with that version; nothing was touched.",
        )
    return note


def _note(raw: Mapping[str, Any]) -> Note:
    return Note(
        release=str(raw["release"]),
        previous=str(raw["previous"]),
        began=float(raw["began"]),
        steady=float(raw["steady"]),
        boot=str(raw["boot"]),
        thresholds=thresholds_from(raw["thresholds"]),
        services={str(key): str(value) for key, value in raw["services"].items()},
        containers={str(key): dict(value) for key, value in raw["containers"].items()},
        before={str(key): Baseline(**value) for key, value in raw["before"].items()},
        log=str(raw["log"]),
        marks=tuple(mark_from(item) for item in raw["marks"]),
        options={key: raw["options"][key] for key in OPTIONS},
        decision=raw["decision"],
        instead_of=_note(raw["instead_of"]) if raw.get("instead_of") else None,
    )


def serving(layout: Layout, note: Note) -> bool:
    """Whether its release is the current one: before that, and after it, nothing is judged."""
    return layout.current.is_symlink() and layout.current.readlink().name == note.release


def active(layout: Layout) -> Note | None:
    """The note of the release that serves, when that is on probation.

    :raises DrydockError: ``state_unreadable``.
    """
    note = read_note(layout)
    return note if note is not None and serving(layout, note) else None


def told_probation(layout: Layout) -> dict[str, Any] | None:
    """What is told of the probation of what serves: for status.

    :raises DrydockError: ``state_unreadable``.
    """
    note = active(layout)
    if note is None:
        return None
    told = note.as_dict()
    keys = ("release", "previous", "since", "until", "thresholds", "before", "decision")
    return {key: told[key] for key in keys}


# -- time ------------------------------------------------------------------------------------------------------------


def remaining(note: Note, clocks: Clocks) -> float:
    """Seconds of the probation that are left. Within a boot by a clock that nobody sets, else by the time of day."""
    passed = clocks.steady() - note.steady if note.boot == clocks.boot() else clocks.wall() - note.began
    return note.thresholds.seconds - min(max(passed, 0.0), note.thresholds.seconds)


def rebased(note: Note, clocks: Clocks) -> Note:
    """The note by the clock of this boot, with as much time left."""
    if note.boot == clocks.boot():
        return note
    passed = note.thresholds.seconds - remaining(note, clocks)
    return replace(note, boot=clocks.boot(), steady=clocks.steady() - passed)


# -- the beginning ---------------------------------------------------------------------------------------------------


def judged(plan: Plan) -> tuple[Unit, ...]:
    """What the release has changed: its containers. A changed component concerns every service."""
    changed = (*plan.moved, *plan.replaced)
    if any(unit.part == BASE for unit in changed):
        return (*changed, *(unit for unit in plan.desired.units if unit.part != BASE and unit not in changed))
    return changed


def prepare(plan: Plan, identity: str, engine: Engine, options: Mapping[str, Any], *, clocks: Clocks) -> None:
    """Write the note for a release that is about to be switched to, where there is what to judge and to go back to.

    :param options: of the run.
    :raises OSError: the edge's log is there and cannot be read.
    """
    thresholds = plan.desired.policy.probation
    units = judged(plan) if plan.kind == RELEASE and plan.back is None else ()
    if thresholds.seconds <= 0 or plan.current is None or not units:
        return
    log = plan.desired.access_log
    routed = [unit for unit in units if unit.routes and unit.host_port]
    judging = {unit.service for unit in routed}
    recorded = ((str(item.get("service") or name), item) for name, item in plan.current.containers.items())
    old = [(service, item.get("host_port")) for service, item in recorded if service in judging]
    note = Note(
        release=identity,
        previous=plan.current.identity,
        began=clocks.wall(),
        steady=clocks.steady(),
        boot=clocks.boot(),
        thresholds=thresholds,
        services=_addresses((unit.service, unit.host_port) for unit in routed),
        containers={unit.container: _seen(engine, unit.container) for unit in units},
        before=_before(log, _addresses(old)),
        log=str(log),
        marks=AccessLog.at_end(log).marks,
        options={key: options[key] for key in OPTIONS},
        instead_of=active(plan.desired.layout),
    )
    write_note(plan.desired.layout, note)


def start(layout: Layout, stack: str, identity: str, runner: Runner) -> None:
    """Have the unit on the host watch, before the release is the current one: from then on it has to be watched. Where
    there is none, whoever has made the release does.
    """
    note = read_note(layout)
    if note is not None and note.release == identity:
        start_unit(stack, runner)


def start_unit(stack: str, runner: Runner) -> bool:
    """Whether there is a unit that watches; one that does already is left alone."""
    return runner.run(["systemctl", "start", "--no-block", probation_unit(stack)]).ok


def _addresses(ports: Iterable[tuple[str, int | None]]) -> dict[str, str]:
    """As the edge's log tells them; by the name of the upstream where nginx found none of its servers alive."""
    found = {}
    for service, port in ports:
        if port:
            found.update({f"127.0.0.1:{port}": service, f"drydock_{service}": service})
    return found


def _before(log: Path, services: Mapping[str, str]) -> dict[str, Baseline]:
    window = Window(services)
    window.add(tail(log))
    return {name: baseline_of(counts) for name, counts in window.whole().items()}


# -- containers ------------------------------------------------------------------------------------------------------


def _seen(engine: Engine, container: str) -> dict[str, Any]:
    raw = engine.inspect(container) or {}
    return {"id": str(raw.get("Id") or ""), "restarts": int(raw.get("RestartCount") or 0)}


def look_at(engine: Engine, containers: Mapping[str, Mapping[str, Any]]) -> Iterable[Look]:
    """Each container against how it was. One that was made anew begins anew; one that is gone tells nothing."""
    for name, before in containers.items():
        raw = engine.inspect(name)
        if raw is None:
            continue
        state = raw.get("State") or {}
        count = int(raw.get("RestartCount") or 0)
        base = int(before.get("restarts") or 0) if raw.get("Id") == before.get("id") else 0
        restarts = max(0, count - base)
        yield Look(
            name=name,
            restarts=restarts,
            killed=bool(state.get("OOMKilled")),
            exit_code=int(state.get("ExitCode") or 0) if restarts else None,
        )
