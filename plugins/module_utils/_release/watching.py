# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches a release on probation to its end: by the unit on the host, else by the run that made the release.

Only one watches at a time, which a lock decides that the kernel frees when that one dies; another waits and goes on
where it was. Nothing is kept but the note, so whoever goes on reads the log from the switch on once more.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.access_log import AccessLog
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.judgement import (
    Look,
    Window,
    breaches,
    not_judged,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import ALIVE, Clocks, holder, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    FAILED,
    KEPT,
    Note,
    iso,
    look_at,
    read_note,
    rebased,
    remaining,
    serving,
    write_note,
)

LOOK = 5.0  # seconds between two looks at the containers; the log is read more often
PATIENCE = 1.0  # seconds before a lease or a lock that is held is tried again
SHORTEST = 0.05  # seconds slept at least: of what is left of a probation, a clock may be too coarse to see it pass
GRACE = 10  # looks at who watches, before one that waits does it itself
LATE = 3600.0  # seconds that a verdict may take, as when another run holds the stack


@dataclass(frozen=True)
class Watch:
    """What the watcher works with.

    :param owner: of the lease, whenever it is taken: ``actor``, ``host``, ``since``, ``reason`` and ``doing``.
    :param say: one line for people.
    """

    layout: Layout
    engine: Engine
    clocks: Clocks
    sleep: Callable[[float], None]
    owner: Mapping[str, Any]
    say: Callable[[str], None]


class Ends(Protocol):
    """How a probation ends. Each may be called again after it was killed at any line."""

    def settle(self, note: Note) -> bool:
        """Finish what a run that died left of a release that is proven; false where it is not. Holds the lease."""

    def carry_out(self, note: Note) -> None:
        """Do what the note's decision says, then remove the note. Does not hold the lease."""


def watch(at: Watch, ends: Ends) -> None:
    """Until there is no probation any more.

    :raises DrydockError: what the verdict wants could not be done; the note stays where it is worth another try.
    """
    with _alone(at):
        note = read_note(at.layout)
        while note is not None:
            note = _stretch(at, note, ends)


def wait(at: Watch, release: str, ends: Ends, *, watched: bool, tell: Callable[[], None]) -> None:
    """Until the probation of this release is over, whoever watches it.

    :param watched: somebody else was started for it; then nothing is done but when that one does not begin or dies.
    :param tell: called now and then.
    :raises DrydockError: ``timed_out``, and those of ``watch``.
    """
    tries, deadline = GRACE if watched else 0, _deadline(at)
    while _pending(at, release):
        if at.clocks.steady() >= deadline:
            raise DrydockError(
                "timed_out",
                f"The time of the probation of {release} has been over for {LATE:g} s, and there is no verdict. The "
                "release serves meanwhile. `status` on the host tells which run holds the stack, and `journalctl` "
                "what the unit says that watches; the verdict follows when they go on.",
            )
        if tries <= 0 and _free(at):
            watch(at, ends)
            continue
        tries -= 1
        tell()
        at.sleep(PATIENCE)


def _deadline(at: Watch) -> float:
    note = read_note(at.layout)
    return at.clocks.steady() + (remaining(note, at.clocks) if note else 0.0) + LATE


def _pending(at: Watch, release: str) -> bool:
    note = read_note(at.layout)
    if note is None or note.release == release:
        return note is not None
    replaced = note.instead_of is not None and note.instead_of.release == release
    return replaced and (holder(at.layout, at.clocks) or {}).get("state") == ALIVE  # it may fail, and that one go on


def _stretch(at: Watch, note: Note, ends: Ends) -> Note | None:
    """Watch one release; None when that is over, or the note of another one that came in its place."""
    kept = rebased(note, at.clocks)
    if kept != note:
        write_note(at.layout, kept)
    at.say(f"{kept.release}: on probation until {kept.until}, after {kept.previous}")
    reader, window = AccessLog(Path(kept.log), kept.marks), Window(kept.services)
    looked: float | None = None
    looks: list[Look] = []
    while True:
        now = read_note(at.layout)
        if now is None or now.release != kept.release:
            at.say(f"{kept.release}: its probation was ended by another run")
            return now
        if now.decision is not None:
            if _carried_out(now, ends):
                return None
            at.sleep(PATIENCE)
            continue
        if not serving(at.layout, kept) and not _settled(at, kept, ends):
            return None
        window.add(reader.entries())
        if looked is None or at.clocks.steady() - looked >= LOOK:
            looked, looks = at.clocks.steady(), _looks(at, kept, looks)
        left = remaining(kept, at.clocks)
        decision = decide(kept, window, looks, over=left <= 0) if serving(at.layout, kept) else None
        if decision is None or not _write_down(at, kept, decision):
            at.sleep(min(kept.thresholds.interval, max(left, SHORTEST)) if left > 0 else PATIENCE)


def _looks(at: Watch, note: Note, last: list[Look]) -> list[Look]:
    """An engine that does not answer says nothing about the containers."""
    try:
        return list(look_at(at.engine, note.containers))
    except DrydockError:
        return last


def decide(note: Note, window: Window, looks: list[Look], *, over: bool) -> dict[str, Any] | None:
    """The verdict with its figures; None while there is none."""
    found = breaches(window, looks, note.thresholds, note.before)
    if not found and not over:
        return None
    said = [item.said for item in found] or not_judged(window, note.thresholds, note.before)
    return {
        "verdict": FAILED if found else KEPT,
        "said": said,
        "breaches": [item.as_dict() for item in found],
        "figures": {name: counts.figures() for name, counts in window.whole().items()},
        "restarts": {look.name: look.restarts for look in looks if look.restarts},
    }


def _write_down(at: Watch, note: Note, decision: Mapping[str, Any]) -> bool:
    """From here on the verdict stands; false while another run holds the stack."""
    with _held(at) as held:
        if not held:
            return False
        now = read_note(at.layout)
        if now is not None and now.release == note.release and serving(at.layout, note):
            write_note(at.layout, replace(now, decision={**decision, "at": iso(at.clocks.wall())}))
        return True


def _carried_out(note: Note, ends: Ends) -> bool:
    """Whether it was; not while another run holds the stack, or has a release ready that waits to be switched."""
    try:
        ends.carry_out(note)
    except DrydockError as error:
        if error.kind not in ("locked", "prepared"):
            raise
        return False
    return True


def _settled(at: Watch, note: Note, ends: Ends) -> bool:
    """Whether there is still something to wait for: the run that makes the release, or its finish."""
    with _held(at) as held:
        if not held or read_note(at.layout) is None or serving(at.layout, note):
            return True
        if ends.settle(note):
            return True
        at.say(f"{note.release}: it was not finished; the next run of the tag `stack` settles it")
        return False


@contextlib.contextmanager
def _held(at: Watch) -> Iterator[bool]:
    """The lease, or false where somebody holds it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lease(at.layout, at.owner, at.clocks))
        except DrydockError as error:
            if error.kind != "locked":
                raise
            yield False
            return
        yield True


@contextlib.contextmanager
def _alone(at: Watch) -> Iterator[None]:
    """Hold the lock of the one that watches; wait for it."""
    descriptor = os.open(at.layout.watching, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(descriptor):
            at.sleep(PATIENCE)
        yield
    finally:
        os.close(descriptor)


def _free(at: Watch) -> bool:
    descriptor = os.open(at.layout.watching, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        return _taken(descriptor)
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
