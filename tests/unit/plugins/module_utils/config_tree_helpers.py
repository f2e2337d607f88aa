# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Helpers for tests of trees: build one below a temporary directory, and see exactly what lies there."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_spec as spec
from ansible_collections.drydock.serving.plugins.module_utils._config_tree import converge
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_apply import Tools
from ansible_collections.drydock.serving.plugins.module_utils._reader import Verdict

OWNER = {"owner": str(os.getuid()), "group": str(os.getgid())}


def file(dest: Path, content: str = "text\n", **changes: Any) -> spec.FileSpec:
    values: dict[str, Any] = {
        "dest": str(dest),
        "content": content.encode("utf-8"),
        "mode": 0o644,
        "validate": (),
        "wakes": (),
        "no_log": False,
        "backup": False,
        "follow": False,
    }
    return spec.FileSpec(**{**values, **OWNER, **changes})


def directory(path: Path, mode: int = 0o755) -> spec.DirectorySpec:
    return spec.DirectorySpec(path=str(path), mode=mode, **OWNER)


def tree(root: Path, *files: spec.FileSpec, **changes: Any) -> spec.TreeSpec:
    values: dict[str, Any] = {
        "name": "demo",
        "files": files,
        "directories": (),
        "checks": (),
        "state_directory": str(root / "state"),
        "timeout": 5.0,
        "lock_timeout": 0.0,
    }
    return spec.TreeSpec(**{**values, **changes})


def run(wanted: spec.TreeSpec, *, check: bool = False, diff: bool = True, tools: Tools | None = None) -> dict[str, Any]:
    return converge(wanted, check=check, diff=diff, tools=tools).result


def states(result: dict[str, Any]) -> dict[str, str]:
    """Base name -> state."""
    return {Path(entry["dest"]).name: entry["state"] for entry in result["files"]}


def snapshot(root: Path, *, identity: bool = False) -> dict[str, tuple[Any, ...]]:
    """Everything below ``root``: kind, mode, owner, content; with ``identity`` also inode and time of each file."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        entry: tuple[Any, ...] = (stat.filemode(info.st_mode), info.st_uid, info.st_gid)
        if stat.S_ISLNK(info.st_mode):
            entry = (*entry, str(path.readlink()))
        elif stat.S_ISREG(info.st_mode):
            entry = (*entry, path.read_bytes())
            if identity:
                entry = (*entry, info.st_ino, info.st_mtime_ns, info.st_nlink)
        found[str(path.relative_to(root))] = entry
    return found


def answers(rc: int, output: str = "") -> Tools:
    """Tools whose every reader says the same."""

    def ask(argv: Sequence[str], timeout: float) -> Verdict:
        return Verdict(rc=rc, output=output)

    return Tools(ask=ask)
