# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a probation ends: the release is kept and the old containers go, or the host goes back to the release before.

Everything is done under the lease. The note stays until the last line, and each part looks first whether it was done,
so that a watcher that was killed anywhere in here finishes it when it comes back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import log, networks, warm
from ansible_collections.drydock.serving.plugins.module_utils._release.back import go_back
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import stay
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Redactor, collect
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    FAILED,
    Note,
    read_note,
    remove_note,
    serving,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.probation_log import KIND, STEP, mark, write_log
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    current_record,
    read_journal,
    read_record,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.recovery import recover
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import desired_from, wanted_from
from ansible_collections.drydock.serving.plugins.module_utils._release.run import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import order_named
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.watching import Watch


def owner_of(host: Host, *, actor: str, release: str = "") -> dict[str, str]:
    """Who holds the stack while a verdict is carried out."""
    return {
        "actor": actor,
        "host": actor.rpartition("@")[2],
        "since": host.now(),
        "reason": "",
        "doing": f"end the probation of {release}" if release else "look after a probation",
    }


def watch_of(layout: Layout, host: Host, *, actor: str, say: Callable[[str], None]) -> Watch:
    return Watch(
        layout=layout,
        engine=host.engine,
        clocks=host.clocks,
        sleep=host.sleep,
        owner=owner_of(host, actor=actor),
        say=say,
    )


class Ending:
    """The ends of the probations of one stack; see ``watching.Ends``."""

    def __init__(self, stack: str, layout: Layout, host: Host, *, actor: str, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._layout = layout
        self._host = host
        self._actor = actor
        self._say = say

    def settle(self, note: Note) -> bool:
        journal = read_journal(self._layout)
        if journal is None or journal.release != note.release or not order_named(journal.order).proven(journal.step):
            return False
        self._recover()
        return serving(self._layout, note)

    def carry_out(self, note: Note) -> None:
        decision = note.decision or {}
        if decision.get("verdict") == FAILED:
            self._fail(note, decision)
        else:
            self._keep(note, decision)

    # -- it is kept --------------------------------------------------------------------------------------------------

    def _keep(self, note: Note, decision: Mapping[str, Any]) -> None:
        with self._under_lease(note) as held:
            if read_note(self._layout) is None:
                return
            self._recover()
            held.doing(f"end the containers that {note.release} has replaced")
            self._let_go(note)
            self._conclude(note, decision, said="it is kept", failure=None)

    def _let_go(self, note: Note) -> None:
        """The old containers are drained and removed, but where the stack keeps them until the next release."""
        kept = warm.read_warm(self._layout)
        record = current_record(self._layout)
        previous = read_record(self._layout.release(note.previous))
        if kept is None or record is None or desired_from(self._layout, note.release).policy.keep_warm:
            return
        items = {item["name"]: retired_from(item) for item in (previous.containers if previous else {}).values()}
        live = {item.name for item in self._host.engine.containers(self._stack)[1]}
        gone = [items[name] for name in kept.containers if name in items and name in live]
        drainer = self._host.drainer(self._host.edge(self._layout))
        drainer.drain(gone)
        drainer.stop(gone)
        warm.end(self._layout)
        wanted = stay(desired_from(self._layout, note.release), record)
        networks.disconnect(
            self._host.engine, networks.superfluous(wanted, self._host.engine.containers(self._stack)[1])
        )

    # -- it is given up ----------------------------------------------------------------------------------------------

    def _fail(self, note: Note, decision: Mapping[str, Any]) -> None:
        reason = f"probation: {'; '.join(decision.get('said') or [])}"
        self._say(f"{note.release}: {reason}")
        if serving(self._layout, note):
            with self._under_lease(note):
                self._mark(note, {**decision, "went_back": None})
                self._keep_evidence(note, reason, decision)
            trouble = self._go_back(note, reason)
        else:
            trouble = ""  # that was done before this watcher was killed
        said = trouble or f"the host went back to {note.previous}"
        with self._under_lease(note):
            if read_note(self._layout) is None:
                return
            failure = {"kind": KIND, "step": STEP, "evidence": str(self._evidence(note))}
            self._conclude(note, {**decision, "went_back": not trouble}, said=said, failure=failure)

    def _go_back(self, note: Note, reason: str) -> str:
        """Make the release before again; what went wrong, in words, where that could not be done."""
        now = datetime.fromtimestamp(self._host.clocks.wall(), timezone.utc)
        options = Options(
            identity=f"{now:%Y%m%dT%H%M%SZ}-{note.previous.rpartition('-')[2][:8]}",
            started=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            actor=self._actor,
            controller=self._actor.rpartition("@")[2],
            reason=reason,
            ends_probation=False,
            **note.options,
        )
        try:
            go_back(self._stack, self._layout, options, self._host, to=note.previous, result=empty_result())
        except DrydockError as error:
            if error.kind in {"locked", "engine_unreachable", "timed_out"} and serving(self._layout, note):
                raise  # worth another try
            return f"the host could NOT go back to {note.previous}: {error.message}"
        return ""

    def _evidence(self, note: Note) -> Path:
        return self._layout.failures / note.release

    def _keep_evidence(self, note: Note, reason: str, decision: Mapping[str, Any]) -> None:
        """While its containers still run. A disk that is full, or an engine that is gone, must not keep it serving."""
        with contextlib.suppress(DrydockError, OSError, ValueError):
            wanted = wanted_from(self._layout, note.release)
            record = read_record(self._layout.release(note.release))
            if record is None:
                return
            desired = stay(wanted.desired, record)
            folder = self._layout.release(note.release)
            collect(
                self._evidence(note),
                desired=desired,
                release=folder,
                engine=self._host.engine,
                composes={
                    part: Compose(self._host.runner, stack=self._stack, part=part, release=folder)
                    for part in desired.parts
                },
                redactor=Redactor(wanted.given.values()),
                failure={
                    "release": note.release,
                    "step": STEP,
                    "kind": KIND,
                    "message": reason,
                    "details": dict(decision),
                    "at": self._host.now(),
                    "actor": self._actor,
                    "reason": reason,
                    "health": [],
                },
            )

    # -- both --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _under_lease(self, note: Note) -> Iterator[Lease]:
        with lease(
            self._layout, owner_of(self._host, actor=self._actor, release=note.release), self._host.clocks
        ) as it:
            yield it

    def _recover(self) -> None:
        recover(self._layout, self._host.edge(self._layout))

    def _mark(self, note: Note, verdict: Mapping[str, Any]) -> None:
        mark(self._layout, note, {**verdict, "until": note.until})

    def _conclude(
        self, note: Note, verdict: Mapping[str, Any], *, said: str, failure: Mapping[str, Any] | None
    ) -> None:
        self._mark(note, {**verdict, "end": said, "evidence": (failure or {}).get("evidence")})
        write_log(
            self._stack,
            self._layout,
            self._host,
            note,
            actor=self._actor,
            outcome=log.FAILED if failure else log.KEPT,
            said=said,
            failure=failure,
        )
        self._say(f"{note.release}: {said}")
        remove_note(self._layout)
