# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of a stack's components: made whole or not at all, checked by the program that would read them back.

``<root>/backups/<time>-<release>/`` has a file per component, ``manifest.json`` and ``RESTORE.txt``. It has that name
once all of it is on disk and was read again; before that it ends in ``.staging``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir, write_atomic, write_json
from ansible_collections.drydock.serving.plugins.module_utils._checksum import hash_file
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import room
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import STAGING, Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import NOT_FOUND, Ended, Programs
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record
from ansible_collections.drydock.serving.plugins.module_utils._release.wishes import (
    ALWAYS,
    WHEN_MIGRATING,
    Backup,
    BackupPolicy,
)

SCHEMA = 1
MANIFEST = "manifest.json"
RESTORE = "RESTORE.txt"
MODE = 0o600
FOLDER_MODE = 0o700
EXTRA = 30.0  # seconds that `docker exec` may take besides the program in the container
TIMED_OUT = 124  # what `timeout` ends with
KILLED = 137
KILL_AFTER = 10  # seconds between asking the program in the container to end and ending it
GROWTH = 1.5  # how much larger than the last one a backup may become before it is begun
MIB = 1024 * 1024


@dataclass(frozen=True)
class Source:
    """What is copied: a component's data, by its container that runs now."""

    name: str
    container: str
    image: str
    wish: Backup
    data: Path | None

    @property
    def file(self) -> str:
        return f"{self.name}.{self.wish.extension}"


@dataclass(frozen=True)
class About:
    """What a backup's manifest says of the run that makes it. ``coming``: the release that it is made before."""

    stack: str
    serving: str
    coming: str | None
    actor: str
    reason: str


def sources(desired: Desired, current: Record | None) -> tuple[Source, ...]:
    """Components that have data to lose: those of the release that serves which know how they are copied."""
    recorded = current.containers if current else {}
    images = current.images if current else {}
    return tuple(
        Source(
            name=unit.name,
            container=str(recorded[unit.name]["name"]),
            image=str((images.get(unit.name) or {}).get("reference") or unit.image),
            wish=unit.backup,
            data=unit.data,
        )
        for unit in desired.units
        if unit.backup is not None and unit.name in recorded
    )


def wanted(desired: Desired, current: Record | None, *, migrates: bool) -> tuple[Source, ...]:
    """What a release copies before it goes on."""
    before = desired.policy.backup.before
    return sources(desired, current) if before == ALWAYS or (before == WHEN_MIGRATING and migrates) else ()


class Backups:
    """The backups of one stack.

    :param reserve: bytes that stay free on the disk; a backup that would need them is given up.
    :param tell: told what is begun.
    """

    def __init__(
        self,
        layout: Layout,
        programs: Programs,
        *,
        now: Callable[[], str],
        clock: Callable[[], float],
        reserve: int,
        tell: Callable[[str], None],
    ) -> None:
        self._layout = layout
        self._programs = programs
        self._now = now
        self._clock = clock
        self._reserve = reserve
        self._tell = tell

    def make(self, chosen: Sequence[Source], about: About, policy: BackupPolicy) -> Path:
        """Copy all of them, then forget the oldest ones. Call it while holding the lease.

        :raises DrydockError: ``backup_failed``, ``no_space``.
        :raises OSError: the disk refuses.
        """
        forget_unfinished(self._layout)
        folder = self._layout.backups
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        earlier = read_all(self._layout)
        room.require(folder, self._reserve + _foreseen(chosen, earlier), what="a backup of the stack's data")
        name = _free_name(folder, f"{self._now().replace('-', '').replace(':', '')}-{about.serving}")
        staging = folder / (name + STAGING)
        staging.mkdir(mode=FOLDER_MODE)
        try:
            told = {source.name: self._copy(source, staging, policy.timeout) for source in chosen}
            number = max((int(item["sequence"]) for item in earlier), default=0) + 1
            self._describe(staging, folder / name, number, told, about)
            staging.rename(folder / name)
        except (DrydockError, OSError):
            shutil.rmtree(staging, ignore_errors=True)
            raise
        fsync_dir(folder)
        self._forget_old(policy.keep)
        return folder / name

    def _describe(
        self, staging: Path, final: Path, number: int, told: Mapping[str, Mapping[str, Any]], about: About
    ) -> None:
        manifest = {
            "schema": SCHEMA,
            "id": final.name,
            "sequence": number,
            "stack": about.stack,
            "release": about.serving,
            "before": about.coming,
            "made": self._now(),
            "actor": about.actor,
            "reason": about.reason,
            "components": told,
        }
        write_json(staging / MANIFEST, manifest, mode=MODE)
        write_atomic(staging / RESTORE, _restore_text(manifest, final).encode(), mode=MODE)
        fsync_dir(staging)

    def _copy(self, source: Source, staging: Path, limit: float) -> dict[str, Any]:
        begun = self._clock()
        path = staging / source.file
        self._tell(f"copying the data of {source.name}")
        with open(path, "xb", opener=_private) as handle:
            ended = self._programs.save(
                self._within(source, source.wish.command, limit), handle, timeout=limit + EXTRA, watch=self._watch
            )
            _flush(handle)
        if not ended.ok:
            raise self._failed(source, "could not be made", ended, limit)
        if not path.stat().st_size:
            raise self._failed(source, "is empty", ended, limit)
        self._verify(source, path, limit)
        data = {} if source.data is None else {"data": str(source.data)}
        return {
            "file": source.file,
            "size": path.stat().st_size,
            "checksum": f"sha256:{hash_file(path)}",
            "container": source.container,
            "image": source.image,
            "seconds": round(self._clock() - begun, 2),
            "restore": list(source.wish.restore),
            **data,
        }

    def _verify(self, source: Source, path: Path, limit: float) -> None:
        """Have the program that would read the copy back read it."""
        if source.wish.verify:
            self._tell(f"reading the copy of {source.name} back, {path.stat().st_size / MIB:.1f} MiB")
            with path.open("rb") as handle:
                ended = self._programs.feed(
                    self._within(source, source.wish.verify, limit), handle, timeout=limit + EXTRA
                )
            if not ended.ok:
                raise self._failed(source, "cannot be read back", ended, limit)

    @staticmethod
    def _within(source: Source, command: Iterable[str], limit: float) -> list[str]:
        """The container's own `timeout` ends the program: with `docker exec` only what is on the host would end."""
        bound = ["timeout", "-k", str(KILL_AFTER), f"{limit:g}"]
        return ["docker", "exec", "--interactive", source.container, *bound, *command]

    def _watch(self) -> None:
        """A database on the same disk must not run out of room because it is copied."""
        free = shutil.disk_usage(self._layout.backups).free
        if free < self._reserve:
            raise DrydockError(
                "no_space",
                f"The backup was given up and removed: {free // MIB} MiB were left free at {self._layout.backups}, and "
                f"{self._reserve // MIB} MiB have to stay. Make room, or move older backups away, then run again.",
                path=str(self._layout.backups),
                free=free,
                needed=self._reserve,
            )

    def _failed(self, source: Source, what: str, ended: Ended, limit: float) -> DrydockError:
        if ended.code is None or ended.code == TIMED_OUT:
            why = f"it did not end within {limit:g} s"
        elif ended.code == KILLED:
            why = f"it was killed, for want of memory or as it did not end within {limit:g} s"
        elif ended.code == NOT_FOUND:
            why = "a program is missing in its container, or there is no engine"
        else:
            why = f"exit code {ended.code}"
        words = ended.words()
        return DrydockError(
            "backup_failed",
            f"The backup of {source.name} {what}: {why}."
            + (f" Its container said: {words}" if words else "")
            + f" Look at `docker logs {source.container}`, then run again.",
            component=source.name,
            exit_code=ended.code,
        )

    def _forget_old(self, keep: int) -> None:
        """By their number: a clock that was set back must not make the newest one the oldest."""
        for item in read_all(self._layout)[max(1, keep) :]:
            shutil.rmtree(self._layout.backups / str(item["id"]), ignore_errors=True)


def read_all(layout: Layout) -> list[dict[str, Any]]:
    """The manifests of all backups, newest first."""
    found = [_manifest(folder) for folder in layout.backups.iterdir()] if layout.backups.is_dir() else []
    return sorted((item for item in found if item), key=lambda item: int(item["sequence"]), reverse=True)


def newest(layout: Layout) -> list[dict[str, Any]]:
    """The newest copy of each component: what it is of, where it is, when it was made, and how large it is."""
    found = {
        name: {
            "component": name,
            "path": str(layout.backups / str(item["id"]) / str(part.get("file"))),
            "size": part["size"],
            **{key: item.get(key) for key in ("made", "release", "actor", "reason")},
        }
        for item in reversed(read_all(layout))
        for name, part in item["components"].items()
    }
    return [found[name] for name in sorted(found)]


def forget_unfinished(layout: Layout) -> None:
    """Remove what a run that died has left. Call it while holding the lease."""
    for folder in layout.backups.glob(f"*{STAGING}"):
        shutil.rmtree(folder, ignore_errors=True)


def _manifest(folder: Path) -> dict[str, Any]:
    """Empty where there is none: something else, one that is being made, or a damaged one."""
    try:
        raw = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = [item["size"] for item in raw["components"].values()]
        ours = raw["id"] == folder.name and all(isinstance(number, int) for number in (raw["sequence"], *sizes))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
    return dict(raw) if ours else {}


def _foreseen(chosen: Iterable[Source], earlier: Sequence[Mapping[str, Any]]) -> int:
    """Bytes that a backup may need: by the last one, else as many as the data have."""
    total = 0
    for source in chosen:
        sizes = [
            item["components"][source.name]["size"] for item in earlier if source.name in item.get("components", {})
        ]
        total += int(sizes[0] * GROWTH) if sizes else _size(source.data)
    return total


def _size(folder: Path | None) -> int:
    """Bytes of what lies below, as far as it can be seen; files come and go while a database works."""
    total = 0
    for place, _folders, names in os.walk(folder) if folder is not None else ():
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118  # many of them
    return total


def _free_name(folder: Path, name: str) -> str:
    names = [name, *(f"{name}-{number}" for number in range(2, 100))]
    return next(item for item in names if not (folder / item).exists())


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)


def _flush(handle: IO[bytes]) -> None:
    handle.flush()
    os.fsync(handle.fileno())


def _restore_text(manifest: Mapping[str, Any], folder: Path) -> str:
    """What a person types to bring the data back."""
    lines = [
        f"Backup of the stack {manifest['stack']}, release {manifest['release']}, made {manifest['made']}.",
        "Bringing data back replaces what is there now. Stop the services' containers first, not the component's.",
    ]
    for name, item in sorted(manifest["components"].items()):
        path = folder / item["file"]
        words = {
            "container": shlex.quote(item["container"]),
            "file": shlex.quote(str(path)),
            "data": shlex.quote(str(item.get("data") or "")),
        }
        digest = item["checksum"].partition(":")[2]
        lines += [
            "",
            f"{name}: is it whole, then bring it back",
            f"  echo {digest} {words['file']} | sha256sum --check",
        ]
        lines += [f"  {_filled(line, words)}" for line in item["restore"]]
    return "\n".join(lines) + "\n"


def _filled(line: str, words: Mapping[str, str]) -> str:
    for key, value in words.items():
        line = line.replace("{" + key + "}", value)
    return line
