# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing what is wanted with what is there. Only reads; the result is everything a run would do."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import DirectorySpec, FileSpec, TreeSpec
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import (
    Access,
    Disk,
    FileState,
    gid_of,
    real_place,
    resolve_owner,
    uid_of,
)

MANIFEST_SCHEMA = 1
CREATED, CHANGED, ATTRIBUTES, REMOVED, UNCHANGED = "created", "changed", "attributes", "removed", "unchanged"
PARENT_MODE = 0o755


@dataclass(frozen=True)
class FileChange:
    """One file that will be replaced (``after`` given) or removed (``after`` None).

    :param dest: the name the operator gave.
    :param place: where it really lies.
    :param keep: whether the old file stays beside it under a dated name.
    :param hidden: its content must not be shown.
    """

    dest: str
    place: str
    state: str
    before: FileState | None
    after: FileState | None
    wakes: tuple[str, ...]
    validate: tuple[str, ...] = ()
    keep: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class DirectoryChange:
    """One directory that will be created (``before`` None) or given other attributes."""

    path: str
    before: Access | None
    after: Access

    @property
    def state(self) -> str:
        return CREATED if self.before is None else ATTRIBUTES


@dataclass
class Plan:
    """What a run would do, in order. ``unchanged`` names the wanted files that are as they should be."""

    files: list[FileChange] = field(default_factory=list)
    directories: list[DirectoryChange] = field(default_factory=list)
    unchanged: list[FileSpec] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return bool(self.files or self.directories)


def plan_tree(tree: TreeSpec, disk: Disk, manifest: Mapping[str, Any], *, check: bool) -> Plan:
    """Compare the wanted tree with the host.

    :param manifest: what the tree owned after its last run.
    :param check: a name of a user or group that does not exist yet is a warning then, not a failure.
    :raises DrydockError: ``symlink``, ``not_a_file``, ``not_a_directory``, ``unknown_owner``, ``bad_input``.
    """
    planner = _Planner(disk, manifest.get("files", {}), check=check)
    for directory in sorted(tree.directories, key=lambda entry: entry.path):  # what is above comes first
        planner.directory(directory)
    for spec in tree.files:
        planner.file(spec)
    for dest in sorted(set(planner.owned) - {spec.dest for spec in tree.files}):
        planner.removal(dest)
    planner.plan.manifest = _new_manifest(tree)
    return planner.plan


def load_manifest(path: Path) -> dict[str, Any]:
    """What the tree owned after its last run; empty before its first.

    :raises DrydockError: ``manifest_unreadable``.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError:
        value = None
    if isinstance(value, dict) and value.get("schema") == MANIFEST_SCHEMA and isinstance(value.get("files"), dict):
        return value
    raise DrydockError(
        "manifest_unreadable",
        f"{path} should list the files this tree owns but cannot be read as such. Restore it, or remove it: "
        "files that are no longer declared then stay where they are.",
        path=str(path),
    )


def digest(content: bytes) -> str:
    """The fingerprint by which a file is known again."""
    return hashlib.sha256(content).hexdigest()


def _new_manifest(tree: TreeSpec) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "name": tree.name,
        "files": {
            spec.dest: {
                # A fingerprint of a secret would let its guesser check the guess.
                "sha256": None if spec.no_log else digest(spec.content),
                "no_log": spec.no_log,
                "wakes": list(spec.wakes),
            }
            for spec in tree.files
        },
    }


class _Planner:
    def __init__(self, disk: Disk, owned: Mapping[str, Any], *, check: bool) -> None:
        self.plan = Plan()
        self.owned = owned
        self._disk = disk
        self._check = check
        self._places: dict[str, str] = {}  # where each declared file lies -> its declared name
        self._known: set[str] = set()  # directories already looked at

    def directory(self, spec: DirectorySpec) -> None:
        wanted = self._access(spec, spec.path)
        self._parents(spec.path)
        before = self._disk.directory(spec.path, follow=False)
        self._known |= {spec.path, real_place(spec.path, follow=False)}
        if before != wanted:
            self.plan.directories.append(DirectoryChange(path=spec.path, before=before, after=wanted))

    def file(self, spec: FileSpec) -> None:
        place = real_place(spec.dest, follow=spec.follow)
        if place in self._places:
            other = self._places[place]
            raise DrydockError(
                "bad_input", f"{spec.dest} and {other} are one file: both lead to {place}.", dest=spec.dest
            )
        self._places[place] = spec.dest
        self._parents(place)
        after = FileState(content=spec.content, access=self._access(spec, spec.dest))
        before = self._disk.file(place)
        if before == after:
            self.plan.unchanged.append(spec)
            return
        kind = _kind(before, after)
        self.plan.files.append(
            FileChange(
                dest=spec.dest,
                place=place,
                state=kind,
                before=before,
                after=after,
                wakes=spec.wakes,
                validate=() if kind == ATTRIBUTES else spec.validate,
                keep=spec.backup and before is not None,
                hidden=spec.no_log or bool(self.owned.get(spec.dest, {}).get("no_log")),
            )
        )

    def removal(self, dest: str) -> None:
        place = real_place(dest, follow=False)
        if place in self._places:
            return
        try:
            before = self._disk.file(place)
        except DrydockError as error:
            self.plan.warnings.append(f"{dest} is no longer declared; it stays, as it is not ours: {error.message}")
            return
        if before is None:
            return
        owned = self.owned[dest]
        edited = owned.get("sha256") is not None and digest(before.content) != owned["sha256"]
        self.plan.files.append(
            FileChange(
                dest=dest,
                place=place,
                state=REMOVED,
                before=before,
                after=None,
                wakes=tuple(owned.get("wakes", ())),
                keep=edited,  # someone's work is in it
                hidden=bool(owned.get("no_log")),
            )
        )

    def _parents(self, path: str) -> None:
        """Missing directories on the way are created too: readable by all, owned by who runs this."""
        for parent in reversed([str(parent) for parent in Path(path).parents]):
            if parent in self._known:
                continue
            self._known.add(parent)
            if self._disk.directory(parent, follow=True) is None:
                access = Access(mode=PARENT_MODE, uid=os.geteuid(), gid=os.getegid())
                self.plan.directories.append(DirectoryChange(path=parent, before=None, after=access))

    def _access(self, spec: FileSpec | DirectorySpec, path: str) -> Access:
        uid = resolve_owner(spec.owner, lookup=uid_of)
        gid = resolve_owner(spec.group, lookup=gid_of)
        for kind, name, number in (("user", spec.owner, uid), ("group", spec.group, gid)):
            if number is not None:
                continue
            message = f"{path}: there is no {kind} {name!r} on this host"
            if not self._check:
                raise DrydockError("unknown_owner", f"{message}. Create it in an earlier task.", path=path, name=name)
            self.plan.warnings.append(f"{message}; in a real run an earlier task has to create it")
        return Access(mode=spec.mode, uid=uid, gid=gid)


def _kind(before: FileState | None, after: FileState) -> str:
    if before is None:
        return CREATED
    return ATTRIBUTES if before.content == after.content else CHANGED
