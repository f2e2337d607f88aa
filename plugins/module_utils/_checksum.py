# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests as operators write them (``sha256:<hex>``) and digests of files."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

CHUNK = 1024 * 1024
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)


def parse_checksum(text: str) -> str:
    """The lower-case hex digest in ``sha256:<64 hex digits>``.

    :raises ValueError: anything else, with a sentence that says what was expected.
    """
    found = _SHA256.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"expected 'sha256:' and 64 hexadecimal digits, found {text!r}")
    return found.group(1).lower()


def hash_file(path: Path) -> str:
    """The hex sha256 of a file, read once in constant memory; neither a link nor a pipe there holds anybody up.

    :raises OSError: the file cannot be opened or read.
    """
    digest = hashlib.sha256()
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as handle:
        while True:
            count = handle.readinto(buffer)
            if not count:
                return digest.hexdigest()
            digest.update(view[:count])
