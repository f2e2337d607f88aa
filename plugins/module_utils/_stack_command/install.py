# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the command of a stack where people's shells find it, and nothing else in its place."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import (
    Access,
    FileState,
    make_parents,
    read_file,
)

INTERPRETER = "#!/usr/bin/python3 -I"  # the distribution's, as its packages; nothing of the caller's environment
MODE = 0o755
SEARCHED = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_OURS = re.compile(
    rb"#![^\n]*\n# drydock\.serving: the command of the stack (?P<stack>[a-z0-9-]+), "
    rb"version (?P<version>[^,\n]+), sha256 (?P<digest>[0-9a-f]{64})\n"
)


def header(name: str, *, version: str, digest: str) -> bytes:
    """What stands before the archive: what runs it, and whose it is."""
    line = f"# drydock.serving: the command of the stack {name}, version {version}, sha256 {digest}"
    return f"{INTERPRETER}\n{line}\n".encode()


@dataclass(frozen=True)
class Plan:
    """What is there and what shall be. ``content`` is None where nothing shall be."""

    path: Path
    before: FileState | None
    content: bytes | None
    access: Access

    @property
    def changed(self) -> bool:
        after = None if self.content is None else FileState(content=self.content, access=self.access)
        return self.before != after

    def diff(self) -> dict[str, str]:
        after = None if self.content is None else FileState(content=self.content, access=self.access)
        return {
            "before_header": str(self.path),
            "after_header": str(self.path),
            "before": _told(self.before),
            "after": _told(after),
        }


def make_plan(name: str, content: bytes | None, *, directory: Path, searched: Sequence[str] = SEARCHED) -> Plan:
    """Look what is there.

    :param content: the file; None to have it removed.
    :param searched: where programs of the same name would be hidden by it, or hide it.
    :raises DrydockError: ``command_foreign``, ``program_shadowed``, ``symlink``, ``not_a_file``.
    """
    path = directory / name
    before = read_file(str(path))
    if before is not None and not _OURS.match(before.content):
        raise DrydockError(
            "command_foreign",
            f"{path} is there and was not written by this collection. It was not touched. Move it away, rename the "
            "stack, or do without the command (stack_command_enabled: false).",
            path=str(path),
        )
    other = _other(path, searched) if content is not None else None
    if other is not None:
        raise DrydockError(
            "program_shadowed",
            f"{other} is a program of the stack's name: {path} would take its place in people's shells and scripts, or "
            "the other way round. Nothing was written. Rename the stack, or do without the command "
            "(stack_command_enabled: false).",
            path=other,
        )
    return Plan(path=path, before=before, content=content, access=Access(mode=MODE, uid=os.geteuid(), gid=os.getegid()))


def _other(path: Path, searched: Sequence[str]) -> str | None:
    """Another program of this name. Directories that are links to the same place are one."""
    for folder in searched:
        found = Path(folder, path.name)
        if found.is_file() and os.access(found, os.X_OK) and found.resolve() != path.resolve():
            return str(found)
    return None


def execute(plan: Plan) -> None:
    """Write or remove the file.

    :raises OSError: the host refuses.
    """
    if plan.content is None:
        plan.path.unlink(missing_ok=True)
        return
    make_parents(plan.path)
    write_atomic(
        plan.path,
        plan.content,
        mode=plan.access.mode,
        uid=-1 if plan.access.uid is None else plan.access.uid,
        gid=-1 if plan.access.gid is None else plan.access.gid,
    )


def _told(state: FileState | None) -> str:
    """Which one it is, in a line; an archive is nothing to read."""
    if state is None:
        return ""
    found = _OURS.match(state.content)
    what = (
        "unknown"
        if found is None
        else "version {version}, sha256 {digest}".format_map(
            {key: value.decode("ascii", "replace") for key, value in found.groupdict().items()}
        )
    )
    access = state.access.as_dict()
    return f"{what}, {len(state.content)} bytes, mode {access['mode']}, {access['owner']}:{access['group']}\n"
