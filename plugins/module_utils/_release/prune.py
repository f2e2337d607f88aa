# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old releases go, the last ones stay. Images are never touched here."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._release.layout import STAGING, Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import all_records, current_record

KEPT_FAILURES = 10


def prune(layout: Layout, *, keep: int) -> list[str]:
    """Keep the newest ``keep`` releases, the current one and the one before it; say which went."""
    current = current_record(layout)
    records = all_records(layout)
    kept = {record.identity for record in records[: max(1, keep)]}
    if current is not None:
        kept |= {current.identity, str(current.rest.get("previous"))}
    gone = [record.identity for record in records if record.identity not in kept]
    for identity in gone:
        shutil.rmtree(layout.release(identity), ignore_errors=True)
    _prune_config(
        layout, {folder for record in records if record.identity in kept for folder in record.config.values()}
    )
    for failure in _oldest(layout.failures, KEPT_FAILURES):
        shutil.rmtree(failure, ignore_errors=True)
    return gone


def _prune_config(layout: Layout, used: set[str]) -> None:
    """Configuration directories that no kept release mounts."""
    for unit in layout.config.iterdir() if layout.config.is_dir() else ():
        for folder in unit.iterdir() if unit.is_dir() else ():
            if str(folder) not in used:
                shutil.rmtree(folder, ignore_errors=True)


def _oldest(folder: Path, keep: int) -> list[Path]:
    entries = sorted(os.listdir(folder), reverse=True) if folder.is_dir() else []  # noqa: PTH208  # names are enough
    return [folder / name for name in entries[keep:]]


def remove_unrecorded(layout: Layout) -> None:
    """Release directories that no release was ever recorded in: staged or placed by a run that died."""
    recorded = {record.identity for record in all_records(layout)}
    for folder in layout.releases.iterdir() if layout.releases.is_dir() else ():
        if folder.name.endswith(STAGING) or folder.name not in recorded:
            shutil.rmtree(folder, ignore_errors=True)
