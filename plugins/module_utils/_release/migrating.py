# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations of a release: which are due, and one run of each to its end.

A job runs detached and is looked at from outside. So the lease is free when the run that began it is killed, and the
next run finds the job by its name, ends it and only then goes on: there are never two of a service at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired, Unit, digest
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine, Live
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record
from ansible_collections.drydock.serving.plugins.module_utils._release.wishes import Migration

JOB = "migrate"
LABEL = "drydock.job"
INTERVAL = 0.5
START_LIMIT = 120.0  # seconds that the engine may take to start a job
STOP_EXTRA = 30.0  # and to stop one, on top of its grace period
STOP_LEFT = 300.0  # the same for one of which only the name is known
LOG_LINES = 1000
WORDS = 6  # lines of its log in the message


def job_name(unit: Unit) -> str:
    """The name of the container; Compose never gives one like it."""
    return f"{unit.project}-{unit.name}-{JOB}"


def is_job(live: Live) -> bool:
    return live.name == f"{live.project}-{live.service}-{JOB}"


def key(unit: Unit, migration: Migration) -> str:
    """Equal for two releases that would have the same done by the same image."""
    return digest(migration.what(unit.image))[:16]


def keys(desired: Desired) -> dict[str, str]:
    """Service -> what a release notes as done."""
    return {unit.service: key(unit, unit.migrate) for unit in desired.units if unit.migrate is not None}


def due(desired: Desired, current: Record | None) -> tuple[Unit, ...]:
    """Services whose migration the release that serves has not had done, those that others depend on first."""
    done = (current.rest.get("migrations") or {}) if current else {}
    wanted = keys(desired)
    once = (unit for unit in desired.units if unit.first)  # however many replicas there are
    return tuple(unit for unit in by_dependency(once) if wanted.get(unit.name) not in (None, done.get(unit.name)))


def by_dependency(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """Each after those that it depends on; else by name."""
    left = {unit.name: unit for unit in sorted(units, key=lambda unit: unit.name)}
    found: list[Unit] = []
    while left:
        free = [unit for unit in left.values() if not left.keys() & set(unit.depends_on)] or list(left.values())
        found += free
        left = {name: unit for name, unit in left.items() if unit not in free}
    return tuple(found)


def settle(engine: Engine, stack: str) -> list[str]:
    """End and remove jobs of runs that died; what was done, in words. Call it while holding the lease.

    :raises DrydockError: ``up_failed``, ``timed_out``: a job that cannot be ended must not get a second one beside it.
    """
    jobs = [item for item in engine.containers(stack)[1] if is_job(item)]
    running = [item for item in jobs if item.running]
    engine.stop((item.name for item in running), timeout=STOP_LEFT)
    engine.remove(item.name for item in jobs)
    return [
        f"stopped the migration of {item.service}, which a run that died had left running: how far it came is not known"
        for item in running
    ]


@dataclass(frozen=True)
class Done:
    """How a job ended. ``code`` is None when its time was over or nobody knows."""

    code: int | None
    why: str
    log: str

    @property
    def ok(self) -> bool:
        return self.code == 0


class Migrator:
    """Runs migrations one by one."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._sleep = sleep

    def run(self, unit: Unit, migration: Migration, compose: Compose) -> Done:
        """One migration to its end, or to the end of its time. Its container is removed.

        :raises DrydockError: ``up_failed``, ``timed_out``: it could not be started or removed; ``migration_failed``: it
            could not be stopped.
        """
        name = job_name(unit)
        self._engine.remove([name])
        try:
            compose.start_job(
                unit.name,
                name=name,
                command=migration.command,
                environment=migration.environment,
                labels={LABEL: JOB},
                timeout=START_LIMIT,
            )
        except DrydockError:
            with contextlib.suppress(DrydockError):  # Compose may have said no, or nothing, after the engine said yes
                self._engine.remove([name])
            raise
        code, why = self._wait(name, migration.timeout)
        if code is None:
            self._stop(unit, name, why)
        log = self._engine.logs(name, lines=LOG_LINES)
        self._engine.remove([name])
        return Done(code=code, why=why, log=log)

    def _stop(self, unit: Unit, name: str, why: str) -> None:
        try:
            self._engine.stop([name], timeout=unit.grace + STOP_EXTRA)
        except DrydockError as error:
            raise DrydockError(
                "migration_failed",
                f"The migration of the service {unit.name} failed: {why}. It could not be stopped and may still change "
                f"the data (container {name}): {error.message} The next run stops it before anything else; by hand: "
                f"`docker stop {name}`.",
                service=unit.name,
                exit_code=None,
                running=name,
            ) from error

    def _wait(self, name: str, limit: float) -> tuple[int | None, str]:
        begun = self._clock()
        while True:
            seen = self._look(name)
            if seen is None:
                return None, "its container is gone"
            state = seen.get("State") or {}
            if state.get("Status") in ("exited", "dead"):
                return _ended(state)
            if self._clock() - begun >= limit:
                return None, f"it did not end within {limit:g} s"
            self._sleep(INTERVAL)

    def _look(self, name: str) -> Mapping[str, Any] | None:
        """An engine that restarts, or hangs, lets its containers run on, so the job may well come to its end."""
        try:
            return self._engine.inspect(name)
        except DrydockError:
            return {}


def _ended(state: Mapping[str, Any]) -> tuple[int, str]:
    code = int(state.get("ExitCode") or 0)
    if state.get("OOMKilled"):
        return code or 137, f"it was killed for want of memory (exit code {code})"
    error = str(state.get("Error") or "")
    return code, f"it ended with exit code {code}" + (f": {error}" if error else "")


def failure(unit: Unit, done: Done) -> DrydockError:
    """What is said of a migration that failed."""
    lines = [line.partition(" ")[2] or line for line in done.log.splitlines() if line.strip()][-WORDS:]
    said = ["The last lines of its log:", *(f"  {line}" for line in lines)] if lines else ["It wrote nothing."]
    return DrydockError(
        "migration_failed",
        "\n".join(
            [
                f"The migration of the service {unit.name} failed: {done.why}. What it changed before stays changed.",
                *said,
                "Correct the program or its data, then run again: the migration is then begun anew.",
            ]
        ),
        service=unit.name,
        exit_code=done.code,
    )
