# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One set as it is and as it should be: which files are there, which are missing, foreign or damaged. Only reads."""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.blobs import Blob
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    lstat,
    require_directory,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST, FileSpec, ModelSpec

_HEX = re.compile(r"[0-9a-f]{64}")
# A manifest with ten thousand files takes two; nobody makes root read more.
LONGEST_JSON = 64 * 1024 * 1024


@dataclass(frozen=True)
class FilePlan:
    """One file of a set: ``unchanged``, ``fetched``, ``linked`` (the bytes are there) or ``repaired``."""

    spec: FileSpec
    state: str
    found: str | None = None


@dataclass(frozen=True)
class SetPlan:
    """One model.

    :param action: ``none``, ``create``, ``replace`` (same version, other files) or ``repair`` (file by file).
    :param old_files: digests by path of what the new files stand against in a diff.
    :param extra: what lies in the set and does not belong there.
    """

    model: ModelSpec
    action: str
    activate: bool
    files: tuple[FilePlan, ...]
    old_version: str | None = None
    old_files: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``created``, ``replaced``, ``repaired``, ``activated`` or ``unchanged``."""
        words = {"create": "created", "replace": "replaced", "repair": "repaired"}
        return words.get(self.action, "activated" if self.activate else "unchanged")


def plan_set(layout: Layout, model: ModelSpec, blobs: Mapping[str, Blob]) -> SetPlan:
    """Compare one set with what is wanted.

    :param blobs: what the store has of the wanted digests.
    """
    place = layout.set_dir(model.name, model.version)
    require_directory(place.parent)
    active = layout.active_version(model.name)
    current = lstat(layout.current(model.name))
    if current is not None and not stat.S_ISLNK(current.st_mode):
        raise _not_a_link(layout.current(model.name))
    activate = active != model.version
    old = read_manifest(layout.set_dir(model.name, active)) if active and "/" not in active else None
    if not require_directory(place):
        return SetPlan(
            model,
            "create",
            activate=True,
            files=_all_new(model, blobs),
            old_version=active,
            old_files=digests_of(old),
        )
    there = read_manifest(place)
    if there != model.manifest:
        return SetPlan(
            model,
            "replace",
            activate=activate,
            files=_all_new(model, blobs),
            old_version=model.version,
            old_files=digests_of(there),
        )
    present = walk(place)
    files = tuple(_file(item, blobs[item.sha256], present.get(item.path)) for item in model.files)
    extra = _extra(model, present)
    action = "repair" if extra or any(item.state != "unchanged" for item in files) else "none"
    return SetPlan(
        model, action, activate=activate, files=files, old_version=active, old_files=digests_of(old), extra=extra
    )


def _all_new(model: ModelSpec, blobs: Mapping[str, Blob]) -> tuple[FilePlan, ...]:
    return tuple(_file(item, blobs[item.sha256], None) for item in model.files)


def _file(spec: FileSpec, blob: Blob, there: os.stat_result | None) -> FilePlan:
    """:param there: what lies under the file's name in the set."""
    if blob.state == "damaged":
        return FilePlan(spec, "repaired", found=blob.found)
    if blob.state == "missing" or blob.stat is None:
        return FilePlan(spec, "fetched")
    if there is None:
        return FilePlan(spec, "linked")
    if (there.st_dev, there.st_ino) == (blob.stat.st_dev, blob.stat.st_ino):
        return FilePlan(spec, "unchanged")
    return FilePlan(spec, "repaired", found=f"another file, {there.st_size} bytes")


def _extra(model: ModelSpec, present: Mapping[str, os.stat_result]) -> tuple[str, ...]:
    files, directories = {MANIFEST, *(item.path for item in model.files)}, parents_of(model)
    return tuple(
        sorted(
            path
            for path, found in present.items()
            if path not in files and not (path in directories and stat.S_ISDIR(found.st_mode))
        )
    )


def _not_a_link(path: Path) -> DrydockError:
    return DrydockError(
        "store_damaged",
        f"{path} must be a symbolic link to the version in use, but is something else. Next step: see what it is "
        f"(ls -ld {path}), move it away, run again.",
        path=str(path),
    )


def parents_of(model: ModelSpec) -> set[str]:
    """The directories inside a set, relative to it."""
    found: set[str] = set()
    for item in model.files:
        parent = item.path.rpartition("/")[0]
        while parent and parent not in found:
            found.add(parent)
            parent = parent.rpartition("/")[0]
    return found


def read_manifest(place: Path) -> dict[str, Any] | None:
    """The manifest of a set; ``None`` where there is none or it cannot be read."""
    content = read_json(place / MANIFEST)
    return content if isinstance(content, dict) and isinstance(content.get("files"), dict) else None


def read_json(path: Path) -> Any:
    """What a file says; ``None`` where it cannot be read. Neither a link nor a pipe in its place holds anybody up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="utf-8") as handle:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size > LONGEST_JSON:
                return None
            return json.load(handle)
    except (OSError, ValueError, RecursionError):
        return None


def digests_of(manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """The digests by path that a manifest names. Whoever owns a set can write one, so only digests pass for digests."""
    files = manifest["files"] if manifest else {}
    named = {path: str(value.get("sha256")) for path, value in files.items() if isinstance(value, dict)}
    return {path: digest for path, digest in named.items() if _HEX.fullmatch(digest)}


def walk(place: Path) -> dict[str, os.stat_result]:
    """Everything below a directory by relative path; symbolic links are listed, never followed.

    What goes while it is looked at is not there: a sync may be at work, and who plans first does not wait for it.
    """
    found: dict[str, os.stat_result] = {}
    waiting = [("", str(place))]
    while waiting:
        prefix, directory = waiting.pop()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    found[prefix + entry.name] = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((f"{prefix}{entry.name}/", entry.path))
    return found
