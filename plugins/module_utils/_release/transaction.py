# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release as a transaction: a list of steps, a journal that says which one is under way, and a way back.

Until ``secrets`` nothing that serves is touched; from there until ``healthy`` a failure brings the previous release
back; from ``record`` on the release is proven, and the next run finishes what was interrupted.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import (
    fsync_dir,
    replace_symlink,
    write_atomic,
    write_json,
)
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import load_requests
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import Report
from ansible_collections.drydock.serving.plugins.module_utils._release import room
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import (
    VARIABLES,
    Compose,
    variables_text,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, PARTS, Unit, sha256
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Redactor, collect, last_words
from ansible_collections.drydock.serving.plugins.module_utils._release.images import Images
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import (
    DATA_MODE,
    RELEASE,
    Plan,
    model_dirs_missing,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import prune, prune_images
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    RECORD,
    Journal,
    Record,
    clear_journal,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import Logins, hidden
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter
from ansible_collections.drydock.serving.plugins.module_utils._secrets import (
    forget_undo,
    remove_stale,
    replaced_values,
    restore_secrets,
    write_secrets,
)

RELEASE_STEPS = (
    "room",
    "stage",
    "check",
    "images",
    "place",
    "secrets",
    "data",
    "base",
    "services",
    "healthy",
    "record",
    "switch",
    "prune",
)
REPAIR_STEPS = ("images", "secrets", "data", "base", "services", "healthy", "confirm", "prune")
HARMLESS = frozenset({"room", "stage", "check", "images", "place"})
PROVEN = frozenset({"switch", "prune"})
LAST_WORDS = 4  # lines of each unhealthy container's log in the message
UP_EXTRA = 120.0  # seconds that Compose may take on top of stopping containers


@dataclass(frozen=True)
class Options:
    """What the operator says about how a release is made."""

    identity: str
    started: str
    wait_timeout: float = 300.0
    pull_timeout: float = 1800.0
    keep: int = 5
    reserve: int = 512 * 1024 * 1024
    actor: str = "unknown"
    controller: str = "unknown"
    reason: str = ""
    revision: str = ""
    registries: Logins = field(default_factory=dict)


@dataclass
class Outcome:
    """What a run has done."""

    identity: str | None
    durations: dict[str, float] = field(default_factory=dict)
    health: list[dict[str, Any]] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    pruned_images: list[str] = field(default_factory=list)


class Transaction:
    """One run of a plan that is not empty."""

    def __init__(
        self,
        plan: Plan,
        options: Options,
        *,
        runner: Runner,
        engine: Engine,
        waiter: Waiter,
        now: Callable[[], str],
        clock: Callable[[], float],
        on_step: Callable[[str], None] | None = None,
    ) -> None:
        self._plan = plan
        self._desired = plan.desired
        self._layout = plan.desired.layout
        self._options = options
        self._runner = runner
        self._engine = engine
        self._waiter = waiter
        self._now = now
        self._clock = clock
        self._on_step = on_step
        self._images = Images(engine, self._layout, options.registries)
        self._redactor = self._redacting()
        self._report: Report | None = None
        releasing = plan.kind == RELEASE
        self.steps = RELEASE_STEPS if releasing else REPAIR_STEPS
        self._previous = plan.current.identity if plan.current else None
        self._identity = options.identity if releasing else (self._previous or options.identity)
        self._folder = self._layout.release(self._identity)
        self._staging = self._layout.staging(self._identity)
        self.outcome = Outcome(identity=self._identity)

    def run(self) -> Outcome:
        """Take every step.

        :raises DrydockError: the kind of the step that failed; what served before serves again.
        """
        step = ""
        try:
            for step in self.steps:
                self._take(step)
        except OSError as error:
            raise self._failed(step, host_error(error, step)) from error
        except Exception as error:
            failure = self._failed(step, error if isinstance(error, DrydockError) else None)
            if isinstance(error, DrydockError):
                raise failure from error
            raise
        clear_journal(self._layout)
        return self.outcome

    def _take(self, step: str) -> None:
        Journal(release=self._identity, step=step, previous=self._previous, hash=self._plan.hash).write(self._layout)
        if self._on_step is not None:
            self._on_step(step)
        started = self._clock()
        getattr(self, f"_step_{step}")()
        self.outcome.durations[step] = round(self._clock() - started, 2)

    # -- steps, in order ---------------------------------------------------------------------------------------------

    def _step_room(self) -> None:
        room.require(self._layout.root, self._options.reserve, what="the stack's directory")
        self._foresee_images()

    def _step_stage(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir(mode=0o750)
        for dest, content in self._desired.files.items():
            _write(self._staging / dest, content, mode=0o640)
        for part in self._desired.parts:
            values = self._desired.variables(part, self._plan.secrets.fingerprints)
            _write(self._staging / part / VARIABLES, variables_text(values), mode=0o640)

    def _step_check(self) -> None:
        if any(unit.url for unit in self._desired.units):
            load_requests()  # its absence must not come up when containers have been touched
        for part in self._desired.parts:
            self._compose(part, self._staging).check()

    def _step_images(self) -> None:
        if self._plan.kind != RELEASE:  # a repair that pulls nothing needs no room
            self._foresee_images()
        self._images.bring(self._plan.pulls, self._desired.images.values(), timeout=self._options.pull_timeout)

    def _step_place(self) -> None:
        missing = model_dirs_missing(self._desired)
        if missing:
            raise DrydockError(
                "models_missing",
                f"Model sets that the stack's services mount are not on the host: {', '.join(missing)}. What runs now "
                "was not touched. Bring them over first (the tag `models`), then run again.",
                models=missing,
            )
        self._staging.rename(self._folder)
        fsync_dir(self._layout.releases)

    def _step_secrets(self) -> None:
        write_secrets(self._layout.secrets, self._plan.secrets)
        replaced = replaced_values(self._layout.secrets)  # what served before is as secret as what comes
        self._redactor = self._redacting(replaced)

    def _step_data(self) -> None:
        for unit in self._desired.units:
            if unit.data is not None:
                _own_directory(unit.data, unit)
            folder = self._desired.config_dir(unit)
            if folder is not None:
                for name, content in self._desired.config_files(unit).items():
                    _write(folder / name, content, mode=0o644, folder_mode=0o755)
        self._engine.ensure_network(self._desired.name)

    def _step_base(self) -> None:
        self._up(BASE)
        self._wait(tuple(unit for unit in self._desired.units if unit.part == BASE))

    def _step_services(self) -> None:
        for part in self._desired.parts:
            if part != BASE:
                self._up(part)
        for part, folder in self._recorded_parts():
            if part not in self._desired.parts:
                self._compose(part, folder).down(timeout=UP_EXTRA)

    def _step_healthy(self) -> None:
        self._wait(self._desired.units)
        self.outcome.health = self._report.as_list() if self._report else []

    def _step_confirm(self) -> None:
        """Another version of Compose hashes the same file otherwise; what it has just made is what was released."""
        record = self._plan.current
        hashes = self._config_hashes()
        if record is None or not hashes:
            return
        containers = {
            name: {**item, "config_hash": hashes.get(name, item.get("config_hash", ""))}
            for name, item in record.containers.items()
        }
        if containers != record.containers:
            write_json(self._folder / RECORD, replace(record, containers=containers).as_dict(), mode=0o640)

    def _step_record(self) -> None:
        write_json(self._folder / RECORD, self._record().as_dict(), mode=0o640)

    def _step_switch(self) -> None:
        replace_symlink(self._layout.current, f"releases/{self._identity}")
        forget_undo(self._layout.secrets)

    def _step_prune(self) -> None:
        forget_undo(self._layout.secrets)
        remove_stale(self._plan.secrets)
        self.outcome.pruned = prune(self._layout, keep=self._options.keep)
        self.outcome.pruned_images = prune_images(self._layout, self._engine)

    # -- parts of steps ----------------------------------------------------------------------------------------------

    def _foresee_images(self) -> None:
        if self._plan.pulls:
            self._images.foresee(self._plan.pulls, reserve=self._options.reserve)

    def _redacting(self, more: Iterable[str] = ()) -> Redactor:
        return Redactor([*self._plan.secrets.values.values(), *hidden(self._options.registries), *more])

    def _compose(self, part: str, folder: Path) -> Compose:
        return Compose(self._runner, project=self._desired.project(part), folder=folder / part)

    def _recorded_parts(self) -> list[tuple[str, Path]]:
        """The parts of the release that served before, with the folder of each release."""
        record = self._plan.current
        used = {item["part"] for item in record.containers.values()} if record else set()
        return [(part, self._layout.release(record.identity)) for part in PARTS if record and part in used]

    def _up(self, part: str) -> None:
        if part not in self._desired.parts:
            return
        compose = self._compose(part, self._folder)
        compose.up(timeout=self._options.wait_timeout + UP_EXTRA)
        again = [unit.name for unit in self._plan.restarts if unit.part == part]
        if again:
            compose.restart(again, timeout=self._options.wait_timeout + UP_EXTRA)

    def _wait(self, units: tuple[Unit, ...]) -> None:
        if not units:
            return
        self._report = self._waiter.wait(units, limit=self._options.wait_timeout)
        if not self._report.ok:
            raise self._report.error()

    def _config_hashes(self) -> dict[str, str]:
        _status, live = self._engine.containers(self._desired.name)
        found = {(item.project, item.service): item.config_hash for item in live}
        places = {unit.name: (unit.project, unit.name) for unit in self._desired.units}
        return {name: found[place] for name, place in places.items() if place in found}

    def _record(self) -> Record:
        hashes = self._config_hashes()
        resolved = self._engine.images(self._desired.images.values())
        folders = {unit.name: self._desired.config_dir(unit) for unit in self._desired.units}
        return Record(
            identity=self._identity,
            hash=self._plan.hash,
            created=self._options.started,
            images={name: {"reference": ref, **resolved.get(ref, {})} for name, ref in self._desired.images.items()},
            models=self._desired.models,
            files={dest: sha256(content) for dest, content in self._desired.files.items()},
            containers={
                unit.name: {
                    "part": unit.part,
                    "name": unit.container,
                    "url": unit.url or "",
                    "config_hash": hashes.get(unit.name, ""),
                }
                for unit in self._desired.units
            },
            config={name: str(folder) for name, folder in folders.items() if folder is not None},
            rest={
                "stack": self._desired.name,
                "previous": self._previous,
                "finished": self._now(),
                "actor": self._options.actor,
                "reason": self._options.reason,
                "revision": self._options.revision,
                "secrets": dict(self._plan.secrets.fingerprints),
                "health": self.outcome.health,
                "durations": dict(self.outcome.durations),
            },
        )

    # -- the way back ------------------------------------------------------------------------------------------------

    def _failed(self, step: str, error: DrydockError | None) -> DrydockError:
        """Undo, keep the evidence, and say what happened to what served before."""
        error = error or DrydockError("bug", "An unexpected error, see the traceback.")
        details: dict[str, Any] = {**self._redactor.data(error.details), "step": step}
        if step in HARMLESS:
            if self._plan.kind == RELEASE:
                shutil.rmtree(self._staging, ignore_errors=True)
                shutil.rmtree(self._folder, ignore_errors=True)
            clear_journal(self._layout)
            return DrydockError(error.kind, self._redactor.known(error.message), **details)
        if step in PROVEN:  # the release serves and is recorded; the journal stays for the next run to finish
            message = f"{error.message} The release {self._identity} serves; the next run finishes what is left to do."
            return DrydockError(error.kind, self._redactor.text(message), **details)
        evidence = self._layout.failures / self._options.identity
        words, kept = self._look(evidence, step, error)
        back = self._go_back(evidence)
        clear_journal(self._layout)
        where = f"This happened at the step `{step}` of the release {self._options.identity}."
        message = "\n".join([error.message, *words, f"{where} {back}", kept])
        return DrydockError(
            error.kind, self._redactor.text(message), **details, evidence=str(evidence), previous=self._previous
        )

    def _look(self, evidence: Path, step: str, error: DrydockError) -> tuple[list[str], str]:
        """The last words and where evidence lies. Going back must not depend on a disk or an engine that has failed."""
        try:
            self._keep_evidence(evidence, step, error)
            return self._last_words(), f"Evidence on the host: {evidence}"
        except (OSError, DrydockError, ValueError) as another:
            return [], f"Evidence on the host: {evidence}, not complete: {another}"

    def _keep_evidence(self, folder: Path, step: str, error: DrydockError) -> None:
        failure: Mapping[str, Any] = {
            "release": self._options.identity,
            "step": step,
            "kind": error.kind,
            "message": error.message,
            "details": error.details,
            "at": self._now(),
            "actor": self._options.actor,
            "reason": self._options.reason,
            "health": self._report.as_list() if self._report else [],
        }
        collect(
            folder,
            desired=self._desired,
            release=self._folder,
            engine=self._engine,
            composes={part: self._compose(part, self._folder) for part in self._desired.parts},
            redactor=self._redactor,
            failure=failure,
        )

    def _last_words(self) -> list[str]:
        """What the containers that are not healthy logged last; often that is the cause."""
        culprits = self._report.culprits() if self._report else []
        bad = {state.target.name.partition(" ")[0] for state in culprits}
        said = []
        for unit in (unit for unit in self._desired.units if unit.name in bad):
            compose = self._compose(unit.part, self._folder)
            said += last_words(compose, unit.name, self._redactor, lines=LAST_WORDS).splitlines()
        return ["The last lines of their logs:", *(f"  {line}" for line in said)] if said else []

    def _go_back(self, evidence: Path) -> str:
        if self._plan.kind != RELEASE:
            forget_undo(self._layout.secrets)  # the values are those of the release; what they replaced was damage
            return "The release itself was not changed; its containers stay as they are."
        restore_secrets(self._layout.secrets)
        previous = self._plan.current
        said = self._bring_back(previous) if previous else self._stop_all()
        if self._folder.is_dir():
            try:
                evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._folder.rename(evidence / "release")
            except OSError:  # a full disk; without its record the next run does not take it for a release
                shutil.rmtree(self._folder, ignore_errors=True)
        return said

    def _bring_back(self, previous: Record) -> str:
        folder = self._layout.release(previous.identity)
        parts = {container["part"] for container in previous.containers.values()}
        try:
            for part in (BASE, *sorted(parts - {BASE})):
                if part in parts:
                    self._compose(part, folder).up(timeout=self._options.wait_timeout + UP_EXTRA)
            for part in self._desired.parts:
                if part not in parts:
                    self._compose(part, self._folder).stop(timeout=UP_EXTRA)
            report = self._waiter.wait_recorded(previous.containers, limit=self._options.wait_timeout)
        except DrydockError as error:
            return f"The previous release {previous.identity} could NOT be brought back: {error.message}"
        if not report.ok:
            return f"The previous release {previous.identity} was brought back, but: {report.message()}"
        return f"The previous release {previous.identity} was brought back and serves."

    def _stop_all(self) -> str:
        try:
            for part in reversed(self._desired.parts):
                self._compose(part, self._folder).stop(timeout=UP_EXTRA)
        except DrydockError as error:
            return f"There is no earlier release to go back to; the containers could NOT be stopped: {error.message}"
        return "There is no earlier release to go back to; the containers were stopped and kept."


def _write(path: Path, content: bytes, *, mode: int, folder_mode: int = 0o750) -> None:
    missing = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=folder_mode)
        folder.chmod(folder_mode)
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content, mode=mode)


def _own_directory(folder: Path, unit: Unit) -> None:
    folder.mkdir(mode=DATA_MODE, exist_ok=True)
    os.chown(folder, unit.uid, unit.gid)
    folder.chmod(DATA_MODE)


def host_error(error: OSError, step: str) -> DrydockError:
    if error.errno == errno.ENOSPC:
        return DrydockError(
            "no_space",
            f"The host's disk became full: {error.filename or ''} could not be written. Make room, then run again.",
        )
    return DrydockError(
        "host_failed",
        f"The host refused a file operation in the step {step}: {error}. Check the rights and the health of the file "
        "system.",
    )
