# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Old releases go, the last ones stay; then the images that only the old ones needed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import images
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.history import last_good
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import STAGING, Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    all_records,
    current_record,
    read_record,
    sequence,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.warm import read_warm

KEPT_FAILURES = 10
MOST_IMAGES = 10  # that one run removes; the next run goes on


def prune(layout: Layout, *, keep: int) -> list[str]:
    """Keep the newest ``keep`` releases, the current one, the one before it, the one that a rollback goes back to and
    the one whose containers run on; say which went.
    """
    current = current_record(layout)
    records = all_records(layout)
    kept = {record.identity for record in records[: max(1, keep)]}
    if current is not None:
        kept |= {current.identity, str(current.rest.get("previous"))}
        good, warm = last_good(layout), read_warm(layout)
        kept |= {good.identity if good else "", warm.release if warm else ""}
    gone = [record.identity for record in records if record.identity not in kept]
    for identity in gone:
        shutil.rmtree(layout.release(identity), ignore_errors=True)
    _prune_config(
        layout, {folder for record in records if record.identity in kept for folder in record.config.values()}
    )
    prune_failures(layout)
    return gone


def failures(layout: Layout) -> list[str]:
    """The evidence of failed releases by its names, newest first: by number, since a clock may be set back."""
    names = os.listdir(layout.failures) if layout.failures.is_dir() else []  # noqa: PTH208  # names are enough
    return sorted(names, key=lambda name: (_failure_number(layout, name), name), reverse=True)


def next_failure(layout: Layout) -> int:
    """The number of the evidence that is written now."""
    return 1 + max((_failure_number(layout, name) for name in failures(layout)), default=0)


def _failure_number(layout: Layout, name: str) -> int:
    try:
        return int(json.loads((layout.failures / name / "failure.json").read_text(encoding="utf-8"))["number"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def prune_failures(layout: Layout, *, spared: str = "") -> None:
    """Keep the newest evidence, and in any case that of this name."""
    for name in [name for name in failures(layout)[KEPT_FAILURES:] if name != spared]:
        shutil.rmtree(layout.failures / name, ignore_errors=True)


def prune_images(layout: Layout, engine: Engine) -> list[str]:
    """Remove the images that releases of this stack have pulled and that nothing needs any more; say which went.

    Needed is what a release that is still here names, of this stack or of one beside it, and what any container uses,
    also a stopped one that is kept as evidence. What something else brought to the host is never removed. Call it after
    ``prune``. Nothing of this is worth a failed release: what cannot be removed now is tried by the next run.
    """
    removed: list[str] = []
    with contextlib.suppress(DrydockError, OSError):
        needed = _needed(layout)
        unneeded = [reference for reference in images.remembered(layout) if reference not in needed]
        here = engine.images(unneeded)
        images.forget(layout, [reference for reference in unneeded if reference not in here])
        for reference in [item for item, image in here.items() if image["id"] not in needed][:MOST_IMAGES]:
            if not engine.in_use(reference) and engine.remove_image(reference):
                removed.append(reference)
                images.forget(layout, [reference])
    return removed


def _needed(layout: Layout) -> set[str]:
    """What the releases of this stack and of those beside it call their images: references and identities.

    :raises DrydockError: ``state_unreadable`` where one of them does not tell.
    """
    found: set[str] = set()
    for folder in layout.root.parent.glob("*/releases/*"):
        record = read_record(folder)
        if record is None:
            raise DrydockError("state_unreadable", f"{folder} does not tell which images it needs.")
        found |= {str(image[key]) for image in record.images.values() for key in ("reference", "id") if image.get(key)}
    return found


def _prune_config(layout: Layout, used: set[str]) -> None:
    """Configuration directories that no kept release mounts."""
    for unit in layout.config.iterdir() if layout.config.is_dir() else ():
        for folder in unit.iterdir() if unit.is_dir() else ():
            if str(folder) not in used:
                shutil.rmtree(folder, ignore_errors=True)


def remove_unrecorded(layout: Layout) -> None:
    """Release directories that nothing was ever led to for good: staged, placed or recorded by a run that died."""
    current = current_record(layout)
    newest = sequence(current) if current is not None else None
    recorded = {record.identity for record in all_records(layout) if newest is None or sequence(record) <= newest}
    for folder in layout.releases.iterdir() if layout.releases.is_dir() else ():
        if folder.name.endswith(STAGING) or folder.name not in recorded:
            shutil.rmtree(folder, ignore_errors=True)
