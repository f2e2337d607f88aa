# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the edge lets requests through to the stack, or answers 503 with a page and ``Retry-After`` to all of them.

Closed for maintenance, by the command on the host, or because the stack was stopped, by its systemd unit. A note in the
stack's state says which, since when, by whom and why; from it follows the file that the edge includes. The note is
written first, marked as not settled: a run that dies in between is completed by the next one, whatever it is for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout

SCHEMA = 1
MAINTENANCE = "maintenance"
STOPPED = "stopped"
CAUSES = (MAINTENANCE, STOPPED)  # the first one that holds decides what clients are told
RETRY_AFTER = 300  # seconds that clients are told to wait, unless the operator says otherwise
HEADER = "# Written for the stack's edge by drydock.serving; changes made here are undone by the next run.\n"
OPEN = f"{HEADER}# Requests are let through.\n".encode()


@dataclass(frozen=True)
class Closed:
    """Why the edge is closed. ``retry_after`` in seconds."""

    cause: str
    since: str
    by: str
    reason: str = ""
    retry_after: int = RETRY_AFTER

    def as_dict(self) -> dict[str, Any]:
        """What people and programs are told."""
        return {key: value for key, value in asdict(self).items() if key != "cause"}

    @property
    def said(self) -> str:
        """In half a sentence."""
        return f"since {self.since} by {self.by}{f': {self.reason}' if self.reason else ''}"


@dataclass(frozen=True)
class Note:
    """Every cause that holds. ``settled``: nginx goes by it."""

    causes: Mapping[str, Closed]
    settled: bool = True

    @property
    def text(self) -> bytes:
        """What the edge includes."""
        closed = next((self.causes[cause] for cause in CAUSES if cause in self.causes), None)
        return OPEN if closed is None else _closed_text(closed)


def _closed_text(closed: Closed) -> bytes:
    """Numbers only: no text of a person gets into nginx's configuration."""
    lines = (f"set $drydock_page_of {MAINTENANCE};", f"set $drydock_retry_after {closed.retry_after};")
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


def read_note(layout: Layout) -> Note:
    """What holds now. One that cannot be read holds nothing and is not settled: the next run opens the edge.

    :raises DrydockError: ``state_unreadable`` when a newer version of the collection wrote it.
    """
    try:
        raw = json.loads(layout.gate_note.read_text(encoding="utf-8"))
        schema = int(raw["schema"])
        known = {item.name for item in fields(Closed)}
        causes = {
            cause: Closed(cause=cause, **{key: value for key, value in raw[cause].items() if key in known})
            for cause in CAUSES
            if raw.get(cause)
        }
        note = Note(causes=causes, settled=bool(raw["settled"]))
    except FileNotFoundError:
        return Note({})
    except (ValueError, KeyError, TypeError, AttributeError):
        return Note({}, settled=False)
    if schema > SCHEMA:
        raise DrydockError(
            "state_unreadable",
            f"{layout.gate_note} was written by a newer version of this collection (schema {schema}, this one knows "
            f"{SCHEMA}). Run with that version; nothing was touched.",
        )
    return note


def unsettled(layout: Layout) -> bool:
    """Whether the edge's file is another one than the note asks for, or nginx may not have read it."""
    note = read_note(layout)
    return not note.settled or _written(layout) != (note.text if note.causes else OPEN)


def _written(layout: Layout) -> bytes:
    """What the edge includes now. A file that was never written says the same as an open one."""
    try:
        return layout.gate.read_bytes()
    except FileNotFoundError:
        return OPEN


class Gate:
    """The edge of one stack, to be closed and opened. Use it while holding the lease.

    :param edge: of the file that :attr:`Layout.gate` is.
    """

    def __init__(
        self, layout: Layout, edge: Edge, *, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._layout = layout
        self._edge = edge
        self._clock = clock
        self._sleep = sleep

    def closed(self, cause: str) -> Closed | None:
        """Why, when it is closed for this cause."""
        return read_note(self._layout).causes.get(cause)

    def close(self, closed: Closed) -> bool:
        """Have every request answered with 503; false where nginx does not run, or does not read the file (yet).

        :raises DrydockError: ``edge_invalid``, ``edge_failed``; then it is as it was before. ``edge_unconfirmed``.
        """
        return self._become({**read_note(self._layout).causes, closed.cause: closed})

    def open(self, cause: str) -> bool:
        """This cause does not hold any more. Another one may, and keep it closed.

        :raises DrydockError: ``edge_invalid``, ``edge_failed``; then it is as it was before. ``edge_unconfirmed``.
        """
        causes = dict(read_note(self._layout).causes)
        causes.pop(cause, None)
        return self._become(causes)

    def settle(self) -> list[str]:
        """Complete what a run that died had begun; what was done, in words.

        :raises DrydockError: ``edge_invalid``, ``edge_failed``, ``state_unreadable``.
        """
        if not unsettled(self._layout):
            return []
        causes = read_note(self._layout).causes
        self._become(causes)
        return ["closed the edge again, as it was asked for" if causes else "opened the edge again"]

    def _become(self, causes: Mapping[str, Closed]) -> bool:
        before = read_note(self._layout)
        wanted = Note(causes)
        if self._edge.read() is None:
            self._edge.write(OPEN)  # to go back to, should nginx refuse
        self._write(wanted, settled=False)
        workers = self._edge.workers()
        try:
            read = self._edge.lead(wanted.text)
            if read:  # what is told to whoever ordered it is so for the next request
                self._edge.wait_left(workers, clock=self._clock, sleep=self._sleep)
        except DrydockError:
            with contextlib.suppress(OSError):  # else the next run does it
                self._write(before, settled=before.settled)
            raise
        self._write(wanted, settled=True)
        return read

    def _write(self, note: Note, *, settled: bool) -> None:
        if settled and not note.causes:
            self._layout.gate_note.unlink(missing_ok=True)
            return
        told = {cause: closed.as_dict() for cause, closed in note.causes.items()}
        write_json(self._layout.gate_note, {"schema": SCHEMA, "settled": settled, **told})
