# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is there room on the host's disk?"""

from __future__ import annotations

import shutil
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

MIB = 1024 * 1024


def require(path: Path, needed: int, *, what: str) -> None:
    """There are at least ``needed`` bytes free where ``path`` is or will be.

    :raises DrydockError: ``no_space``.
    """
    place = path
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise DrydockError(
            "no_space",
            f"There is no room for {what} on the host: {free // MIB} MiB are free at {place}, {needed // MIB} MiB are "
            "needed. What runs now was not touched. Make room (`docker system df` and `du -xh --max-depth=2 /var` show "
            "where it went), then run again.",
            path=str(place),
            free=free,
            needed=needed,
        )
