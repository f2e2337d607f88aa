# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files to fetch: random bytes that are the same each time, in the shape of real model files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from workbench import MIB, say

# One stretch of random bytes is made at a time, so that this process stays small.
BLOCK = MIB


@dataclass(frozen=True)
class ModelFile:
    """A file of the origin."""

    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """What the origin calls it."""
        return self.path.name


def make_files(folder: Path, count: int, size: int) -> list[ModelFile]:
    """``count`` files of ``size`` bytes, all different."""
    say(f"making {count} file(s) of {size // MIB} MiB")
    folder.mkdir(exist_ok=True)
    return [_make(folder / f"weights-{size // MIB}-{number:03}.safetensors", size) for number in range(count)]


def _make(path: Path, size: int) -> ModelFile:
    digest = hashlib.sha256()
    left = size
    with path.open("wb") as handle:
        head = _header(size)
        for number in range(-1, size // BLOCK + 1):
            data = head if number < 0 else _random(f"{path.name} {number}", min(BLOCK, left))
            digest.update(data)
            handle.write(data)
            left -= len(data)
    return ModelFile(path=path, size=size, sha256=digest.hexdigest())


def _random(seed: str, size: int) -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size) if size else b""


def _header(size: int) -> bytes:
    """What a safetensors file of one tensor of bytes begins with, as the formats of files are checked too."""
    room = 248
    length = size - 8 - room
    text = json.dumps({"weight": {"dtype": "U8", "shape": [length], "data_offsets": [0, length]}})
    return room.to_bytes(8, "little") + text.encode().ljust(room)
