# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be removed from a store: versions beyond ``keep``, and what interrupted syncs left.

A version that is mounted into a running container or named by a release stays, whatever ``keep`` says. A blob goes with
its last set. Whoever removes holds the lock of the store, so nobody is receiving or building what is removed. Ages only
decide how long things that nobody wants are kept in case somebody wants them again: a clock that jumps costs at most a
second download, and what seems to come from the future is kept.
"""

from __future__ import annotations

import calendar
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, lstat, room_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.mounts import mounted_under
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import MANIFEST
from ansible_collections.drydock.serving.plugins.module_utils._model_store.users import read_all_records

STALE_AFTER = 24 * 3600
QUARANTINE_FOR = 30 * 24 * 3600
_HEX = re.compile(r"[0-9a-f]{64}")
_TIME = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Kept:
    """A version beyond ``keep`` that stays, and why."""

    name: str
    version: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """What is removed.

    :param versions: ``(name, version)`` of sets beyond ``keep``.
    :param leftovers: staging directories, parts nobody waits for, blobs no set links, old quarantine.
    :param kept: what would go, but is still needed.
    :param size: bytes that come free.
    :param notices: what needs attention although nothing fails.
    """

    versions: tuple[tuple[str, str], ...] = ()
    leftovers: tuple[Path, ...] = ()
    kept: tuple[Kept, ...] = ()
    size: int = 0
    notices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.versions or self.leftovers)


def plan_collection(
    layout: Layout,
    *,
    keep: int,
    wanted: frozenset[str],
    replaced: Sequence[Path],
    active: Mapping[str, str],
    releases: Path | None,
    now: float,
) -> Collection:
    """Find what may go.

    :param keep: versions of each model that stay, the wanted one included.
    :param wanted: digests that stay in any case.
    :param replaced: sets of a wanted version that give way to other files; not listed, but counted in the size.
    :param active: the wanted version of each model that is managed in this call; other models keep all versions.
    """
    beyond = [pair for name, version in active.items() for pair in _beyond(layout, name, version, keep)]
    staging = list(_staging(layout))
    mounted = mounted_under(layout.root) if beyond or staging or replaced else frozenset()
    kept, notices = _needed(layout, beyond, mounted, releases)
    notices += _given_way(layout, replaced, releases)
    going = [pair for pair in beyond if pair not in kept]
    stale = [path for path in staging if not _in_use(path, mounted)]
    files = [*_stale_parts(layout, wanted, now), *_orphans(layout, wanted, now), *_old_quarantine(layout, now)]
    trees = [layout.set_dir(*pair) for pair in going] + stale
    trees += [path for path in replaced if not _in_use(path, mounted)]
    return Collection(
        versions=tuple(going),
        leftovers=(*stale, *files),
        kept=tuple(kept.values()),
        size=_freed_by_trees(layout, trees, wanted)
        + sum(room_of(found) for path in files if (found := lstat(path)) is not None),
        notices=notices,
    )


def still_unused(layout: Layout, collection: Collection, releases: Path | None) -> Collection:
    """The same, less the versions that came into use since it was planned; fetching may have taken hours."""
    if not collection.versions:
        return collection
    kept, _notices = _needed(layout, collection.versions, mounted_under(layout.root), releases)
    return replace(
        collection,
        versions=tuple(pair for pair in collection.versions if pair not in kept),
        kept=(*collection.kept, *kept.values()),
    )


def _given_way(layout: Layout, replaced: Sequence[Path], releases: Path | None) -> tuple[str, ...]:
    """Warnings about sets that somebody counts on, and that get other files under the same version."""
    recorded = read_all_records(layout, releases).versions if replaced else {}
    named = [(path, recorded.get((path.parent.name, path.name))) for path in replaced]
    return tuple(
        f"{path.parent.name} {path.name} gets other files under the same version, and that version is {why}: going "
        "back to the old files will find the new. Next step: give changed files a new version."
        for path, why in named
        if why is not None
    )


def _needed(
    layout: Layout, versions: Sequence[tuple[str, str]], mounted: frozenset[Path], releases: Path | None
) -> tuple[dict[tuple[str, str], Kept], tuple[str, ...]]:
    """Which of these versions have to stay, and warnings about records that cannot be read."""
    if not versions:
        return {}, ()
    recorded = read_all_records(layout, releases)
    kept = {}
    for pair in versions:
        if _in_use(layout.set_dir(*pair), mounted):
            kept[pair] = Kept(*pair, "mounted by a running container")
        elif pair in recorded.versions:
            kept[pair] = Kept(*pair, recorded.versions[pair])
        elif recorded.unreadable:
            kept[pair] = Kept(*pair, "a record of a release cannot be read")
    notices = tuple(
        f"{path} cannot be read, so that nobody knows which models that release needs; no version was removed. "
        "Next step: restore the file from a backup, or remove that release."
        for path in recorded.unreadable
    )
    return kept, notices


def quarantine_name(sha256: str, now: float) -> str:
    """The name a damaged blob gets."""
    return f"{sha256}.{time.strftime(_TIME, time.gmtime(now))}"


def _in_use(place: Path, mounted: frozenset[Path]) -> bool:
    return any(path == place or place in path.parents for path in mounted)


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _beyond(layout: Layout, name: str, version: str, keep: int) -> list[tuple[str, str]]:
    """The versions of one model that are too many, newest use kept first."""
    current = layout.active_version(name)
    others = []
    for place in _entries(layout.sets / name):
        manifest = lstat(place / MANIFEST)
        if place.name.startswith(STAGING_PREFIX) or place.name == version or place.is_symlink() or manifest is None:
            continue
        others.append((place.name == current, manifest.st_mtime_ns, place.name))
    return [(name, other) for _current, _used, other in sorted(others, reverse=True)[keep - 1 :]]


def _staging(layout: Layout) -> Iterator[Path]:
    """What a killed sync was building or removing. Whoever removes it holds the lock, so nobody works in it."""
    for directory in (*layout.models(), layout.state):
        yield from (path for path in _entries(directory) if path.name.startswith(STAGING_PREFIX))


def _stale_parts(layout: Layout, wanted: frozenset[str], now: float) -> Iterator[Path]:
    for path in _entries(layout.partial):
        found = lstat(path)
        digest = path.name.split(".")[0]
        complete = lstat(layout.blob(digest)) is not None if _HEX.fullmatch(digest) else False
        if found is not None and (complete or (digest not in wanted and now - found.st_mtime > STALE_AFTER)):
            yield path


def _orphans(layout: Layout, wanted: frozenset[str], now: float) -> Iterator[Path]:
    """Blobs that no set links: fetched by a sync that failed, and not wanted any more."""
    for directory in _entries(layout.blobs):
        for path in _entries(directory):
            found = lstat(path)
            if found is None or path.name in wanted or not _HEX.fullmatch(path.name) or not stat.S_ISREG(found.st_mode):
                continue
            if found.st_nlink == 1 and now - max(found.st_mtime, found.st_ctime) > STALE_AFTER:
                yield path


def _old_quarantine(layout: Layout, now: float) -> Iterator[Path]:
    for path in _entries(layout.quarantine):
        try:
            since = calendar.timegm(time.strptime(path.name.partition(".")[2], _TIME))
        except ValueError:
            continue
        if now - since > QUARANTINE_FOR:
            yield path


def _freed_by_trees(layout: Layout, trees: list[Path], wanted: frozenset[str]) -> int:
    """Bytes of the blobs that lose their last set."""
    stays = {found.st_ino for digest in wanted if (found := lstat(layout.blob(digest))) is not None}
    links: Counter[int] = Counter()
    found_by_inode: dict[int, os.stat_result] = {}
    for tree in trees:
        for directory, _directories, names in os.walk(tree):
            for name in names:
                found = lstat(Path(directory) / name)
                if found is not None:
                    links[found.st_ino] += 1
                    found_by_inode[found.st_ino] = found
    return sum(
        room_of(found)
        for inode, found in found_by_inode.items()
        if inode not in stays and found.st_nlink - links[inode] == 1
    )
