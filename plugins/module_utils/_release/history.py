# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases served one after the other on a host, and which of them one would go back to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import MODEL
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, all_records, current_record


def given_up(records: Iterable[Record]) -> frozenset[str]:
    """Releases that somebody went back from."""
    return frozenset(str(record.rest["rolled_back_from"]) for record in records if record.rest.get("rolled_back_from"))


def before(record: Record) -> str | None:
    """The release that served before this one; before a rollback, the one before what it went back to."""
    found = record.rest.get("before", record.rest.get("previous"))
    return str(found) if found else None


def last_good(layout: Layout) -> Record | None:
    """What a rollback goes back to by itself: the last release before the current one that nobody went back from, that
    was another one, and that can be made again. None where there is none.
    """
    current = current_record(layout)
    records = all_records(layout)
    found = None if current is None else good_before(current, {record.identity: record for record in records})
    return None if found is None or not (layout.release(found.identity) / MODEL).is_file() else found


def good_before(current: Record, records: Mapping[str, Record]) -> Record | None:
    """Goes by what each record says of the one before it, not by the times in their names: a clock may be set."""
    left, seen = given_up(records.values()), {current.identity}
    record = records.get(before(current) or "")
    while record is not None and record.identity not in seen:
        if record.identity not in left and record.hash != current.hash:
            return record
        seen.add(record.identity)
        record = records.get(before(record) or "")
    return None
