# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down of how a probation ended, and its end by a run that changes the stack."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._release import log
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    ENDED,
    FAILED,
    Note,
    read_note,
    remove_note,
    serving,
    start_unit,
    write_note,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    RECORD,
    current_record,
    read_journal,
    read_record,
)

STEP = "probation"
KIND = "probation_failed"


def mark(layout: Layout, note: Note, verdict: Mapping[str, Any]) -> None:
    """Write the verdict into the release's record, where whoever made the release reads it."""
    folder = layout.release(note.release)
    record = read_record(folder)
    if record is not None:
        marked = replace(record, rest={**record.rest, "probation": dict(verdict)})
        write_json(folder / RECORD, marked.as_dict(), mode=0o640)


def verdict_of(layout: Layout, release: str) -> Mapping[str, Any] | None:
    """How the probation of a release ended, or is about to end; None where it had none, or goes on."""
    record = read_record(layout.release(release))
    found = record.rest.get("probation") if record is not None else None
    return found if isinstance(found, Mapping) else None


def write_log(
    stack: str,
    layout: Layout,
    host: Host,
    note: Note,
    *,
    actor: str,
    outcome: str,
    said: str,
    failure: Mapping[str, Any] | None = None,
) -> None:
    """One line in the log of deployments. A log that cannot be written is no reason to stop."""
    current = layout.current.readlink().name if layout.current.is_symlink() else None
    entry = {
        "at": host.now(),
        "stack": stack,
        "actor": actor,
        "reason": f"probation of {note.release}",
        "outcome": outcome,
        "release": note.release,
        "previous": note.previous,
        "serving": current,
        "duration": round(host.clocks.wall() - note.began, 2),
        "services": sorted(set(note.services.values())),
        "images": {},
        "models": {},
        "failure": failure,
        "said": [*((note.decision or {}).get("said") or []), said],
    }
    with contextlib.suppress(OSError):
        log.append(log.log_path(layout), entry)


def settle(stack: str, layout: Layout, host: Host, *, actor: str) -> list[str]:
    """Have the note fit what serves; in words, what was ended. Call it while holding the lease.

    A release that serves ends the probation of the one before; with one that was undone it goes on. One that is
    interrupted is neither yet.
    """
    note = read_note(layout)
    if note is None or read_journal(layout) is not None:
        return []
    earlier = note.instead_of
    if serving(layout, note):
        if earlier is None:
            return []
        said = _end(stack, layout, host, earlier, actor=actor)
        write_note(layout, replace(note, instead_of=None))
        return said
    if earlier is not None and serving(layout, earlier):
        write_note(layout, earlier)
        start_unit(stack, host.runner)
        return []
    failed = (note.decision or {}).get("verdict") == FAILED
    if failed and _went_back(layout, note):  # the watcher, who has done it, concludes it
        return []
    said = _end(stack, layout, host, note, actor=actor)
    remove_note(layout)
    return said


def _went_back(layout: Layout, note: Note) -> bool:
    current = current_record(layout)
    return current is not None and current.rest.get("rolled_back_from") == note.release


def _end(stack: str, layout: Layout, host: Host, note: Note, *, actor: str) -> list[str]:
    """Before its time; of a release that was undone there is nothing to tell."""
    current = current_record(layout)
    if current is None or read_record(layout.release(note.release)) is None:
        return []
    said = f"ended the probation of {note.release} before {note.until}, for the release {current.identity}"
    mark(layout, note, {"verdict": ENDED, "said": [], "until": note.until, "end": said, "evidence": None})
    write_log(stack, layout, host, note, actor=actor, outcome=log.PROBATION_ENDED, said=said)
    return [said]


@contextlib.contextmanager
def settled(stack: str, layout: Layout, host: Host, *, actor: str, said: list[str]) -> Iterator[None]:
    """``settle`` after what is done inside, whether that fails or not. On a full disk the next run does it."""
    try:
        yield
    except Exception:
        with contextlib.suppress(OSError):
            settle(stack, layout, host, actor=actor)
        raise
    with contextlib.suppress(OSError):
        said += settle(stack, layout, host, actor=actor)
