# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the disk, promised before the first byte moves."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Plan


def free_bytes(root: Path) -> int:
    """Bytes free for ordinary users on the file system of the store, also before it is made."""
    found = os.statvfs(_nearest(root))
    return found.f_bavail * found.f_frsize


def check_room(layout: Layout, plan: Plan, *, reserve: int) -> int:
    """Bytes free on the store's file system (for ordinary users).

    :raises DrydockError: kind ``no_space``: what is to be fetched would leave less than ``reserve`` bytes.
    """
    free = free_bytes(layout.root)
    missing = plan.planned_bytes + reserve - free
    if plan.planned_bytes and missing > 0:
        raise DrydockError(
            "no_space",
            f"Not enough room for the models: needs {human(plan.planned_bytes)} in {len(plan.fetch)} file(s) and "
            f"{human(reserve)} in reserve, has {human(free)} free on {_mount_point(_nearest(layout.root))} (for "
            f"{layout.root}).{_promise(plan)} Nothing was fetched, what serves now is untouched. "
            f"Next step: free {human(missing)} there, or lower 'reserve'.",
            needed=plan.planned_bytes,
            reserve=reserve,
            free=free,
        )
    return free


def _promise(plan: Plan) -> str:
    """Old versions go last, so that there is always a way back; the operator may choose otherwise."""
    if not plan.collection.size:
        return ""
    return f" Another {human(plan.collection.size)} would come free after it, when what is no longer needed goes."


def human(size: int) -> str:
    """Bytes in powers of 1000 with one decimal, for people."""
    number = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(number) < 1000:
            return f"{size} bytes" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _nearest(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def _mount_point(path: Path) -> Path:
    place = Path(os.path.realpath(path))
    while not os.path.ismount(place):
        place = place.parent
    return place
