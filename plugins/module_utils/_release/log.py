# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of deployments on a host: one JSON line for each attempt. Lines are only ever added, and hold no secret."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE, Plan
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, read_record
from ansible_collections.drydock.serving.plugins.module_utils._release.record import services as services_of
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options

NAME = "deployments.jsonl"
MODE = 0o640
LIMIT = 10 * 1024 * 1024  # bytes; then the file becomes the old one, which is replaced
BACKUP_STEP = "backup"
TAIL = 1024 * 1024  # bytes that are read for the newest attempts

RELEASED = "released"
ROLLED_BACK = "rolled_back"
REPAIRED = "repaired"
FAILED = "failed"
RECOVERED = "recovered"
KEPT = "kept"  # a release that was on probation, to its end
PROBATION_ENDED = "probation_ended"  # before its time, by a later release
PREPARED = "prepared"  # ready, and waiting to be switched together with other hosts
ABANDONED = "abandoned"  # given up when it was ready
RESTARTED = "restarted"  # the containers of what serves, by the command on the host
RESTART_FAILED = "restart_failed"
BACKED_UP = "backed_up"  # the data of what serves, by the command on the host
BACKUP_FAILED = "backup_failed"
MAINTENANCE_ON = "maintenance_on"  # the edge answers 503 to all, by the command on the host
MAINTENANCE_OFF = "maintenance_off"
STARTED = "started"  # what serves was brought back as it is recorded, after a reboot or a stop
START_FAILED = "start_failed"
STOPPED = "stopped"
# what makes no release: it neither is an attempt nor makes up for one
NO_RELEASES = (
    RESTARTED,
    RESTART_FAILED,
    BACKED_UP,
    BACKUP_FAILED,
    MAINTENANCE_ON,
    MAINTENANCE_OFF,
    STARTED,
    START_FAILED,
    STOPPED,
)


def log_path(layout: Layout) -> Path:
    return layout.state / NAME


def append(path: Path, entry: Mapping[str, Any], *, limit: int = LIMIT) -> None:
    """Add one line, in one write, on disk when this returns. A line that a dying writer left in parts is ended first.

    :param limit: bytes above which the file is put aside, in the place of the one that was put aside before.
    :raises OSError: it could not be written whole.
    """
    data = (json.dumps(entry, sort_keys=True, default=str) + "\n").encode("ascii")
    if path.exists() and path.stat().st_size + len(data) > limit:
        path.replace(aside(path))
    fresh = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, MODE)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if fresh:
        fsync_dir(path.parent)


def append_or_warn(layout: Layout, entry: Mapping[str, Any], warn: Callable[[str], None]) -> None:
    """Add one line; that it cannot be written is told and is no reason to fail."""
    path = log_path(layout)
    try:
        append(path, entry)
    except OSError as error:
        warn(f"The log of deployments {path} could not be written: {error}.")


def note_of(
    layout: Layout,
    *,
    stack: str,
    at: str,
    actor: str,
    reason: str,
    outcome: str,
    duration: float | None = None,
    services: Sequence[str] = (),
    failure: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A line of something that makes no release."""
    current = serving(layout)
    return {
        "at": at,
        "stack": stack,
        "actor": actor,
        "reason": reason,
        "outcome": outcome,
        "release": current,
        "previous": current,
        "serving": current,
        "duration": duration,
        "services": sorted(services),
        "images": {},
        "models": {},
        "failure": failure,
    }


def aside(path: Path) -> Path:
    """Where a log that became too long is put."""
    return path.with_name(f"{path.name}.1")


def newest(path: Path, count: int) -> list[dict[str, Any]]:
    """The last attempts, newest first. What is not a line of the log is left out.

    :raises OSError: the log is there and cannot be read.
    """
    found: list[dict[str, Any]] = []
    for file in (path, aside(path)):
        if len(found) < count:
            found += reversed(_lines(file))
    return found[: max(0, count)]


def failed_backup(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The last backup, made by hand or by a release, when it failed: ``at``, ``actor`` and ``kind``.

    :param entries: as of ``newest``.
    """
    for entry in entries:
        failure = entry.get("failure")
        kind = failure.get("kind") if isinstance(failure, Mapping) else None
        by_release = isinstance(failure, Mapping) and failure.get("step") == BACKUP_STEP
        if entry.get("outcome") == BACKUP_FAILED or by_release:
            return {"at": entry.get("at"), "actor": entry.get("actor"), "kind": kind}
        if entry.get("outcome") == BACKED_UP or entry.get("backup"):
            return None
    return None


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL))
            lines = stream.read().splitlines()
    except FileNotFoundError:
        return []
    parsed = map(_parsed, lines[1:] if size > TAIL else lines)
    return [entry for entry in parsed if entry is not None]


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


class DeploymentLog:
    """What one run writes into the log. Call it while holding the lease.

    :param warn: told when the log cannot be written; that is no reason to fail a release.
    """

    def __init__(
        self,
        stack: str,
        layout: Layout,
        options: Options,
        *,
        now: Callable[[], str],
        clock: Callable[[], float],
        warn: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._layout = layout
        self._options = options
        self._now = now
        self._clock = clock
        self._warn = warn

    def abandoned(self, release: str, said: str) -> None:
        """A release that was ready was given up."""
        self._write({"outcome": ABANDONED, "release": release, "said": [said]})

    def recovered(self, said: list[str]) -> None:
        """A run that died before this one was settled."""
        self._write({"outcome": RECOVERED, "said": said})

    @contextlib.contextmanager
    def attempt(self, plan: Plan, outcome: str | None = None) -> Iterator[dict[str, Any]]:
        """Write down how what is done inside ended, with what is noted meanwhile. A run that is killed inside is told
        by the one that recovers it.

        :param outcome: of one that ends well; by default what the plan's kind says.
        """
        noted: dict[str, Any] = {}
        started = self._clock()
        releasing = plan.kind == RELEASE
        previous = plan.current.identity if plan.current else None
        entry: dict[str, Any] = {
            "release": self._options.identity if releasing else previous,
            "previous": previous,
            **({"rolled_back_to": plan.back.to.identity} if plan.back else {}),
        }
        try:
            yield noted
        except Exception as error:
            self._write({**entry, **noted, **changes(plan, None), **_failure(error)}, started)
            raise
        outcome = outcome or (ROLLED_BACK if plan.back else RELEASED if releasing else REPAIRED)
        after = read_record(self._layout.current if outcome != PREPARED else self._layout.release(entry["release"]))
        self._write({**entry, **noted, **changes(plan, after), "outcome": outcome, "failure": None}, started)

    def _write(self, entry: Mapping[str, Any], started: float | None = None) -> None:
        whole = {
            "at": self._now(),
            "stack": self._stack,
            "actor": self._options.actor,
            "reason": self._options.reason,
            "serving": serving(self._layout),
            "duration": None if started is None else round(self._clock() - started, 2),
            **entry,
        }
        append_or_warn(self._layout, whole, self._warn)


def serving(layout: Layout) -> str | None:
    """The release that is current now, whatever was attempted."""
    return layout.current.readlink().name if layout.current.is_symlink() else None


def _failure(error: Exception) -> dict[str, Any]:
    if not isinstance(error, DrydockError):
        return {"outcome": FAILED, "failure": {"kind": "bug", "step": None, "evidence": None}}
    details = error.details
    return {
        "outcome": FAILED,
        "failure": {"kind": error.kind, "step": details.get("step"), "evidence": details.get("evidence")},
    }


def changes(plan: Plan, after: Record | None) -> dict[str, Any]:
    """Which services, images and models are others than before; names and versions only.

    :param after: the record of the release that was made; without one only what images and models tell is known.
    """
    before = plan.current
    desired = plan.desired
    images = _differences(
        {name: item.get("reference") for name, item in before.images.items()} if before else {}, desired.images
    )
    models = _differences(
        {name: _version(item) for name, item in before.models.items()} if before else {},
        {name: _version(item) for name, item in desired.models.items()},
    )
    services = set(images) | {
        unit.service for unit in desired.units if {name for name, *_where in unit.models} & models.keys()
    }
    known = {**(services_of(before) if before else {}), **(services_of(after) if after else {})}
    if after is not None:
        services |= {known[name] for name in _differences(_made(before), _made(after))}
    if before is not None:
        drifted = {change.name.rsplit(" ", 1)[-1] for change in plan.changes if change.topic == "container"}
        services |= {known[name] for name, item in before.containers.items() if item.get("name") in drifted}
    return {"services": sorted(services), "images": images, "models": models}


def _version(model: Mapping[str, Any]) -> str:
    return f"{model.get('version')} ({str(model.get('digest'))[:12]})"


def _made(record: Record | None) -> dict[str, Any]:
    """What tells whether a container was made anew: where it runs, and from which settings."""
    containers = record.containers if record else {}
    return {name: (item.get("part"), item.get("config_hash")) for name, item in containers.items()}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }
