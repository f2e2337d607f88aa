# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must arrive, and where its bytes grow."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._source import Source


@dataclass(frozen=True)
class Wanted:
    """One file.

    :param label: how messages name it, for example ``ocr 4.0: det.onnx``.
    :param size: in bytes.
    :param sources: in order of preference.
    """

    label: str
    sha256: str
    size: int
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class PartFiles:
    """Where the bytes grow, and the side-car that tells which of them are there and under which validator they came."""

    data: Path
    sidecar: Path

    def size(self) -> int:
        """Bytes that lie on the disk already; the file may have holes, so this is less than its length."""
        try:
            found = os.lstat(self.data)
        except FileNotFoundError:
            return 0
        return min(found.st_size, found.st_blocks * 512)

    def drop(self) -> None:
        """Forget everything received so far."""
        for path in (self.data, self.sidecar):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
