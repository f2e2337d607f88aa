# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run on a stack at a time.

What decides is a lock that the kernel frees when the run and the programs that it orders the engine by have ended.
Hooks, migrations and copies do not hold it. Beside it lies a note for people: who holds it, from where, why, doing
what, and when it was last seen alive. The note's age is measured by a clock that nobody can set; the times of day in
it are only told.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout

SCHEMA = 1
BEAT = 5.0  # seconds between two signs of life
EXPIRY = 30.0  # seconds without one after which a holder counts as stuck
PROC = Path("/proc")
SHOWN = 5  # processes that are named

ALIVE = "alive"
STUCK = "stuck"  # its process is there and gives no sign of life
ORPHANED = "orphaned"  # its process is gone; a program that it started still works
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Clocks:
    """``wall`` is told, ``steady`` is compared; both in seconds. ``boot`` tells whose steady clock it is."""

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic  # the same for every process of a boot, and not set by anybody
    boot: Callable[[], str] = lambda: _text(PROC / "sys/kernel/random/boot_id")


class Lease:
    """A held lease. Its note is kept fresh by a thread, so that also a long step gives signs of life.

    ``taken_over`` is the note of a holder that died, or None.
    """

    def __init__(self, path: Path, owner: Mapping[str, Any], clocks: Clocks) -> None:
        self._path = path
        self._clocks = clocks
        self._turn = threading.Lock()
        self._note = {**owner, "schema": SCHEMA, "pid": os.getpid(), "process": _started(os.getpid())}
        self.taken_over = _taken_over(_read(path))

    def doing(self, what: str) -> None:
        """Say what is done now."""
        with self._turn:
            self._note.update(doing=what, doing_since=_iso(self._clocks.wall()))
        self.beat()

    def beat(self) -> None:
        """Give a sign of life. A disk that takes no more must not end a release: the note is only for people."""
        with self._turn, contextlib.suppress(OSError):
            wall = self._clocks.wall()
            self._note.update(
                boot=self._clocks.boot(),
                beat=self._clocks.steady(),
                heartbeat=_iso(wall),
                expires=_iso(wall + EXPIRY),
            )
            _write(self._path, self._note)

    def beat_until(self, wait: Callable[[float], bool]) -> None:
        """Give signs of life until ``wait``, which takes seconds, says that it is over."""
        while not wait(BEAT):
            self.beat()


@contextlib.contextmanager
def lease(layout: Layout, owner: Mapping[str, Any], clocks: Clocks | None = None) -> Iterator[Lease]:
    """Hold the stack for one run. A dead owner's lease is taken over: the kernel frees its lock
    when the last program that it started has ended.

    :param owner: ``actor``, ``host``, ``since``, ``reason`` and ``doing``, told to whoever finds the stack taken.
    :raises DrydockError: ``locked``.
    """
    clocks = clocks or Clocks()
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.set_inheritable(descriptor, True)  # see SubprocessRunner
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken(layout, clocks) from None
        if _lives_elsewhere(layout, clocks):  # somebody has removed its lock to get past it
            raise _taken(layout, clocks)
        held = Lease(layout.lease, owner, clocks)
        layout.lease.unlink(missing_ok=True)  # a full disk must not leave the note of another holder there
        held.beat()
        over = threading.Event()
        heart = threading.Thread(target=held.beat_until, args=(over.wait,), name="lease", daemon=True)
        heart.start()
        try:
            yield held
        finally:
            over.set()
            heart.join()
            layout.lease.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _lives_elsewhere(layout: Layout, clocks: Clocks) -> bool:
    note = holder(layout, clocks)
    return note is not None and note["state"] == ALIVE and note["pid"] != os.getpid()


def holder(layout: Layout, clocks: Clocks | None = None) -> dict[str, Any] | None:
    """Who holds the stack, or left a note when it died: the note, with ``state`` and ``silent`` (seconds since the last
    sign of life, or None). None without a note. Only looks; takes no lock.
    """
    note = _read(layout.lease)
    return None if note is None else _judged(note, clocks or Clocks())


def _judged(note: Mapping[str, Any], clocks: Clocks) -> dict[str, Any]:
    silent: float | None = None
    if note.get("boot") and note.get("boot") == clocks.boot() and isinstance(note.get("beat"), (int, float)):
        silent = round(max(0.0, clocks.steady() - note["beat"]), 1)
    process = note.get("pid")
    if not isinstance(process, int) or not note.get("process"):
        state = UNKNOWN
    elif _started(process) != note["process"]:
        state = ORPHANED
    elif _stopped(process) or silent is None or silent > EXPIRY:
        state = STUCK
    else:
        state = ALIVE
    return {**note, "state": state, "silent": silent}


def _taken(layout: Layout, clocks: Clocks) -> DrydockError:
    note = _judged(_read(layout.lease) or {}, clocks)
    told = {key: note.get(key) or "unknown" for key in ("actor", "host", "since", "pid", "doing", "heartbeat")}
    told["reason"] = f", reason: {note['reason']}" if note.get("reason") else ""
    told["step"] = f" (since {note['doing_since']})" if note.get("doing_since") else ""
    told["ago"] = "" if note["silent"] is None else f" ({note['silent']:g} s ago)"
    who = (
        "Another run is working on this stack: {actor} from {host}, since {since}{reason}, process {pid} on the host, "
        "doing: {doing}{step}. Its last sign of life: {heartbeat}{ago}. "
    ).format(**told)
    processes = _holding(layout.lock)
    return DrydockError(
        "locked",
        who + _next_step(note, layout, processes),
        owner=note,
        state=note["state"],
        processes=processes,
    )


def _next_step(note: Mapping[str, Any], layout: Layout, processes: list[str]) -> str:
    named = ", ".join(processes) or f"see `fuser -v {layout.lock}`"
    if note["state"] == STUCK and _stopped(note["pid"]):
        return (
            f"It is stuck: its process is stopped, by a signal or a debugger. Let it go on with `kill -CONT "
            f"{note['pid']}`, or end it with `kill -9 {note['pid']}`; then run again: the next run finishes or undoes "
            "what it began."
        )
    if note["state"] == STUCK:
        return (
            f"It is stuck: it should give a sign of life every {BEAT:g} s. Look at what it does with `ps -o "
            f"pid,stat,wchan:30,args --ppid {note['pid']} --pid {note['pid']}` and at the host's disk; when it does "
            f"not go on, end it with `kill -9 {note['pid']}`, then run again: the next run finishes or undoes what it "
            "began."
        )
    if note["state"] == ORPHANED:
        return (
            f"That run has died, and a program that it started still works on the stack: {named}. Wait for it to end, "
            "or, when it hangs, look at `journalctl -u docker` and end it with `kill`; then run again: the next run "
            "finishes or undoes what was begun."
        )
    return "Wait for it to end and run again; the lock goes away by itself when that process and what it started ended."


def _taken_over(note: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What is told of a holder that died. Its note is there because only a run that ends by itself removes it."""
    if note is None:
        return None
    return {key: note.get(key) for key in ("actor", "host", "since", "reason", "doing", "heartbeat", "pid")}


def _read(path: Path) -> dict[str, Any] | None:
    """The note; empty where it cannot be read, None where there is none."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def _write(path: Path, note: Mapping[str, Any]) -> None:
    """Whole or not at all, and not synced: after a power cut nobody holds anything."""
    part = path.with_name(f"{path.name}.part")
    with open(part, "w", encoding="utf-8", opener=_private) as handle:
        json.dump(note, handle, indent=2, sort_keys=True)
        handle.write("\n")
    part.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _stat(process: int) -> list[str]:
    """What the kernel tells of a process, from its state on; empty when there is none of that number."""
    return _text(PROC / str(process) / "stat").rpartition(")")[2].split()


def _started(process: int) -> str:
    """When a process began, in ticks since the boot: its number may be given again, both may not. Empty: no process."""
    told = _stat(process)
    return told[19] if len(told) > 19 and told[0] not in "ZX" else ""


def _stopped(process: int) -> bool:
    return (_stat(process) or [""])[0] in ("T", "t")


def _holding(lock: Path) -> list[str]:
    """The processes that have the lock's file open, as ``name (process N)``."""
    try:
        numbers = sorted(int(item.name) for item in PROC.iterdir() if item.name.isdigit())
    except OSError:
        return []
    found = [number for number in numbers if number != os.getpid() and _has_open(number, os.path.realpath(lock))]
    return [f"{_text(PROC / str(number) / 'comm')} (process {number})" for number in found[:SHOWN]]


def _has_open(process: int, name: str) -> bool:
    with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
        for entry in (PROC / str(process) / "fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(entry) == name:  # noqa: PTH115  # compared as text: a name that resolves may hang
                    return True
    return False
