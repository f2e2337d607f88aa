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
from ansible_collections.drydock.serving.plugins.module_utils._release.back import Way, wanted_back
from ansible_collections.drydock.serving.plugins.module_utils._release.colours import stay
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Retired, retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Collector, Redactor, Scene
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import refuse_waiting
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    FAILED,
    Note,
    read_note,
    remove_note,
    serving,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.probation_log import (
    KIND,
    STEP,
    mark,
    settle,
    write_log,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import next_failure, prune_failures
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    current_record,
    read_journal,
    read_record,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.recovery import recover
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import desired_from, wanted_from
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run_wish
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import order_named
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.watching import Watch
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Wanted, Wish

AGAIN = frozenset({"locked", "prepared", "engine_unreachable", "timed_out"})  # failures that another try may not meet


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
        recover(self._layout, self._host.edge(self._layout))
        return serving(self._layout, note)

    def carry_out(self, note: Note) -> None:
        decision = note.decision or {}
        if not self._pending(note):
            return
        refuse_waiting(self._layout, None)
        if decision.get("verdict") == FAILED:
            self._fail(note, decision)
        else:
            self._keep(note, decision)

    # -- it is kept --------------------------------------------------------------------------------------------------

    def _keep(self, note: Note, decision: Mapping[str, Any]) -> None:
        self._finish(note)
        with self._under_lease(note) as held:
            if not self._pending(note):
                return
            held.doing(f"end the containers that {note.release} has replaced")
            self._let_go(note)
            self._conclude(note, decision, said="it is kept", failure=None)

    def _let_go(self, note: Note) -> None:
        """The old containers are drained and removed, but where the stack keeps them until the next release."""
        kept, record = warm.read_warm(self._layout), current_record(self._layout)
        if kept is None or record is None:
            return
        desired = desired_from(self._layout, note.release)
        if desired.policy.keep_warm:
            return
        previous = read_record(self._layout.release(note.previous))
        items = {item["name"]: retired_from(item) for item in (previous.containers if previous else {}).values()}
        engine, drainer = self._host.engine, self._host.drainer(self._host.edge(self._layout))
        live = {item.name for item in engine.present(self._stack)}
        gone = [items.get(name, Retired(name)) for name in kept.containers if name in live]
        drainer.drain(gone)
        drainer.stop(gone)
        warm.end(self._layout)
        networks.disconnect(engine, networks.superfluous(stay(desired, record), engine.present(self._stack)))

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
        self._finish(note)
        said = trouble or f"the host went back to {note.previous}"
        with self._under_lease(note):
            if not self._pending(note):
                return
            failure = {"kind": KIND, "step": STEP, "evidence": str(self._evidence(note))}
            self._conclude(note, {**decision, "went_back": not trouble}, said=said, failure=failure)

    def _go_back(self, note: Note, reason: str) -> str:
        """Make the release before again; what went wrong, in words, where that could not be done."""
        try:
            self._run(lambda: self._way_back(note), self._options(note, reason))
        except DrydockError as error:
            if error.kind in AGAIN and serving(self._layout, note):
                raise
            return f"the host could NOT go back to {note.previous}: {error.message}"
        return ""

    def _way_back(self, note: Note) -> Wanted:
        if not serving(self._layout, note):
            raise DrydockError("superseded", f"{note.release} does not serve any more.")
        return wanted_back(self._layout, Way(to=note.previous))

    def _run(self, wish: Wish, options: Options) -> None:
        run_wish(wish, options, self._host, check_mode=False, result=empty_result(), look_first=False)

    def _options(self, note: Note, reason: str) -> Options:
        now = datetime.fromtimestamp(self._host.clocks.wall(), timezone.utc)
        return Options(
            identity="",
            stamp=f"{now:%Y%m%dT%H%M%SZ}",
            started=f"{now:%Y-%m-%dT%H:%M:%SZ}",
            actor=self._actor,
            controller=self._actor.rpartition("@")[2],
            reason=reason,
            **note.options,
        )

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
            failure = {
                "number": next_failure(self._layout),
                "release": note.release,
                "step": STEP,
                "kind": KIND,
                "message": reason,
                "details": dict(decision),
                "at": self._host.now(),
                "serving": note.release,
                "actor": self._actor,
                "reason": reason,
                "health": [],
            }
            scene = Scene(
                desired=desired,
                suspects=[unit.name for unit in desired.units],
                started=str(record.rest.get("finished") or record.created),
                failure=failure,
                durations=record.rest.get("durations") or {},
                timeline=record.rest.get("timeline") or (),
                edge=True,
            )
            collector = Collector(self._evidence(note), scene, self._host, Redactor(wanted.given.values()))
            collector.collect()
            collector.conclude(f"The host goes back to {note.previous}; `{self._stack} status` tells whether it has.")
            prune_failures(self._layout, spared=note.release)

    # -- both --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _under_lease(self, note: Note) -> Iterator[Lease]:
        with lease(
            self._layout, owner_of(self._host, actor=self._actor, release=note.release), self._host.clocks
        ) as it:
            settle(self._stack, self._layout, self._host, actor=self._actor)
            yield it

    def _pending(self, note: Note) -> bool:
        """Whether its end is still to be written down; another release may have come in its place."""
        now = read_note(self._layout)
        return now is not None and now.release == note.release

    def _finish(self, note: Note) -> None:
        """What a run that died has left to do, whichever release it was about. What cannot be done here is left to the
        next run of the tag ``stack``.
        """
        if read_journal(self._layout) is None and not self._strays():
            return
        try:
            self._run(self._as_it_is, self._options(note, "to finish what was interrupted"))
        except DrydockError as error:
            if error.kind in AGAIN:
                raise
            self._say(f"{note.release}: what was interrupted could not be finished: {error.message}")

    def _strays(self) -> bool:
        """Whether containers run that are neither recorded nor kept: a run has died before it ended them."""
        record, kept = current_record(self._layout), warm.read_warm(self._layout)
        names = {item["name"] for item in (record.containers if record else {}).values()}
        names |= set(kept.containers if kept else ())
        return any(item.running and item.name not in names for item in self._host.engine.present(self._stack))

    def _as_it_is(self) -> Wanted:
        return wanted_from(self._layout, self._layout.current.readlink().name)

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
