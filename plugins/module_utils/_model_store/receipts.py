# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a blob looked like when its bytes were last hashed, so that an untouched one need not be hashed again.

A receipt is a hint: without it, or when it cannot be read, the blob is hashed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json

# size, mtime_ns, inode, ctime_ns. Whoever changes bytes cannot set the last one back, short of changing the clock.
Receipt = tuple[int, int, int, int]


def receipt_of(found: os.stat_result) -> Receipt:
    """The receipt of a file as it is now."""
    return (found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


def load_receipts(path: Path) -> dict[str, Receipt]:
    """Receipts by digest; empty where the file is missing or unreadable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    blobs = content.get("blobs") if isinstance(content, Mapping) else None
    if not isinstance(blobs, Mapping):
        return {}
    return {
        digest: (value[0], value[1], value[2], value[3])
        for digest, value in blobs.items()
        if isinstance(value, list) and len(value) == 4 and all(isinstance(number, int) for number in value)
    }


def save_receipts(path: Path, receipts: Mapping[str, Receipt]) -> None:
    """Replace the file in one step."""
    write_json(path, {"schema": 1, "blobs": {digest: list(value) for digest, value in receipts.items()}})
