# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transaction writes down before it acts, so that whoever comes next can finish or undo it.

One small JSON file: ``{"schema": 1, "operation": ..., "state": "open" | "committed", "started": ...,
"data": {...}}``. Every write is whole and synced (see ``_atomic``). The rule for its users:

* ``begin`` with everything an undo needs, before the first change;
* ``commit`` when the new state is complete: before it the next run undoes, after it the next run only tidies up;
* ``clear`` last. No file means nothing is under way.

Hold a lock (``_lock``) from before ``load`` until after ``clear``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils import _atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

SCHEMA = 1
OPEN = "open"
COMMITTED = "committed"


@dataclass(frozen=True)
class Record:
    """The content of a journal file.

    :param operation: which kind of transaction it is; a reader refuses one it does not know.
    :param started: when it began, in seconds since the epoch.
    :param data: what the transaction needs to finish or undo; plain JSON values, no secret.
    """

    operation: str
    state: str
    started: float
    data: dict[str, Any]


class Journal:
    """The journal file of one resource."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Record | None:
        """The transaction that was under way, or None.

        :raises DrydockError: ``journal_unreadable`` when the file is damaged or of a newer schema.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            value = json.loads(text)
            schema = value["schema"]
            if schema == SCHEMA and value["state"] in (OPEN, COMMITTED):
                return Record(
                    operation=value["operation"],
                    state=value["state"],
                    started=float(value["started"]),
                    data=dict(value["data"]),
                )
        except (ValueError, KeyError, TypeError) as error:
            raise DrydockError(
                "journal_unreadable",
                f"{self.path} records an interrupted change but cannot be read ({type(error).__name__}). "
                "Look at the files it concerns, set them right, then remove it.",
                path=str(self.path),
            ) from error
        raise DrydockError(
            "journal_unreadable",
            f"{self.path} was written by another version of this collection (schema {schema}, expected {SCHEMA}). "
            "Run that version once more so that it finishes what it began.",
            path=str(self.path),
        )

    def begin(self, operation: str, data: dict[str, Any], *, now: float) -> Record:
        """Write down what is about to happen; durable when this returns."""
        return self._write(Record(operation=operation, state=OPEN, started=now, data=data))

    def commit(self, record: Record) -> Record:
        """Declare the new state complete."""
        return self._write(replace(record, state=COMMITTED))

    def clear(self) -> None:
        """Forget the transaction; nothing is under way any more."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return
        _atomic.fsync_dir(self.path.parent)

    def _write(self, record: Record) -> Record:
        _atomic.write_json(
            self.path,
            {
                "schema": SCHEMA,
                "operation": record.operation,
                "state": record.state,
                "started": record.started,
                "data": record.data,
            },
        )
        return record
