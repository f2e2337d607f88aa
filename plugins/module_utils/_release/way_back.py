# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done when a step fails: keep evidence, leave or bring back what served, and say which of it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.poll import Report
from ansible_collections.drydock.serving.plugins.module_utils._release import networks, rotation
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import PARTS
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import entry, retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge, led_to
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Collector, Redactor, Scene
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE, Plan
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import next_failure, prune_failures
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    clear_journal,
    secret_folders,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import Order
from ansible_collections.drydock.serving.plugins.module_utils._release.summary import NAME
from ansible_collections.drydock.serving.plugins.module_utils._release.trouble import host_error
from ansible_collections.drydock.serving.plugins.module_utils._secrets import (
    forget_undo,
    remove_unused,
    restore_secrets,
)

LAST_WORDS = 4  # lines of each unhealthy container's log in the message
UP_EXTRA = 120.0  # seconds that Compose may take on top of stopping containers


@dataclass(frozen=True)
class Situation:
    """How far the run had come."""

    order: Order
    identity: str  # the release that was made, or repaired
    attempt: str  # this run
    folder: Path
    staging: Path
    actor: str
    reason: str
    wait_timeout: float
    lent: tuple[networks.Link, ...]
    report: Report | None
    started: str  # in UTC
    durations: Mapping[str, float] = field(default_factory=dict)
    papers: Mapping[str, bytes | str] = field(default_factory=dict)  # see ``Scene``
    stays: str = ""  # what does not go back


class WayBack:
    """The way back of one run."""

    def __init__(self, plan: Plan, situation: Situation, host: Host, *, edge: Edge, redactor: Redactor) -> None:
        self._plan = plan
        self._desired = plan.desired
        self._layout = plan.desired.layout
        self._at = situation
        self._host = host
        self._engine = host.engine
        self._edge = edge
        self._redactor = redactor

    def take(self, step: str, error: DrydockError) -> DrydockError:
        """Undo, keep the evidence, and say what happened to what served before."""
        details: dict[str, Any] = {**self._redactor.data(error.details), "step": step}
        if self._at.order.harmless(step):
            if self._plan.kind == RELEASE:
                shutil.rmtree(self._at.staging, ignore_errors=True)
                shutil.rmtree(self._at.folder, ignore_errors=True)
            clear_journal(self._layout)
            return DrydockError(error.kind, self._redactor.known(error.message), **details)
        if self._at.order.proven(step):  # it serves and is recorded; the journal stays for the next run to finish
            message = (
                f"{error.message} The release {self._at.identity} serves; the next run finishes what is left to do."
            )
            return DrydockError(error.kind, self._redactor.text(message), **details)
        lost = self._lead_back(step)  # first of all: clients get answers from what is not proven
        evidence = self._layout.failures / self._at.attempt
        collector = self._collector(evidence, step, error)
        collector.collect()
        words = collector.last_words(LAST_WORDS)
        back = lost or self._put_back(step, evidence)
        collector.conclude("\n".join([back, self._at.stays]).strip())
        prune_failures(self._layout, spared=self._at.attempt)
        details["causes"] = self._redactor.data([item.as_dict() for item in collector.endings])
        where = f"This happened at the step `{step}` of the release {self._at.attempt}."
        kept = f"Evidence on the host, begin with {NAME}: {evidence}"
        kept += f" (without {'; '.join(dict.fromkeys(collector.missing))})" if collector.missing else ""
        stays = [self._at.stays] if self._at.stays else []
        message = "\n".join([*collector.causes, error.message, *words, f"{where} {back}", *stays, kept])
        previous = self._plan.current.identity if self._plan.current else None
        return DrydockError(
            error.kind, self._redactor.text(message), **details, evidence=str(evidence), previous=previous
        )

    # -- evidence ----------------------------------------------------------------------------------------------------

    def _collector(self, folder: Path, step: str, error: DrydockError) -> Collector:
        """Secrets in what it is given are taken out where it is written."""
        report = self._at.report
        failure: Mapping[str, Any] = {
            "number": next_failure(self._layout),
            "release": self._at.attempt,
            "step": step,
            "kind": error.kind,
            "message": error.message,
            "details": error.details,
            "at": self._host.now(),
            "serving": self._plan.current.identity if self._plan.current else None,
            "actor": self._at.actor,
            "reason": self._at.reason,
            "health": report.as_list() if report else [],
        }
        scene = Scene(
            desired=self._desired,
            suspects=self._suspects(error),
            started=self._at.started,
            failure=failure,
            durations=self._at.durations,
            timeline=report.timeline()[0] if report else (),
            papers=self._at.papers,
            edge=self._at.order.switching(step),
        )
        return Collector(folder, scene, self._host, self._redactor)

    def _suspects(self, error: DrydockError) -> tuple[str, ...]:
        """Units that the failure is about: those that are not healthy, and the one that the error names."""
        report = self._at.report
        culprits = report.culprits() if report and not report.ok else []
        named = [str(error.details["service"])] if error.details.get("service") else []
        return (*(state.target.name.partition(" ")[0] for state in culprits), *named)

    # -- back --------------------------------------------------------------------------------------------------------

    def _lead_back(self, step: str) -> str:
        """Have nginx lead to what served; why it does not, in words, where it cannot be had."""
        previous = self._plan.current
        if self._plan.kind != RELEASE or previous is None or not self._at.order.switching(step):
            return ""
        workers = self._edge.workers()
        try:
            if self._edge.lead(led_to(previous)):
                self._edge.wait_left(workers, clock=self._host.clock, sleep=self._host.sleep)
        except (DrydockError, OSError) as error:  # both run on, whatever nginx goes by; the journal stays
            return (
                f"The edge could NOT be led back to the release {previous.identity}: {_why(error, step)} The "
                "containers of both releases were left running; the next run undoes this one."
            )
        return ""

    def _put_back(self, step: str, evidence: Path) -> str:
        try:
            return self._go_back(step, evidence)
        except (DrydockError, OSError) as error:  # the journal stays for the next run
            previous = self._plan.current
            serves = f" The release {previous.identity} serves." if previous else ""
            return f"Not all could be put back: {_why(error, step)}{serves} The next run undoes the rest."

    def _go_back(self, step: str, evidence: Path) -> str:
        if self._plan.kind != RELEASE:
            forget_undo(self._layout.secrets)  # the values are those of the release; what they replaced was damage
            clear_journal(self._layout)
            return "The release itself was not changed; its containers stay as they are."
        previous = self._plan.current
        restore_secrets(self._layout.secrets)
        networks.disconnect(self._engine, self._at.lent)
        said = self._bring_back(previous, step) if previous else self._stop_all()
        self._put_away(evidence)
        clear_journal(self._layout)
        return said

    def _bring_back(self, previous: Record, step: str) -> str:
        """What served was left alone, but for what had to be replaced where it is."""
        touched = [unit.name for unit in (*self._plan.replaced, *self._plan.mended)]
        again = [name for name in touched if name in previous.containers]
        try:
            self._stop_moved()
            self._keep_warm(step)
            limit = self._at.wait_timeout + UP_EXTRA
            bring_up_recorded(self._host, self._layout, self._desired.name, previous, again, timeout=limit)
            report = self._host.waiter.wait_recorded(previous.containers, limit=self._at.wait_timeout)
        except DrydockError as error:
            what = (
                "could NOT be brought back"
                if again
                else "was not touched, but what came up beside it could NOT be put away, which the next run does"
            )
            return f"The previous release {previous.identity} {what}: {error.message}{self._out()}"
        if not report.ok:
            return f"The previous release {previous.identity} was brought back, but: {report.message()}{self._out()}"
        rotation.enter(self._layout)
        if again:
            return f"The previous release {previous.identity} was brought back and serves."
        return f"The previous release {previous.identity} was not touched and serves."

    def _out(self) -> str:
        out = rotation.by_release(rotation.out_of_service(self._layout))
        return " The host stays out of service for the balancers in front of it." if out else ""

    def _stop_moved(self) -> None:
        there = {item.name: item for item in self._engine.present(self._desired.name)}
        moved = [unit for unit in self._plan.moved if unit.container in there and unit not in self._plan.warm]
        grace = max((unit.grace for unit in moved), default=0.0)
        begun = [unit.container for unit in moved if there[unit.container].state != "created"]
        self._engine.stop(begun, timeout=grace + UP_EXTRA)
        self._engine.remove(unit.container for unit in moved if unit.container not in begun)  # nothing to see in them

    def _keep_warm(self, step: str) -> None:
        """What was kept running before this run is kept again, when it has answered what it was asked."""
        found = [replace(retired_from(entry(unit)), command=()) for unit in self._plan.warm]
        if self._at.order.switching(step):
            self._host.drainer(self._edge).drain(found)
        for item in found:
            self._engine.disconnect(self._desired.name, item.name)

    def _stop_all(self) -> str:
        try:
            live = self._engine.present(self._desired.name)
            grace = max((unit.grace for unit in self._desired.units), default=0.0)
            wanted = {unit.container for unit in self._desired.units}
            self._engine.stop([item.name for item in live if item.name in wanted], timeout=grace + UP_EXTRA)
        except DrydockError as error:
            return f"There is no earlier release to go back to; the containers could NOT be stopped: {error.message}"
        return "There is no earlier release to go back to; the containers were stopped and kept."

    def _put_away(self, evidence: Path) -> None:
        """The release's directory goes to the evidence; the values of its secrets go for good."""
        if self._at.folder.is_dir():
            try:
                evidence.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._at.folder.rename(evidence / "release")
            except OSError:  # a full disk; without its record the next run does not take it for a release
                shutil.rmtree(self._at.folder, ignore_errors=True)
        remove_unused(self._layout.secrets, secret_folders(self._layout))

    def _compose(self, part: str, release: Path) -> Compose:
        return Compose(self._host.runner, stack=self._desired.name, part=part, release=release)


def bring_up_recorded(
    host: Host, layout: Layout, stack: str, previous: Record, names: Sequence[str], *, timeout: float
) -> None:
    """Bring containers back as a release that is recorded had them, and under their names."""
    folder = layout.release(previous.identity)
    for part in PARTS:
        wanted = [name for name in names if previous.containers[name]["part"] == part]
        if wanted:
            Compose(host.runner, stack=stack, part=part, release=folder).up(wanted, timeout=timeout)
    attached = {item.name: item.networks for item in host.engine.present(stack)} if names else {}
    for name in names:
        item = previous.containers[name]
        if item["part"] != PARTS[0] and stack not in attached.get(item["name"], ()):
            host.engine.connect(stack, item["name"], alias=item.get("service", name))


def _why(error: DrydockError | OSError, step: str) -> str:
    return (error if isinstance(error, DrydockError) else host_error(error, step)).message
