# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release as a transaction: a list of steps, a journal that says which one is under way, and a way back.

Until ``secrets`` nothing that serves is touched. From there until ``commit`` a failure leads back to the release that
served; its containers serve all the while. From ``commit`` on the release is proven, and the next run finishes what was
interrupted. ``docs/releases.md`` has the table of steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import (
    fsync_dir,
    replace_symlink,
    write_atomic,
    write_json,
)
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import load_requests
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import Report
from ansible_collections.drydock.serving.plugins.module_utils._release import (
    golden,
    irreversible,
    migrating,
    networks,
    probation,
    room,
    rotation,
    warm,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.ask import confirm, confirmed
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import unit_hash
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import (
    VARIABLES,
    Compose,
    variables_text,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import (
    BASE,
    COLOURS,
    Unit,
    sha256,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.differences import DATA_MODE
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired, entry
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Redactor
from ansible_collections.drydock.serving.plugins.module_utils._release.history import before
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.images import Images
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks
from ansible_collections.drydock.serving.plugins.module_utils._release.model import MODEL, model_text
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import (
    RELEASE,
    Plan,
    model_dirs_missing,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import Prepared, keep_until
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import prune, prune_images
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    RECORD,
    Journal,
    Record,
    clear_journal,
    current_record,
    next_sequence,
    read_record,
    secret_folders,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import Logins, hidden
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import (
    EDGE_FIRST,
    READY,
    RELEASING,
    REPAIRING,
    from_ready,
    until_ready,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.trouble import host_error
from ansible_collections.drydock.serving.plugins.module_utils._release.way_back import (
    UP_EXTRA,
    Situation,
    WayBack,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.works import Works
from ansible_collections.drydock.serving.plugins.module_utils._secrets import (
    forget_undo,
    remove_unused,
    replaced_values,
    write_secrets,
)

SWITCHED = "switched"
PATIENCE = ("wait_timeout", "pull_timeout")
ROOM_BACK = 16 * 1024 * 1024  # bytes: what a release is left for may be that it fills the disk


@dataclass(frozen=True)
class Options:
    """What the operator says about how a release is made. ``until`` is ``switched`` or ``ready``; times in seconds.

    ``identity`` is made of ``stamp`` and of what is wanted where it is empty.
    """

    identity: str
    started: str
    stamp: str = ""
    wait_timeout: float = 300.0
    pull_timeout: float = 1800.0
    keep: int = 5
    reserve: int = 512 * 1024 * 1024
    until: str = SWITCHED
    prepared: str = ""  # the release that was made ready, to go on with
    ready_timeout: float = 3600.0
    out_of_service: float = 0.0
    actor: str = "unknown"
    controller: str = "unknown"
    reason: str = ""
    revision: str = ""
    registries: Logins = field(default_factory=dict)
    wish: str = ""  # the same for whoever wants the same


@dataclass
class Outcome:
    """What a run has done. ``cut`` are containers that had requests left when their time to drain was over, ``kept``
    those that serve no longer and run on. ``switched``: seconds until the edge led to what is wanted.
    """

    identity: str | None
    durations: dict[str, float] = field(default_factory=dict)
    health: list[dict[str, Any]] = field(default_factory=list)
    pruned: list[str] = field(default_factory=list)
    pruned_images: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    switched: float | None = None


class Transaction:
    """One run of a plan that is not empty."""

    def __init__(self, plan: Plan, options: Options, host: Host, *, begun: float | None = None) -> None:
        self._plan = plan
        self._desired = plan.desired
        self._layout = plan.desired.layout
        self._options = options
        self._host = host
        self._engine = host.engine
        self._edge = host.edge(plan.desired.layout)
        self._drainer = host.drainer(self._edge)
        self._images = Images(host.engine, self._layout, options.registries)
        self._redactor = self._redacting()
        self._report: Report | None = None
        self._papers: dict[str, bytes | str] = {}  # what steps keep for the evidence of a failure, by file name
        self._begun = host.clock() if begun is None else begun
        self._led = False  # nginx goes by what this run has written
        self._workers: frozenset[str] = frozenset()  # of nginx, before that
        self._lent: tuple[networks.Link, ...] = ()
        releasing = plan.kind == RELEASE
        waits = options.until == READY or bool(options.prepared)  # then the edge comes last, whatever is warm
        self.order = REPAIRING if not releasing else EDGE_FIRST if plan.edge_first and not waits else RELEASING
        self.steps = self.order.steps
        self._previous = plan.current.identity if plan.current else None
        self._identity = options.identity if releasing else (self._previous or options.identity)
        self._folder = self._layout.release(self._identity)
        self._staging = self._layout.staging(self._identity)
        self.outcome = Outcome(identity=self._identity)
        self.works = Works(plan, options, host, steps=self.steps, folder=self._folder, redactor=lambda: self._redactor)

    def run(self) -> Outcome:
        """Take every step.

        :raises DrydockError: the kind of the step that failed; what served before serves again.
        """
        self._through(self.steps)
        clear_journal(self._layout)
        return self.outcome

    def make_ready(self) -> Outcome:
        """Take the steps before the switch and leave a note. The journal stays: who does not go on has it undone."""
        self.steps = until_ready(self.steps)
        self._through(self.steps)
        return self.outcome

    def go_on(self, lent: tuple[networks.Link, ...]) -> Outcome:
        """See that what was made ready is still healthy, then take the steps that are left."""
        self._lent = lent
        self.works.take_up(read_record(self._folder))
        self.steps = from_ready(self.steps)
        self._through(self.steps)
        clear_journal(self._layout)
        return self.outcome

    def _through(self, steps: Sequence[str]) -> None:
        step = steps[0]
        try:
            for following in steps:
                self._note(following)
                step = following  # not before that is written down: the next run goes by what is
                self._take(step)
        except OSError as error:
            raise self._failed(step, host_error(error, step)) from error
        except Exception as error:
            failure = self._failed(step, error if isinstance(error, DrydockError) else None)
            if isinstance(error, DrydockError):
                raise failure from error
            raise

    def _note(self, step: str) -> None:
        Journal(
            release=self._identity,
            step=step,
            previous=self._previous,
            hash=self._plan.hash,
            order=self.order.name,
        ).write(self._layout)

    def _take(self, step: str) -> None:
        if self._host.on_step is not None:
            self._host.on_step(step)
        self.works.hooks.begin(step)
        started = self._host.clock()
        getattr(self, f"_step_{step}")()
        self.outcome.durations[step] = round(self._host.clock() - started, 2)
        following = self.steps[self.steps.index(step) + 1 :]
        self.works.hooks.end(step, following[0] if following else None, proven=self.order.proven(step))

    def _failed(self, step: str, error: DrydockError | None) -> DrydockError:
        way = WayBack(
            self._plan,
            Situation(
                order=self.order,
                identity=self._identity,
                attempt=self._options.identity,
                folder=self._folder,
                staging=self._staging,
                actor=self._options.actor,
                reason=self._options.reason,
                wait_timeout=self._options.wait_timeout,
                lent=self._lent,
                report=self._report,
                started=self._options.started,
                durations=self.outcome.durations,
                papers={**self.works.papers, **self._papers},
                stays=self.works.stays(),
            ),
            self._host,
            edge=self._edge,
            redactor=self._redactor,
        )
        failure = way.take(step, error or DrydockError("bug", "An unexpected error, see the traceback."))
        self.works.hooks.failed({"kind": failure.kind, "step": step, "message": failure.message})
        return failure

    # -- steps, in order ---------------------------------------------------------------------------------------------

    def _step_room(self) -> None:
        little = min(self._options.reserve, ROOM_BACK) if self._plan.back else self._options.reserve
        room.require(self._layout.root, little, what="the stack's directory")
        self._foresee_images()

    def _step_stage(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)
        self._staging.mkdir(mode=0o750)
        for dest, content in self._desired.files.items():
            _write(self._staging / dest, content, mode=0o640)
        _write(self._staging / MODEL, model_text(self._desired.model), mode=0o640)
        for part in self._desired.parts:
            values = self._desired.variables(part, self._plan.secrets.versions)
            _write(self._staging / part / VARIABLES, variables_text(values), mode=0o640)

    def _step_check(self) -> None:
        if any(unit.url for unit in self._desired.units) or self._golden():
            load_requests()  # its absence must not come up when containers have been touched
        staged = self._staging.is_dir()  # it has its name already where the edge is led first
        folder = self._staging if staged else self._folder
        self._host.at_once(self._compose(part, folder).check for part in self._desired.parts)

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
        for network in networks.all_networks(self._desired):
            self._engine.ensure_network(network, self._desired.name)

    def _step_backup(self) -> None:
        self.works.back_up()

    def _step_leave(self) -> None:
        """Balancers look every few seconds; what they have sent by then is answered by what serves."""
        if self._options.out_of_service > 0 and self._plan.current is not None and self.order is not EDGE_FIRST:
            now = self._host.now()
            if rotation.leave(self._layout, release=self._identity, since=now, actor=self._options.actor):
                self._host.sleep(self._options.out_of_service)

    def _step_base(self) -> None:
        coming = tuple(unit for unit in self._coming() if unit.part == BASE)
        self._up(coming, (BASE,))
        if coming:  # services need them; those that were left alone are looked at together with the services
            self._wait(self._desired.of(BASE))

    def _step_migrate(self) -> None:
        self.works.migrate()

    def _step_up(self) -> None:
        """The new ones beside the old. Where they come up, nothing may be left of an earlier run."""
        warm.end(self._layout, {item.name for item in self._plan.blocking})
        self._drainer.drain(self._plan.blocking)
        self._drainer.stop(self._plan.blocking)
        self._lend(networks.lent(self._desired, self._plan.moved, self._live()))
        held = {unit.name for unit in self._plan.replaced}
        self._up((unit for unit in self._coming() if unit.part != BASE and unit.name not in held), COLOURS)

    def _step_healthy(self) -> None:
        held = {unit.name for unit in self._plan.replaced if unit.part != BASE}
        self._wait(tuple(unit for unit in self._desired.units if unit.name not in held))
        self.outcome.health = self._report.as_list() if self._report else []

    def _step_ready(self) -> None:
        """The journal says that it is; the note, for whom it waits."""
        Prepared(
            release=self._identity,
            previous=self._previous,
            hash=self._plan.hash,
            actor=self._options.actor,
            controller=self._options.controller,
            lent=self._lent,
            **keep_until(Clocks(), self._options.ready_timeout),
        ).write(self._layout)

    def _step_still(self) -> None:
        self._wait(self._desired.units)
        self.outcome.health = self._report.as_list() if self._report else []

    def _step_replace(self) -> None:
        """Services whose ports of the host only one container can have: the old one ends before the new one begins."""
        held = tuple(unit for unit in self._plan.replaced if unit.part != BASE)
        if held:
            self._up(held, COLOURS)
            self._wait(self._desired.units)
            self.outcome.health = self._report.as_list() if self._report else []

    def _step_golden(self) -> None:
        """Who answers does not yet answer right."""
        for request in self._golden():
            asked = golden.ask(request, self._host.probe, clock=self._host.clock, sleep=self._host.sleep)
            self.outcome.health.append(asked.as_dict())
            if not asked.last.ok:
                self._papers.update(asked.papers())
                raise asked.error()

    def _step_join(self) -> None:
        self._connect(networks.joins(self._desired, self._live()))

    def _step_record(self) -> None:
        write_json(self._folder / RECORD, self._record().as_dict(), mode=0o640)

    def _step_rejoin(self) -> None:
        """What was kept warm is found under its names again, and says once more that it is ready."""
        live = self._live()
        names = {unit.container for unit in self._plan.warm}
        self._lend(networks.lent(self._desired, self._plan.warm, live))
        links = networks.joins(self._desired, live)
        self._connect(link for link in links if link.container in names)
        warm.wait_ready(self._plan.warm, self._host.ready, clock=self._host.clock, sleep=self._host.sleep)

    def _step_switch(self) -> None:
        """After a last look: a golden request, or what now finds it, may have ended what was healthy."""
        if self._report is not None:
            self._wait(self._coming())
        probation.prepare(self._plan, self._identity, self._engine, vars(self._options), clocks=self._host.clocks)
        if self._edge.read() != self._plan.upstreams:
            self._workers = self._edge.workers()
            self._led = self._edge.lead(self._plan.upstreams)

    def _step_confirm(self) -> None:
        """Not before its answers come from where they have to is a release proven."""
        wanted = confirmed((*self._plan.moved, *self._plan.replaced)) if self._led else {}
        if wanted:
            client = self._host.client(self._desired.domain, self._desired.https_port)
            confirm(wanted, client, clock=self._host.clock, sleep=self._host.sleep)
        if self._led:  # what nobody is led to any more cannot be seen by asking
            self._edge.wait_left(self._workers, clock=self._host.clock, sleep=self._host.sleep)
            self.outcome.switched = round(self._host.clock() - self._begun, 2)
        probation.start(self._layout, self._desired.name, self._identity, self._host.runner)

    def _step_enter(self) -> None:
        rotation.enter(self._layout)

    def _step_settle(self) -> None:
        """What is recorded and restarts nothing when it changes, as routes. And another version of Compose hashes the
        same file otherwise; what it has just made is what was released.
        """
        record = self._plan.current
        if record is None:
            return
        _write(self._folder / MODEL, model_text(self._desired.model), mode=0o640)
        hashes = self._config_hashes()
        units = {unit.name: _told_of(unit) for unit in self._desired.units}
        containers = {
            name: {
                **item,
                **units.get(name, {}),
                "config_hash": hashes.get(item["name"], item.get("config_hash", "")),
            }
            for name, item in record.containers.items()
        }
        if containers != record.containers:
            write_json(self._folder / RECORD, replace(record, containers=containers).as_dict(), mode=0o640)

    def _step_commit(self) -> None:
        warm.write_warm(self._layout, self._warm())
        replace_symlink(self._layout.current, f"releases/{self._identity}")
        forget_undo(self._layout.secrets)
        self.outcome.moved = {unit.name: unit.part for unit in self._plan.moved}

    def _step_drain(self) -> None:
        running = {item.name for item in self._live() if item.running}
        gone = (*self._gone(), *self._plan.kept)
        self.outcome.cut = self._drainer.drain(item for item in gone if item.name in running)

    def _step_stop(self) -> None:
        live = self._live()
        there = {item.name for item in live}
        if self._plan.kind != RELEASE:  # what a failed release has left for a look stays until the next one
            there = {item.name for item in live if item.running}
        self._drainer.stop(item for item in self._gone() if item.name in there)
        for item in self._plan.kept:
            self._engine.disconnect(self._desired.name, item.name)
        self.outcome.kept = sorted(item.name for item in self._plan.kept)
        if not warm.read_warm(self._layout):  # what runs on may have to find what serves
            networks.disconnect(self._engine, networks.superfluous(self._desired, live))

    def _step_prune(self) -> None:
        forget_undo(self._layout.secrets)
        warm.forget_stale(self._layout, current_record(self._layout), self._host.now())
        irreversible.tidy(self._layout)
        self.outcome.pruned = prune(self._layout, keep=self._options.keep)
        remove_unused(self._layout.secrets, secret_folders(self._layout))
        self.outcome.pruned_images = prune_images(self._layout, self._engine)

    # -- parts of steps ----------------------------------------------------------------------------------------------

    def _lend(self, links: tuple[networks.Link, ...]) -> None:
        self._lent = (*self._lent, *links)
        self._connect(links)

    def _connect(self, links: Iterable[networks.Link]) -> None:
        networks.connect(self._engine, links, self._host.at_once)

    def _gone(self) -> tuple[Retired, ...]:
        """Containers that end with this run."""
        kept = {item.name for item in self._plan.kept}
        return (*(item for item in self._plan.retired if item.name not in kept), *self._plan.strays)

    def _warm(self) -> warm.Warm | None:
        if self._previous is None:
            return None
        names = tuple(item.name for item in self._plan.kept)
        return warm.Warm(release=self._previous, of=self._identity, until=None, containers=names)

    def _foresee_images(self) -> None:
        if self._plan.pulls:
            self._images.foresee(self._plan.pulls, reserve=self._options.reserve)

    def _redacting(self, more: Iterable[str] = ()) -> Redactor:
        return Redactor([*self._plan.secrets.values.values(), *hidden(self._options.registries), *more])

    def _golden(self) -> list[golden.Golden]:
        """The golden requests of the containers that are new."""
        coming = (*self._plan.moved, *self._plan.replaced)
        return list(golden.golden_requests(self._desired, coming, self._plan.secrets.versions))

    def _compose(self, part: str, release: Path) -> Compose:
        return Compose(self._host.runner, stack=self._desired.name, part=part, release=release)

    def _live(self) -> list[Live]:
        return self._engine.present(self._desired.name)

    def _coming(self) -> tuple[Unit, ...]:
        """What has to be brought up. In a repair nothing is replaced by something else."""
        if self._plan.kind == RELEASE:
            moved = (unit for unit in self._plan.moved if unit not in self._plan.warm)
            return (*moved, *self._plan.replaced, *self._plan.mended)
        return self._plan.mended

    def _up(self, units: Iterable[Unit], parts: Iterable[str]) -> None:
        limit = self._options.wait_timeout + UP_EXTRA
        coming = tuple(units)
        for part in parts:
            names = sorted(unit.name for unit in coming if unit.part == part)
            if names:
                self._host.progress.tell(f"starts {', '.join(names)}")
                self._compose(part, self._folder).up(names, timeout=limit)
            again = sorted(unit.name for unit in self._plan.restarts if unit.part == part)
            if again:
                self._compose(part, self._folder).restart(again, timeout=limit)

    def _wait(self, units: tuple[Unit, ...]) -> None:
        if not units:
            return
        self._report = self._host.waiter.wait(units, limit=self._options.wait_timeout)
        if not self._report.ok:
            raise self._report.error()

    def _config_hashes(self) -> dict[str, str]:
        return {item.name: item.config_hash for item in self._live()}

    def _record(self) -> Record:
        hashes = self._config_hashes()
        versions = self._plan.secrets.versions
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
                    "service": unit.service,
                    "part": unit.part,
                    **_told_of(unit),
                    "host_port": unit.host_port,
                    "config_hash": hashes.get(unit.container, ""),
                    "hash": unit_hash(self._desired, unit, versions),
                    "secrets": str(self._desired.secrets_dir(unit, versions)) if unit.secrets else "",
                }
                for unit in self._desired.units
            },
            config={name: str(folder) for name, folder in folders.items() if folder is not None},
            rest={
                "stack": self._desired.name,
                "sequence": next_sequence(self._layout),
                "previous": self._previous,
                "finished": self._host.now(),
                "actor": self._options.actor,
                "reason": self._options.reason,
                "revision": self._options.revision,
                "secrets": dict(self._plan.secrets.fingerprints),
                "closed": list(self._plan.closed),
                **({**self._plan.back.as_dict(), "before": before(self._plan.back.to)} if self._plan.back else {}),
                "migrations": migrating.keys(self._desired),
                "migrated": list(self.works.migrated),
                "irreversible": self.works.irreversible,
                "backup": self.works.backup,
                "health": self.outcome.health,
                "timeline": self._report.timeline()[0] if self._report else [],
                "durations": dict(self.outcome.durations),
                "patience": {key: getattr(self._options, key) for key in PATIENCE},
            },
        )


def _told_of(unit: Unit) -> dict[str, Any]:
    """What a record says of a container that another value of does not restart."""
    return {
        **entry(unit),
        "url": unit.url or "",
        "routes": list(unit.routes),
        "depends_on": list(unit.depends_on),
    }


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
