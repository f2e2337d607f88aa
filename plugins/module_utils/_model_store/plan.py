# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sync would do. Everything here only reads."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import hash_file
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.collect import Collection, plan_collection
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    Ownership,
    lstat,
    require_directory,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import Receipt, receipt_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST, FileSpec, ModelSpec


@dataclass(frozen=True)
class Wishes:
    """What the store must look like.

    :param keep: versions of each model that stay, the current one included.
    :param full: hash every wanted blob, whatever its receipt says.
    """

    models: tuple[ModelSpec, ...]
    ownership: Ownership
    keep: int
    full: bool


@dataclass(frozen=True)
class Blob:
    """One wanted blob as found: ``present``, ``missing`` or ``damaged``; ``found`` says what is there instead."""

    state: str
    found: str | None = None
    receipt: Receipt | None = None


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


@dataclass(frozen=True)
class Plan:
    """The whole sync: what is fetched, quarantined, built, activated, given other owners, removed."""

    sets: tuple[SetPlan, ...]
    fetch: tuple[Wanted, ...]
    planned_bytes: int
    damaged: Mapping[str, str]
    attributes: tuple[Path, ...]
    collection: Collection
    receipts: Mapping[str, Receipt]
    receipts_stale: bool

    @property
    def changed(self) -> bool:
        return bool(
            self.fetch
            or self.damaged
            or self.attributes
            or self.collection
            or any(item.state != "unchanged" for item in self.sets)
        )


def plan_sync(layout: Layout, wishes: Wishes, *, receipts: Mapping[str, Receipt], now: float) -> Plan:
    """Compare the store with what is wanted.

    :param receipts: digests proven earlier; whatever does not match is hashed.
    :param now: seconds since the epoch, to tell leftovers from work in progress.
    """
    for directory in (
        layout.root,
        layout.root / "blobs",
        layout.blobs,
        layout.sets,
        layout.partial,
        layout.quarantine,
        layout.state,
    ):
        require_directory(directory)
    wanted = {item.sha256: (model, item) for model in wishes.models for item in model.files}
    blobs = {digest: _inspect(layout, item, receipts, full=wishes.full) for digest, (_model, item) in wanted.items()}
    fetch = tuple(
        Wanted(label=f"{model.name} {model.version}: {item.path}", sha256=digest, size=item.size, sources=item.sources)
        for digest, (model, item) in wanted.items()
        if blobs[digest].state != "present"
    )
    proven = {digest: blob.receipt for digest, blob in blobs.items() if blob.receipt is not None}
    sets = tuple(_plan_set(layout, model, blobs) for model in wishes.models)
    known = {digest: value for digest, value in receipts.items() if digest not in wanted}
    return Plan(
        sets=sets,
        fetch=fetch,
        planned_bytes=sum(max(0, item.size - layout.part(item.sha256).size()) for item in fetch),
        damaged={digest: blob.found or "" for digest, blob in blobs.items() if blob.state == "damaged"},
        attributes=tuple(_wrong_attributes(layout, wishes, sets, proven)),
        collection=plan_collection(
            layout,
            keep=wishes.keep,
            wanted=frozenset(wanted),
            replaced=[layout.set_dir(one.model.name, one.model.version) for one in sets if one.action == "replace"],
            active={model.name: model.version for model in wishes.models},
            now=now,
        ),
        receipts={**known, **proven},
        receipts_stale=any(receipts.get(digest) != value for digest, value in proven.items()),
    )


def check_room(layout: Layout, plan: Plan, *, reserve: int) -> int:
    """Bytes free on the store's file system (for ordinary users).

    :raises DrydockError: kind ``no_space``: what is to be fetched would leave less than ``reserve`` bytes.
    """
    place = layout.root
    while not place.exists():
        place = place.parent
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    missing = plan.planned_bytes + reserve - free
    if plan.planned_bytes and missing > 0:
        raise DrydockError(
            "no_space",
            f"Not enough room for the models: needs {human(plan.planned_bytes)} in {len(plan.fetch)} file(s) and "
            f"{human(reserve)} in reserve, has {human(free)} free on {_mount_point(place)} (for {layout.root}). "
            "Nothing was fetched, what serves now is untouched. "
            f"Next step: free {human(missing)} there, or lower 'reserve'.",
            needed=plan.planned_bytes,
            reserve=reserve,
            free=free,
        )
    return free


def human(size: int) -> str:
    """Bytes in powers of 1000 with one decimal, for people."""
    number = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{size} bytes" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _mount_point(path: Path) -> Path:
    place = Path(os.path.realpath(path))
    while not os.path.ismount(place):
        place = place.parent
    return place


def _inspect(layout: Layout, item: FileSpec, receipts: Mapping[str, Receipt], *, full: bool) -> Blob:
    path = layout.blob(item.sha256)
    require_directory(path.parent)
    found = lstat(path)
    if found is None:
        return Blob("missing")
    if not stat.S_ISREG(found.st_mode):
        return Blob("damaged", found="not a regular file")
    receipt = receipt_of(found)
    if not full and receipts.get(item.sha256) == receipt and found.st_size == item.size:
        return Blob("present", receipt=receipt)
    try:
        digest = hash_file(path)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise
        return Blob("damaged", found=f"unreadable ({error.strerror})")
    if digest != item.sha256:
        return Blob("damaged", found=f"sha256:{digest}, {found.st_size} bytes")
    if found.st_size != item.size:
        raise DrydockError(
            "invalid_input",
            f"{item.path}: its size is given as {item.size} bytes, but the file with the digest sha256:{digest} has "
            f"{found.st_size}. Nothing was touched. Next step: correct 'size' (or lock the models again).",
        )
    return Blob("present", receipt=receipt)


def _plan_set(layout: Layout, model: ModelSpec, blobs: Mapping[str, Blob]) -> SetPlan:
    place = layout.set_dir(model.name, model.version)
    require_directory(place.parent)
    active = layout.active_version(model.name)
    current = lstat(layout.current(model.name))
    if current is not None and not stat.S_ISLNK(current.st_mode):
        raise _not_a_link(layout.current(model.name))
    activate = active != model.version
    old = read_manifest(layout.set_dir(model.name, active)) if active and "/" not in active else None
    if not require_directory(place):
        files = tuple(_file(item, blobs[item.sha256], None, None) for item in model.files)
        return SetPlan(model, "create", activate=True, files=files, old_version=active, old_files=digests_of(old))
    present = walk(place)
    there = read_manifest(place)
    if there != model.manifest:
        files = tuple(_file(item, blobs[item.sha256], None, None) for item in model.files)
        return SetPlan(
            model, "replace", activate=activate, files=files, old_version=model.version, old_files=digests_of(there)
        )
    files = tuple(
        _file(item, blobs[item.sha256], lstat(layout.blob(item.sha256)), present.get(item.path)) for item in model.files
    )
    expected = {MANIFEST, *(item.path for item in model.files), *_parents(model)}
    extra = tuple(
        sorted(
            path
            for path in present
            if path not in expected or (path in _parents(model) and not stat.S_ISDIR(present[path].st_mode))
        )
    )
    action = "repair" if extra or any(item.state != "unchanged" for item in files) else "none"
    return SetPlan(
        model, action, activate=activate, files=files, old_version=active, old_files=digests_of(old), extra=extra
    )


def _not_a_link(path: Path) -> DrydockError:
    return DrydockError(
        "store_damaged",
        f"{path} must be a symbolic link to the version in use, but is something else. Next step: see what it is "
        f"(ls -ld {path}), move it away, run again.",
        path=str(path),
    )


def _file(spec: FileSpec, blob: Blob, blob_stat: os.stat_result | None, there: os.stat_result | None) -> FilePlan:
    """:param there: what lies under the file's name in the set."""
    if blob.state == "damaged":
        return FilePlan(spec, "repaired", found=blob.found)
    if blob.state == "missing":
        return FilePlan(spec, "fetched")
    if there is None or blob_stat is None:
        return FilePlan(spec, "linked")
    if (there.st_dev, there.st_ino) == (blob_stat.st_dev, blob_stat.st_ino):
        return FilePlan(spec, "unchanged")
    return FilePlan(spec, "repaired", found=f"another file, {there.st_size} bytes")


def _parents(model: ModelSpec) -> set[str]:
    return {str(parent) for item in model.files for parent in Path(item.path).parents if str(parent) != "."}


def read_manifest(place: Path) -> dict[str, Any] | None:
    """The manifest of a set; ``None`` where there is none or it cannot be read."""
    try:
        with os.fdopen(
            os.open(place / MANIFEST, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), encoding="utf-8"
        ) as handle:
            content = json.load(handle)
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and isinstance(content.get("files"), dict) else None


def digests_of(manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """The digests by path that a manifest names."""
    files = manifest["files"] if manifest else {}
    return {path: str(value.get("sha256")) for path, value in files.items() if isinstance(value, dict)}


def walk(place: Path) -> dict[str, os.stat_result]:
    """Everything below a directory by relative path; symbolic links are listed, never followed."""
    found: dict[str, os.stat_result] = {}
    waiting = [place]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                found[os.path.relpath(entry.path, place)] = entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
    return found


def _wrong_attributes(
    layout: Layout, wishes: Wishes, sets: Iterable[SetPlan], proven: Mapping[str, Receipt]
) -> list[Path]:
    """What is there already, stays, and is owned or permitted otherwise than asked."""
    paths = [layout.root, layout.root / "blobs", layout.blobs, layout.sets]
    paths += [path for digest in proven for path in (layout.blob(digest).parent, layout.blob(digest))]
    for item in sets:
        place = layout.set_dir(item.model.name, item.model.version)
        paths.append(place.parent)
        if item.action in ("none", "repair"):
            paths += [place, place / MANIFEST, *(place / parent for parent in _parents(item.model))]
    unique = dict.fromkeys(paths)
    return [path for path in unique if (found := lstat(path)) is not None and wishes.ownership.differs(found)]
