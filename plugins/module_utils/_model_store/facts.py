# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a store holds, told from names and sizes alone: nothing is hashed, nothing is written, nobody is waited for."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import (
    Layout,
    lstat,
    require_directory,
    room_of,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.mounts import mounted_under
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import read_manifest
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST, check_path

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Use:
    """Where a set has a blob: ``path`` in this version of this model."""

    name: str
    version: str
    path: str


@dataclass(frozen=True)
class Contents:
    """A store as it is while nobody looks twice; another process may be changing it.

    :param blobs: what lies under each digest.
    :param sets: the manifest of each version, by name and version; ``None`` where it cannot be read.
    """

    blobs: Mapping[str, os.stat_result]
    sets: Mapping[tuple[str, str], Mapping[str, Any] | None]

    def uses(self) -> dict[str, list[Use]]:
        """Every place in a set, by digest."""
        found: dict[str, list[Use]] = {}
        for (name, version), manifest in self.sets.items():
            for path, value in files_of(manifest).items():
                found.setdefault(str(value.get("sha256")), []).append(Use(name, version, path))
        return found


def files_of(manifest: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """Digest and size by path, of the paths that stay inside the set."""
    files = manifest["files"] if manifest else {}
    return {path: value for path, value in files.items() if isinstance(value, dict) and check_path(path) is None}


def look(layout: Layout) -> Contents:
    """Read names, sizes and manifests. :raises DrydockError: a link stands in the place of a directory of the store."""
    for directory in (layout.root, layout.root / "blobs", layout.blobs, layout.sets, layout.partial, layout.quarantine):
        require_directory(directory)
    versions = {
        (model.name, version): read_manifest(model / version)
        for model in layout.models()
        for version in sorted(layout.versions(model.name))
    }
    versions = {pair: manifest for pair, manifest in versions.items() if manifest or lstat(layout.set_dir(*pair))}
    return Contents(blobs=dict(_blobs(layout)), sets=versions)


def facts(layout: Layout, contents: Contents) -> dict[str, Any]:
    """The contents in the words of the result."""
    mounted = mounted_under(layout.root) if contents.sets else frozenset()
    names = sorted({name for name, _version in contents.sets})
    return {
        "sets": [_model(layout, contents, name, mounted) for name in names],
        "blobs": _count(contents.blobs.values()),
        "partial": _count(_files(layout.partial)),
        "quarantine": _count(_files(layout.quarantine)),
        "damaged": list(_broken(layout, contents)),
    }


def _model(layout: Layout, contents: Contents, name: str, mounted: frozenset[Path]) -> dict[str, Any]:
    versions = []
    for (other, version), manifest in contents.sets.items():
        if other == name:
            place, files = layout.set_dir(name, version), files_of(manifest)
            sizes = [value.get("size") for value in files.values()]
            versions.append(
                {
                    "version": version,
                    "files": len(files),
                    "bytes": sum(size for size in sizes if isinstance(size, int)),
                    "mounted": any(path == place or place in path.parents for path in mounted),
                }
            )
    return {"name": name, "current": layout.active_version(name), "versions": versions}


def _broken(layout: Layout, contents: Contents) -> Iterator[dict[str, Any]]:
    """Files of sets that are not what their manifest says, as far as names and sizes can tell."""
    for (name, version), manifest in contents.sets.items():
        if manifest is None:
            yield _damage(None, "its manifest is missing or cannot be read", [Use(name, version, MANIFEST)])
    for digest, uses in contents.uses().items():
        blob = contents.blobs.get(digest)
        for use in uses:
            found = _what_is_wrong(layout.set_dir(use.name, use.version) / use.path, blob)
            if found and lstat(layout.set_dir(use.name, use.version)):  # collected while we looked
                yield _damage(digest, found, [use])


def _what_is_wrong(path: Path, blob: os.stat_result | None) -> str | None:
    there = lstat(path)
    if there is None:
        return "missing"
    if blob is None:
        return "no longer in the store under its digest; it was quarantined, or somebody removed it"
    if (there.st_dev, there.st_ino) != (blob.st_dev, blob.st_ino):
        return f"another file, {there.st_size} bytes"
    return None


def _damage(digest: str | None, found: str, uses: list[Use], moved_to: str | None = None) -> dict[str, Any]:
    return {
        "checksum": f"sha256:{digest}" if digest else None,
        "found": found,
        "moved_to": moved_to,
        "sets": [{"name": use.name, "version": use.version, "path": use.path} for use in uses],
    }


def rotten(digest: str, found: str, uses: list[Use], moved_to: Path | None) -> dict[str, Any]:
    """A blob whose bytes are wrong, in the same words.

    :param moved_to: where it is now; ``None`` where it still is in its place.
    """
    return _damage(digest, found, uses, str(moved_to) if moved_to else None)


def _blobs(layout: Layout) -> Iterator[tuple[str, os.stat_result]]:
    for prefix in _directories(layout.blobs):
        with os.scandir(layout.blobs / prefix) as entries:
            for entry in entries:
                if _HEX.fullmatch(entry.name) and entry.name.startswith(prefix):
                    try:
                        yield entry.name, entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue


def _files(directory: Path) -> Iterator[os.stat_result]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry.stat(follow_symlinks=False) for entry in entries)
    except FileNotFoundError:
        return


def _directories(directory: Path) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _count(found: Any) -> dict[str, int]:
    files = [one for one in found if stat.S_ISREG(one.st_mode)]
    return {"count": len(files), "bytes": sum(room_of(one) for one in files)}
