# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as they are on the host, and what to call it when the host refuses."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

_ERRNO_KINDS = {
    errno.ENOSPC: "no_space",
    errno.EDQUOT: "no_space",
    errno.EROFS: "read_only",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
}
HOST_FAILURE_KINDS = ("io_error", "no_space", "permission_denied", "read_only")
_ADVICE = {
    "no_space": "Make room on that file system, then run again.",
    "read_only": "Remount that file system for writing, then run again.",
    "permission_denied": "Run the task with become: true; if it does, look for an immutable file (lsattr).",
    "io_error": "Look at the host's kernel log, then run again.",
}
_MOUNTED = "Something is mounted on that very path, so it cannot be replaced; change what is mounted."


@dataclass(frozen=True)
class Access:
    """Permission bits and numeric owner. None for an owner whose name the host does not know (yet)."""

    mode: int
    uid: int | None
    gid: int | None

    def as_dict(self) -> dict[str, str]:
        return {"mode": f"{self.mode:04o}", "owner": _user_name(self.uid), "group": _group_name(self.gid)}


@dataclass(frozen=True)
class FileState:
    """One regular file."""

    content: bytes
    access: Access


@dataclass(frozen=True)
class Disk:
    """The host's files, seen as they will be once an interrupted transaction is undone.

    :param files: what to believe about a path instead of looking at it; None stands for "not there".
    :param directories: likewise.
    """

    files: Mapping[str, FileState | None] = field(default_factory=dict)
    directories: Mapping[str, Access | None] = field(default_factory=dict)

    def file(self, path: str) -> FileState | None:
        """The regular file at a path, or None.

        :raises DrydockError: ``symlink`` or ``not_a_file`` when something else is there.
        """
        if path in self.files:
            return self.files[path]
        return read_file(path)

    def directory(self, path: str, *, follow: bool) -> Access | None:
        """The directory at a path, or None.

        :param follow: whether a link to a directory will do.
        :raises DrydockError: ``symlink`` or ``not_a_directory`` when something else is there.
        """
        if path in self.directories:
            return self.directories[path]
        try:
            info = Path(path).stat() if follow else Path(path).lstat()
        except FileNotFoundError:
            return None
        except NotADirectoryError as error:
            raise DrydockError("not_a_directory", f"{path}: something above it is a file.", path=path) from error
        if stat.S_ISLNK(info.st_mode):
            raise _symlink_error(path, "Declare the directory it points to instead.")
        if not stat.S_ISDIR(info.st_mode):
            raise DrydockError("not_a_directory", f"{path} is there but is no directory. Move it away.", path=path)
        return _access(info)


def read_file(path: str) -> FileState | None:
    """The regular file at a path, or None.

    :raises DrydockError: ``symlink`` or ``not_a_file`` when something else is there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _symlink_error(path, "Declare the file it points to, set follow, or remove the link.") from error
        if error.errno == errno.ENXIO:
            raise _not_a_file(path) from error
        raise
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise _not_a_file(path)
        with os.fdopen(descriptor, "rb", closefd=False) as handle:
            return FileState(content=handle.read(), access=_access(info))
    finally:
        os.close(descriptor)


def real_place(dest: str, *, follow: bool) -> str:
    """Where a file really lies: links above it are resolved, the last name only when asked for."""
    try:
        if follow:
            return str(Path(dest).resolve())
        parent, name = os.path.split(dest)
        return str(Path(parent).resolve() / name)
    except RuntimeError as error:  # Python before 3.13
        raise DrydockError("symlink", f"{dest} leads through symbolic links that form a circle.", path=dest) from error


def resolve_owner(owner: str, *, lookup: Callable[[str], int]) -> int | None:
    """The number of a user or group given by name or number; None when the host does not know the name."""
    if owner.isascii() and owner.isdigit():
        return int(owner)
    try:
        return lookup(owner)
    except KeyError:
        return None


def uid_of(name: str) -> int:
    """The number of a user. :raises KeyError: when there is none."""
    return pwd.getpwnam(name).pw_uid


def gid_of(name: str) -> int:
    """The number of a group. :raises KeyError: when there is none."""
    return grp.getgrnam(name).gr_gid


def make_state_directory(path: Path) -> None:
    """A directory only its owner can enter."""
    make_parents(path)
    path.mkdir(mode=0o700, exist_ok=True)


def make_parents(path: Path) -> None:
    """What is missing above a path, passable for all, whatever the umask; another run may be making it too."""
    for parent in reversed(path.parents):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            parent.chmod(0o755)


def os_failure(error: OSError, *, so_far: str = "") -> DrydockError:
    """A refusal by the host in words: ``no_space``, ``read_only``, ``permission_denied`` or ``io_error``.

    :param so_far: a sentence on what state things are in.
    """
    kind = _ERRNO_KINDS.get(error.errno or 0, "io_error")
    where = f" at {error.filename}" if error.filename else ""
    advice = _MOUNTED if error.errno in (errno.EBUSY, errno.EXDEV) else _ADVICE[kind]
    said = f"The host refused{where}: {os.strerror(error.errno or 0)}."
    return DrydockError(kind, " ".join(filter(None, (said, so_far, advice))), path=error.filename)


def _access(info: os.stat_result) -> Access:
    return Access(mode=stat.S_IMODE(info.st_mode), uid=info.st_uid, gid=info.st_gid)


def _symlink_error(path: str, advice: str) -> DrydockError:
    target = str(Path(path).readlink())
    return DrydockError("symlink", f"{path} is a symbolic link to {target}. {advice}", path=path, target=target)


def _not_a_file(path: str) -> DrydockError:
    return DrydockError("not_a_file", f"{path} is there but is no regular file. Move it away.", path=path)


def _user_name(uid: int | None) -> str:
    if uid is None:
        return "(not there yet)"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_name(gid: int | None) -> str:
    if gid is None:
        return "(not there yet)"
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
