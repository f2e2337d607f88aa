# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small tar archives, for putting files into a container before it starts."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """One file of an archive; its path is relative to the root."""

    path: str
    content: bytes
    mode: int = 0o644
    owner: int = 0


def pack(*files: File) -> bytes:
    """A tar archive of these files, the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            member = tarfile.TarInfo(file.path)
            member.size, member.mode, member.uid, member.gid = len(file.content), file.mode, file.owner, file.owner
            archive.addfile(member, io.BytesIO(file.content))
    return buffer.getvalue()
