# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets on the disk: built beside their place, given their name in one step, mended file by file."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import (
    STAGING_PREFIX,
    fsync_dir,
    replace_symlink,
    write_json,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    Ownership,
    held_open,
    lstat,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import parents_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST, ModelSpec

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def make_directory(place: Path, ownership: Ownership, *, durable: bool = True) -> None:
    """A directory of the store; an existing one is left as it is.

    :param durable: sync the directory above; otherwise the caller does.
    """
    try:
        place.mkdir()
    except FileExistsError:
        return
    ownership.apply(place)
    if durable:
        fsync_dir(place.parent)


def beside(place: Path) -> Path:
    """A new, empty directory beside ``place``, under a name that nobody mounts or reads."""
    return Path(tempfile.mkdtemp(prefix=f"{STAGING_PREFIX}{place.name}.", dir=place.parent))


def remove(path: Path) -> None:
    """Remove a file, link or directory tree; nothing there is fine. A link above it is refused, not followed."""
    if lstat(path) is None:
        return
    with held_open(path.parent) as parent:
        place = parent / path.name
        found = lstat(place)
        if found is None:
            return
        if stat.S_ISDIR(found.st_mode):
            shutil.rmtree(place)
        else:
            place.unlink()


def build(layout: Layout, model: ModelSpec, place: Path, ownership: Ownership, *, step: Callable[[str], None]) -> Path:
    """The whole new set beside its final place, durable."""
    staged = beside(place)
    ownership.apply(staged)
    directories = [staged, *(staged / parent for parent in sorted(parents_of(model)))]
    for directory in directories[1:]:
        directory.mkdir()
        ownership.apply(directory)
    # first, so that whoever removes what a killed sync has built knows which blobs it was for
    write_json(staged / MANIFEST, model.manifest, mode=ownership.file_mode)
    ownership.apply(staged / MANIFEST)
    for spec in model.files:
        step(f"link {spec.path}")
        os.link(layout.blob(spec.sha256), f"{staged}/{spec.path}", follow_symlinks=False)
    for directory in directories:
        fsync_dir(directory)
    return staged


def link(
    layout: Layout, place: Path, path: str, digest: str, ownership: Ownership, *, step: Callable[[str], None]
) -> set[Path]:
    """Make ``place/path`` a hard link to the blob, in one step where something else is there.

    Gives the directories that the caller has to sync, none where the link was there.
    """
    target, blob = place / path, layout.blob(digest)
    there, wanted = lstat(target), os.lstat(blob)
    if there is not None and (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino):
        return set()
    step(f"link {path}")
    for parent in reversed([parent for parent in target.parents if parent != place and place in parent.parents]):
        make_directory(parent, ownership)
    if there is not None and stat.S_ISDIR(there.st_mode):
        remove(target)
    temporary = target.with_name(f"{STAGING_PREFIX}{target.name}")
    remove(temporary)
    os.link(blob, temporary, follow_symlinks=False)
    temporary.rename(target)
    return {target.parent}


def activate(layout: Layout, name: str, version: str, *, now: float) -> None:
    """Point ``current`` at a version, and mark it as the one used last, after the one it follows.

    The marks order versions for collection. They are later than that of every other version also when the clock, by
    which an earlier one was given, was ahead, or when the active set got other files since.
    """
    marks = {
        other: found.st_mtime
        for other in layout.versions(name)
        if (found := lstat(layout.set_dir(name, other) / MANIFEST))
    }
    moment = max([now, *(mark + 1 for mark in marks.values())])
    before = layout.active_version(name)
    for used in [before, version] if before in marks and before != version else [version]:
        os.utime(layout.set_dir(name, used) / MANIFEST, (moment, moment), follow_symlinks=False)
        moment += 1
    replace_symlink(layout.current(name), version)


def put(staged: Path, place: Path) -> None:
    """Give a staged set its name. Where one is there, both change places in one step, and the old one can be collected.

    File systems without that step (renameat2(2), RENAME_EXCHANGE; since Linux 3.15, ZFS since 2.2) get two renames; a
    kill between them leaves no set under the name until the next sync puts it there.
    """
    if lstat(place) is None:
        staged.rename(place)
        return
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is not None:
        if (
            renameat2(_AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(place), ctypes.c_uint(_RENAME_EXCHANGE))
            == 0
        ):
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV):
            raise OSError(code, os.strerror(code), str(place))
    place.rename(beside(place))
    staged.rename(place)
