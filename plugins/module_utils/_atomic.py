# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and links that appear whole or not at all, also when the power goes.

Every function stages beside the final name (same file system), syncs, renames, and syncs the directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

STAGING_PREFIX = ".drydock-"


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stage(dest: Path, content: bytes, *, mode: int, uid: int = -1, gid: int = -1) -> Path:
    """Write ``content`` to a new, synced file beside ``dest`` and return its path; the caller renames or removes it.

    :param mode: permission bits, set before any content is written.
    :param uid: numeric owner, -1 to leave it.
    :param gid: numeric group, -1 to leave it.
    """
    descriptor, name = tempfile.mkstemp(prefix=STAGING_PREFIX + dest.name + ".", dir=str(dest.parent))
    staged = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            if uid != -1 or gid != -1:
                os.fchown(handle.fileno(), uid, gid)
            os.fchmod(handle.fileno(), mode)
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        raise
    return staged


def write_atomic(dest: Path, content: bytes, *, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Give ``dest`` this content in one step: a reader sees the old or the new file, never a part."""
    staged = stage(dest, content, mode=mode, uid=uid, gid=gid)
    try:
        staged.replace(dest)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        raise
    fsync_dir(dest.parent)


def write_json(dest: Path, value: Any, *, mode: int = 0o600) -> None:
    """Write ``value`` as readable, key-sorted JSON in one step."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(dest, text.encode("utf-8"), mode=mode)


def replace_symlink(link: Path, target: str) -> bool:
    """Point ``link`` at ``target`` in one step; true when it changed."""
    if link.is_symlink() and str(link.readlink()) == target:
        return False
    temporary = link.with_name(f"{STAGING_PREFIX}{link.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    temporary.symlink_to(target)
    temporary.replace(link)
    fsync_dir(link.parent)
    return True
