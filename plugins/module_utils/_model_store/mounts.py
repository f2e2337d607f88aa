# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of a store are mounted somewhere, above all into running containers.

Removing such a directory would take the files away from a container that serves from it. The kernel tells for every
process what is mounted where and from which directory (proc_pid_mountinfo(5), fields 3 to 5), whoever mounted it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_ESCAPE = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class _Mount:
    device: str
    source: str
    target: str


def mounted_under(root: Path, *, proc: Path = PROC) -> frozenset[Path]:
    """The directories at or below ``root`` that are the source of a mount in any process's view."""
    own = list(_mounts(proc / "self" / "mountinfo"))
    home = _holding(root, own)
    if home is None:
        return frozenset()
    prefix = _inside(home, root)
    found = set()
    for mount in _all_mounts(proc):
        if mount.device == home.device and (
            mount.source == prefix or mount.source.startswith(f"{prefix.rstrip('/')}/")
        ):
            found.add(root / os.path.relpath(mount.source, prefix))
    return frozenset(path for path in found if path != root)


def _holding(path: Path, mounts: list[_Mount]) -> _Mount | None:
    """The mount a path is on: the longest mount point above it, of equals the last."""
    holding = [mount for mount in mounts if f"{path}/".startswith(f"{mount.target.rstrip('/')}/")]
    return max(enumerate(holding), key=lambda pair: (len(pair[1].target), pair[0]))[1] if holding else None


def _inside(mount: _Mount, path: Path) -> str:
    """A path as its file system knows it, whatever part of that is mounted here."""
    return os.path.normpath(Path(mount.source) / os.path.relpath(path, mount.target))


def _all_mounts(proc: Path) -> Iterator[_Mount]:
    seen = set()
    for process in proc.iterdir():
        if not process.name.isdigit():
            continue
        try:
            namespace = (process / "ns" / "mnt").readlink()
        except OSError:  # an ordinary user may read of another's process what is mounted, but not this
            namespace = process
        if namespace not in seen:
            seen.add(namespace)
            yield from _mounts(process / "mountinfo")


def _mounts(path: Path) -> Iterator[_Mount]:
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        fields = line.split(" ")
        if len(fields) > 4:
            source, target = (_ESCAPE.sub(lambda code: chr(int(code[1], 8)), field) for field in fields[3:5])
            yield _Mount(device=fields[2], source=source, target=target)
