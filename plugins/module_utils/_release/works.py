# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release does besides files and containers: a backup, migrations, hooks. And what of it is told afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.drydock.serving.plugins.module_utils._release import backups, irreversible, migrating
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Redactor
from ansible_collections.drydock.serving.plugins.module_utils._release.hooks import Hooks, Surroundings
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE, Plan
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, next_sequence

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options


class Works:
    """Of one run. Repairs have none of it.

    :param folder: the directory of the release, once it has its name.
    """

    def __init__(
        self,
        plan: Plan,
        options: Options,
        host: Host,
        *,
        steps: Sequence[str],
        folder: Path,
        redactor: Callable[[], Redactor],
    ) -> None:
        self._plan = plan
        self._desired = plan.desired
        self._options = options
        self._host = host
        self._folder = folder
        self._papers: dict[str, str] = {}
        self.migrated: list[str] = []
        self.backup: str | None = None
        wanted = plan.desired.policy.hooks if plan.kind == RELEASE else ()
        self.hooks = Hooks(
            wanted,
            steps,
            Surroundings(
                layout=plan.desired.layout,
                programs=host.programs,
                controller=host.controller,
                redactor=redactor,
                clock=host.clock,
                told=self._told,
                going_back=plan.back is not None,
                variables={
                    "STACK": plan.desired.name,
                    "RELEASE": options.identity,
                    "PREVIOUS": plan.current.identity if plan.current else "",
                    "ROOT": str(plan.desired.layout.root),
                    "ACTOR": options.actor,
                },
            ),
        )

    @property
    def papers(self) -> dict[str, str]:
        """What was written on the way, by the name of its file in the evidence."""
        return {**self._papers, **self.hooks.papers}

    @property
    def irreversible(self) -> dict[str, str]:
        """Service -> why what was done for it cannot be undone."""
        units = (unit for unit in self._plan.migrations if unit.name in self.migrated)
        return {unit.name: unit.migrate.irreversible for unit in units if unit.migrate and unit.migrate.irreversible}

    def back_up(self) -> None:
        """Copy the components' data, where that is wished.

        :raises DrydockError: ``backup_failed``, ``no_space``.
        """
        chosen = self._plan.backups
        if not chosen or self._plan.current is None:
            return
        about = backups.About(
            stack=self._desired.name,
            serving=self._plan.current.identity,
            coming=self._options.identity,
            actor=self._options.actor,
            reason=self._options.reason,
        )
        made = backups.Backups(
            self._desired.layout,
            self._host.programs,
            now=self._host.now,
            clock=self._host.clock,
            reserve=self._options.reserve,
            tell=self._host.progress.tell,
        ).make(chosen, about, self._desired.policy.backup)
        self.backup = str(made)

    def migrate(self) -> None:
        """Run what is due, one after the other.

        :raises DrydockError: ``migration_failed``, ``up_failed``, ``timed_out``.
        """
        migrator = migrating.Migrator(self._host.engine, clock=self._host.clock, sleep=self._host.sleep)
        for unit in self._plan.migrations:
            if unit.migrate is None:
                continue
            if unit.migrate.irreversible:
                self._note(unit.name, unit.migrate.irreversible)
            compose = Compose(self._host.runner, stack=self._desired.name, part=unit.part, release=self._folder)
            done = migrator.run(unit, unit.migrate, compose)
            self._papers[f"migrate-{unit.name}.log"] = f"{done.log}\n{done.why}"
            if not done.ok:
                raise migrating.failure(unit, done)
            self.migrated.append(unit.name)
            if unit.migrate.irreversible:
                irreversible.done(self._desired.layout, service=unit.name, release=self._options.identity)

    def _note(self, service: str, reason: str) -> None:
        irreversible.begin(
            self._desired.layout,
            service=service,
            reason=reason,
            release=self._options.identity,
            sequence=next_sequence(self._desired.layout),
            actor=self._options.actor,
            at=self._host.now(),
        )

    def take_up(self, record: Record | None) -> None:
        """What was done before the release waited for other hosts."""
        if record is not None:
            self.migrated = [str(name) for name in record.rest.get("migrated") or ()]
            self.backup = record.rest.get("backup")

    def stays(self) -> str:
        """What is said of a release that failed: the data do not go back with it."""
        if not self.migrated:
            return ""
        return (
            f"What its migrations changed stays changed ({', '.join(self.migrated)}); what serves works on those data."
        )

    def told(self) -> dict[str, Any]:
        """For the result and the log of deployments."""
        return {"hooks": list(self.hooks.ran), "migrated": list(self.migrated), "backup": self.backup}

    def _told(self) -> dict[str, Any]:
        """The release record as hooks get it: what is known so far."""
        plan, desired = self._plan, self._desired
        return {
            "id": self._options.identity,
            "stack": desired.name,
            "kind": "rollback" if plan.back else "release",
            "previous": plan.current.identity if plan.current else None,
            "started": self._options.started,
            "actor": self._options.actor,
            "reason": self._options.reason,
            "revision": self._options.revision,
            "images": dict(desired.images),
            "models": {name: str(model["version"]) for name, model in desired.models.items()},
            "moved": {unit.name: unit.part for unit in plan.moved},
            "replaced": [unit.name for unit in plan.replaced],
            "migrations": [unit.name for unit in plan.migrations],
            "migrated": list(self.migrated),
            "backup": self.backup,
        }
