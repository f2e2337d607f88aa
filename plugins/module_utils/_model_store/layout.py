# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything of a model store lies, and who owns it.

::

    blobs/sha256/ab/<hex>          verified bytes, read-only, named by their digest
    sets/<name>/<version>/<path>   hard links to blobs, with manifest.json; what containers mount
    sets/<name>/current            symbolic link to the version in use
    partial/<hex>.part, .json      bytes still arriving, and the validator they came under
    quarantine/<hex>.<time>        blobs whose bytes no longer matched their name
    state/receipts.json            what the blobs looked like when they were last hashed
    state/scrub.json               when each blob was last read from end to end
    state/refused.json             files that came and were refused for their format
    state/users.json               which stacks sync into it, and what each wanted last
    state/status.json              how far the sync is that runs now
    state/lock
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import CURRENT

OPEN = Path("/proc/self/fd")


@dataclass(frozen=True)
class Layout:
    """Paths of one store."""

    root: Path

    @property
    def blobs(self) -> Path:
        return self.root / "blobs" / "sha256"

    @property
    def sets(self) -> Path:
        return self.root / "sets"

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def receipts(self) -> Path:
        return self.state / "receipts.json"

    @property
    def scrub(self) -> Path:
        return self.state / "scrub.json"

    @property
    def refused(self) -> Path:
        return self.state / "refused.json"

    @property
    def users(self) -> Path:
        return self.state / "users.json"

    @property
    def status(self) -> Path:
        return self.state / "status.json"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    def blob(self, sha256: str) -> Path:
        return self.blobs / sha256[:2] / sha256

    def part(self, sha256: str) -> PartFiles:
        return PartFiles(data=self.partial / f"{sha256}.part", sidecar=self.partial / f"{sha256}.json")

    def set_dir(self, name: str, version: str) -> Path:
        return self.sets / name / version

    def current(self, name: str) -> Path:
        return self.sets / name / CURRENT

    def versions(self, name: str) -> set[str]:
        """The versions of a model that are there, whole or not."""
        try:
            with os.scandir(self.sets / name) as entries:
                return {
                    entry.name
                    for entry in entries
                    if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(STAGING_PREFIX)
                }
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def models(self) -> list[Path]:
        """The directories of all models; a link that somebody put among them is none."""
        try:
            with os.scandir(self.sets) as entries:
                return sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def active_version(self, name: str) -> str | None:
        """The version ``current`` points at."""
        try:
            return str(self.current(name).readlink())
        except OSError:
            return None


@dataclass(frozen=True)
class Ownership:
    """Who owns blobs and sets, and with which permission bits. -1 leaves an owner as it is."""

    uid: int
    gid: int
    file_mode: int

    @property
    def directory_mode(self) -> int:
        """Who may read files may enter directories; the owner may write."""
        return 0o700 | self.file_mode | (self.file_mode & 0o444) >> 2

    def differs(self, found: os.stat_result) -> bool:
        """Is this file or directory owned or permitted otherwise?"""
        mode = self.directory_mode if stat.S_ISDIR(found.st_mode) else self.file_mode
        return (
            stat.S_IMODE(found.st_mode) != mode
            or self.uid not in (-1, found.st_uid)
            or self.gid not in (-1, found.st_gid)
        )

    def apply(self, path: Path) -> None:
        """Set owner, then mode; a symbolic link, also among the directories above, is refused rather than followed."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_place(descriptor, path)
            mode = self.directory_mode if stat.S_ISDIR(os.fstat(descriptor).st_mode) else self.file_mode
            if self.uid != -1 or self.gid != -1:
                os.fchown(descriptor, self.uid, self.gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def held_open(directory: Path) -> Iterator[Path]:
    """Another name for a directory, good as long as the block, that means it whatever somebody puts in its place.

    :raises DrydockError: a symbolic link is on the way to it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _require_place(descriptor, directory)
        yield OPEN / str(descriptor) if OPEN.exists() else directory
    finally:
        os.close(descriptor)


def _require_place(descriptor: int, path: Path) -> None:
    """Who owns a set may exchange its directories for links while root works in them; what is open tells its place."""
    if not OPEN.exists():  # in a bare chroot, where an image is built and no other user works
        return
    found = str((OPEN / str(descriptor)).readlink())
    if found != str(path):
        raise DrydockError(
            "store_damaged",
            f"{path} leads to {found}: a symbolic link was put among the directories of the model store while it was "
            "being changed. Nothing was done there. Next step: see who did that (ls -l), remove the link, run again.",
            path=str(path),
        )


def lstat(path: Path) -> os.stat_result | None:
    """``os.lstat``, or ``None`` where nothing is."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def room_of(found: os.stat_result) -> int:
    """Bytes that a file takes on the disk: less than its length while it arrives in pieces, with holes between."""
    return min(found.st_size, found.st_blocks * 512)


def require_directory(path: Path) -> bool:
    """True where a real directory is, false where nothing is.

    :raises DrydockError: a file or a symbolic link is in its place; writing through it could leave the store.
    """
    found = lstat(path)
    if found is None:
        return False
    if not stat.S_ISDIR(found.st_mode):
        raise DrydockError(
            "store_damaged",
            f"{path} must be a directory of the model store, but is something else. Next step: see who put it there "
            f"(ls -l {path}), move it away, run again.",
            path=str(path),
        )
    return True
