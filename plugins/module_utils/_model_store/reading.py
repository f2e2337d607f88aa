# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a blob from end to end as a guest: from the disk itself, without pushing what serves out of memory."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import mmap
import os
import platform
from pathlib import Path

CHUNK = 1024 * 1024
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}
_IOPRIO_WHO_PROCESS, _IOPRIO_IDLE = 1, 3 << 13


def step_back() -> None:
    """Let everybody else have disk and processor first (ioprio_set(2), class idle), where the kernel lets us."""
    with contextlib.suppress(OSError):
        os.nice(10)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _IOPRIO_WHO_PROCESS, 0, _IOPRIO_IDLE)


def read_through(path: Path) -> tuple[str, os.stat_result]:
    """The sha256 of a regular file, and what the file was while it was read.

    Past the page cache (open(2), O_DIRECT) where the file system can: bytes in memory say nothing about the disk.
    Elsewhere through it, giving back each stretch, so that it holds no more of what only the scrub has read.

    :raises OSError: it cannot be read.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_DIRECT)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return _read(os.open(path, flags), cached=True)
    try:
        return _read(descriptor, cached=False)
    except OSError as error:
        if error.errno != errno.EINVAL:  # promised at open, refused at read: some network and stacked file systems
            raise
    return _read(os.open(path, flags), cached=True)


def _read(descriptor: int, *, cached: bool) -> tuple[str, os.stat_result]:
    digest = hashlib.sha256()
    try:
        found = os.fstat(descriptor)
        with mmap.mmap(-1, CHUNK) as buffer, memoryview(buffer) as view:  # aligned, as O_DIRECT asks
            at = 0
            while at < found.st_size:
                count = os.preadv(descriptor, [buffer], at)
                if not count:
                    break
                digest.update(view[:count])
                if cached:
                    os.posix_fadvise(descriptor, at, count, os.POSIX_FADV_DONTNEED)
                at += count
        return digest.hexdigest(), found
    finally:
        os.close(descriptor)
