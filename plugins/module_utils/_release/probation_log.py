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
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import (
    ENDED,
    Note,
    read_note,
    remove_note,
    serving,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import RECORD, read_record

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


def end_early(desired: Desired, host: Host, *, actor: str, release: str) -> list[str]:
    """A new release ends the probation of the one that serves; in words. Call it while holding the lease."""
    layout = desired.layout
    note = read_note(layout)
    if note is None or not serving(layout, note):
        return []
    said = f"ended the probation of {note.release} before {note.until}, for the release {release}"
    mark(layout, note, {"verdict": ENDED, "said": [], "until": note.until, "end": said, "evidence": None})
    write_log(desired.name, layout, host, note, actor=actor, outcome=log.PROBATION_ENDED, said=said)
    remove_note(layout)
    return [said]


def tidy(layout: Layout) -> None:
    """Remove the note of a release that was undone. One with a decision is the watcher's, who is carrying it out."""
    note = read_note(layout)
    if note is not None and note.decision is None and not serving(layout, note):
        remove_note(layout)


@contextlib.contextmanager
def tidied(layout: Layout) -> Iterator[None]:
    """What fails inside and goes back leaves no probation."""
    try:
        yield
    except Exception:
        tidy(layout)
        raise
