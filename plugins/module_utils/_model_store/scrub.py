# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading blobs again, a bounded number of bytes at a time, those first that were read longest ago.

Hashing holds no lock, so that no sync waits for it. What is rotten is moved away under the lock, if it still is what
was read. The sets go on serving it through their hard links until the next sync has fetched it again: a wrong answer
now and then may be better than none, and that is for the operator to say.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir, write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._lock import held
from ansible_collections.drydock.serving.plugins.module_utils._model_store.collect import quarantine_name
from ansible_collections.drydock.serving.plugins.module_utils._model_store.facts import Contents, rotten
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, lstat
from ansible_collections.drydock.serving.plugins.module_utils._model_store.reading import read_through, step_back
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import (
    load_receipts,
    save_receipts,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import read_json
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock

SCHEMA = 1
STAGING = "scrub"
# What was read is remembered at least this often, for the case that somebody ends us.
REMEMBER_EVERY = 1 << 30


@dataclass(frozen=True)
class Reading:
    """When a blob was last read from end to end.

    :param turn: how many were read before it, since the beginning; this orders, also when clocks jump.
    :param at: seconds since the epoch, for people.
    """

    turn: int
    at: int


def load_readings(path: Path) -> dict[str, Reading]:
    """What was remembered; empty where the file is missing or unreadable, so that everything is read again."""
    content = read_json(path)
    blobs = content.get("blobs") if isinstance(content, Mapping) else None
    return {
        str(digest): Reading(*value)
        for digest, value in (blobs.items() if isinstance(blobs, Mapping) else ())
        if isinstance(value, list) and len(value) == 2 and all(isinstance(number, int) for number in value)
    }


def summary(layout: Layout, contents: Contents) -> dict[str, Any]:
    """How far scrubbing is: when it last ran, how old the oldest reading is, how many blobs were never read."""
    readings = {digest: one for digest, one in load_readings(layout.scrub).items() if digest in contents.blobs}
    times = [one.at for one in readings.values()]
    return {
        "last": max(times, default=None),
        "oldest": min(times, default=None),
        "never": len(contents.blobs) - len(readings),
    }


class Scrub:
    """One call. ``result`` holds what is true so far, also after a failure.

    :param budget: bytes that are read at most.
    :param lock_timeout: seconds to wait for a sync.
    """

    def __init__(
        self, layout: Layout, *, budget: int, lock_timeout: float, clock: Clock, result: dict[str, Any], check: bool
    ) -> None:
        self._layout = layout
        self._budget = budget
        self._lock_timeout = lock_timeout
        self._clock = clock
        self._check = check
        self.result = result

    def run(self, contents: Contents) -> None:
        """Read what is due; report and quarantine what is rotten."""
        if not contents.blobs:
            return
        try:
            with self._alone():
                self._run(contents)
        except DrydockError as error:
            if error.kind != "busy":
                raise
            self.result["scrub"]["skipped"] = error.message

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One scrub at a time, and none that begins while a sync works."""
        if self._check:
            yield
            return
        self._layout.state.mkdir(mode=0o700, exist_ok=True)
        with held(self._layout.state / "scrub.lock", timeout=0):
            with self._store():
                pass
            yield

    def _store(self) -> AbstractContextManager[None]:
        return held(self._layout.lock, timeout=self._lock_timeout, clock=self._clock.monotonic, sleep=self._clock.sleep)

    def _run(self, contents: Contents) -> None:
        step_back()
        readings = load_readings(self._layout.scrub)
        turn = max((one.turn for one in readings.values()), default=0)
        readings = {digest: one for digest, one in readings.items() if digest in contents.blobs}
        told = self.result["scrub"]
        uses = contents.uses()
        remembered = 0
        try:
            for digest in _due(contents, readings):
                size = contents.blobs[digest].st_size
                if size > self._budget - told["bytes"]:
                    told["too_big"] += [f"sha256:{digest}"] if size > self._budget else []
                    continue
                wrong = self._read(digest)
                told["bytes"] += size
                told["files"] += 1
                if wrong is None:
                    turn += 1
                    readings[digest] = Reading(turn, int(self._clock.now()))
                elif wrong.found:
                    readings.pop(digest, None)
                    moved = self._quarantine(digest, wrong)
                    self.result["damaged"].append(rotten(digest, wrong.found, uses.get(digest, []), moved))
                if told["bytes"] - remembered >= REMEMBER_EVERY:
                    remembered = told["bytes"]
                    self._remember(readings)
        finally:
            self._remember(readings)

    def _read(self, digest: str) -> _Wrong | None:
        """``None`` where the bytes are right; without ``found`` where the blob went or changed meanwhile."""
        path = self._layout.blob(digest)
        before = lstat(path)
        if before is None:
            return _Wrong(None, None)
        if not stat.S_ISREG(before.st_mode):
            return _Wrong("not a regular file", before)
        try:
            found, seen = read_through(path)
        except FileNotFoundError:
            return _Wrong(None, None)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP):
                raise
            return _Wrong(f"unreadable ({error.strerror})", before)
        return None if found == digest else _Wrong(f"sha256:{found}, {seen.st_size} bytes", seen)

    def _quarantine(self, digest: str, wrong: _Wrong) -> Path | None:
        """Move it away if it still is what was read. ``None``: it stays, for one of the reasons that are told."""
        if self._check or wrong.stat is None:
            return None
        blob, aside = self._layout.blob(digest), self._layout.quarantine / quarantine_name(digest, self._clock.now())
        try:
            with self._store():
                found = lstat(blob)
                if found is None or _content_of(found) != _content_of(wrong.stat):
                    return None
                self._layout.quarantine.mkdir(mode=0o700, exist_ok=True)
                blob.rename(aside)
                self.result["changed"] = True
                fsync_dir(aside.parent)
                fsync_dir(blob.parent)
                receipts = load_receipts(self._layout.receipts)
                if receipts.pop(digest, None) is not None:
                    save_receipts(self._layout.receipts, receipts)
        except DrydockError as error:
            if error.kind != "busy":
                raise
            self.result["scrub"]["skipped"] = f"{error.message} A damaged file stays in its place until then."
            return None
        return aside

    def _remember(self, readings: Mapping[str, Reading]) -> None:
        if not self._check:
            blobs = {digest: [one.turn, one.at] for digest, one in readings.items()}
            # staged away from the state of syncs, which take what lies staged there for left behind
            place = self._layout.state / STAGING
            place.mkdir(mode=0o700, exist_ok=True)
            write_json(place / self._layout.scrub.name, {"schema": SCHEMA, "blobs": blobs})
            (place / self._layout.scrub.name).replace(self._layout.scrub)
            fsync_dir(self._layout.state)


@dataclass(frozen=True)
class _Wrong:
    found: str | None
    stat: os.stat_result | None


def _content_of(found: os.stat_result) -> tuple[int, int, int]:
    """What stays while a file only gets another link or owner."""
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def _due(contents: Contents, readings: Mapping[str, Reading]) -> list[str]:
    """Never read ones first, then those read longest ago."""

    def order(digest: str) -> tuple[int, int, str]:
        one = readings.get(digest)
        return (0, 0, digest) if one is None else (one.turn, one.at, digest)

    return sorted(contents.blobs, key=order)
