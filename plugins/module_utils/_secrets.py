# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as files: generated once, owned by who reads them, fingerprinted, and never told.

Layout below the stack's secrets directory:

- ``.store/<name>`` (root, 0400): the value, one per secret, where later consumers get it from.
- ``<service>/<version>/<name>`` (the consumer's user, 0400): the copy that is mounted into its container. The version
  stands for the values of all secrets of that service. Another value is another directory: a container that is started
  again, by the engine or after a reboot, reads what it was made with, and an earlier release finds its values.
- ``.undo/…``: what a running release has replaced, until it is recorded or undone.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import string
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir, write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

ALPHABET = string.ascii_letters + string.digits
STORE = ".store"
UNDO = ".undo"
MODE = 0o400
DIR_MODE = 0o711


@dataclass(frozen=True)
class Consumer:
    """A container's user that reads a secret."""

    service: str
    uid: int
    gid: int


@dataclass(frozen=True)
class SecretSpec:
    """One secret of the stack model. ``derived_from`` not None: computed from another one, never given or generated."""

    name: str
    consumers: tuple[Consumer, ...]
    length: int = 32
    derived_from: str | None = None
    template: str = ""


@dataclass(frozen=True)
class SecretFile:
    """A file that has to exist. ``reason`` None: it does, with this content, owner and mode."""

    path: Path
    content: bytes = field(repr=False)
    uid: int
    gid: int
    reason: str | None


@dataclass(frozen=True)
class SecretsPlan:
    """What the secrets of a release are and which files have to be written."""

    values: Mapping[str, str] = field(repr=False)
    fingerprints: Mapping[str, str]
    generated: tuple[str, ...]
    files: tuple[SecretFile, ...]
    stale: tuple[Path, ...]
    versions: Mapping[str, str] = field(default_factory=dict)  # service -> the version of its secrets

    @property
    def writes(self) -> tuple[SecretFile, ...]:
        return tuple(item for item in self.files if item.reason is not None)

    @property
    def changed(self) -> bool:
        return bool(self.writes or self.stale)


def parse_secrets(raw: Mapping[str, Any]) -> tuple[SecretSpec, ...]:
    """Read the ``secrets`` of a stack model."""
    return tuple(
        SecretSpec(
            name=name,
            consumers=tuple(
                Consumer(service=str(item["service"]), uid=int(item["uid"]), gid=int(item["gid"]))
                for item in spec.get("consumers") or []
            ),
            length=int(spec.get("length") or 32),
            derived_from=spec.get("derived_from"),
            template=str(spec.get("template") or ""),
        )
        for name, spec in sorted(raw.items())
    )


def generate(length: int) -> str:
    """A random value of letters and digits, which need no quoting in URLs and configuration files."""
    return "".join(secrets.choice(ALPHABET) for _number in range(length))


def fingerprint(key: bytes, name: str, value: str) -> str:
    """Tells two values apart on this host without telling anything about them elsewhere."""
    return hmac.new(key, f"{name}\0{value}".encode(), hashlib.sha256).hexdigest()[:32]


def plan_secrets(
    root: Path,
    specs: Sequence[SecretSpec],
    given: Mapping[str, str],
    *,
    key: bytes,
    make: Callable[[int], str] = generate,
    serving: Mapping[str, str] = MappingProxyType({}),
    kept: Collection[str] = (),
) -> SecretsPlan:
    """Decide every value and compare every file. Reads only.

    A given value wins, else the stored one stays, else one is generated.

    :param serving: service -> directory of the values that it serves with; they count when the store is lost.
    :param kept: directories that releases on the host name; they are not stale.
    :raises DrydockError: ``secret_invalid``.
    """
    values: dict[str, str] = {}
    generated = []
    for spec in (item for item in specs if item.derived_from is None):
        value = _given(spec.name, given) or _stored(root, spec, serving)
        if value is None:
            value = make(spec.length)
            generated.append(spec.name)
        values[spec.name] = value
    for spec in (item for item in specs if item.derived_from is not None):
        values[spec.name] = _derived(spec, values)
    fingerprints = {name: fingerprint(key, name, value) for name, value in values.items()}
    versions = _versions(specs, fingerprints)
    wanted = [item for spec in specs for item in _files(root, spec, values[spec.name], versions)]
    return SecretsPlan(
        values=values,
        fingerprints=fingerprints,
        generated=tuple(generated),
        files=tuple(wanted),
        stale=_stale(root, {item.path for item in wanted}, {Path(folder) for folder in kept}),
        versions=versions,
    )


def _versions(specs: Sequence[SecretSpec], fingerprints: Mapping[str, str]) -> dict[str, str]:
    read: dict[str, dict[str, str]] = {}
    for spec in specs:
        for item in spec.consumers:
            read.setdefault(item.service, {})[spec.name] = fingerprints[spec.name]
    return {
        service: hashlib.sha256(json.dumps(found, sort_keys=True).encode("utf-8")).hexdigest()[:16]
        for service, found in read.items()
    }


def _given(name: str, given: Mapping[str, str]) -> str | None:
    if name not in given:
        return None
    value = given[name]
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise DrydockError(
            "secret_invalid",
            f"The value given for the secret {name} is empty or not text. Give it a value in the vault, or leave it "
            "out of stack_secrets to have one generated on the host.",
            secret=name,
        )
    return value


def _stored(root: Path, spec: SecretSpec, serving: Mapping[str, str]) -> str | None:
    copies = [Path(serving[item.service]) / spec.name for item in spec.consumers if serving.get(item.service)]
    candidates = [root / STORE / spec.name, *copies]
    for path in candidates:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            text = path.read_bytes().decode("utf-8", "replace")
            if text:
                return text
    return None


def _derived(spec: SecretSpec, values: Mapping[str, str]) -> str:
    source = values.get(spec.derived_from or "")
    if source is None:
        raise DrydockError(
            "secret_invalid",
            f"The secret {spec.name} derives from {spec.derived_from}, which is not a secret of the stack.",
        )
    return spec.template.replace("{sha256}", hashlib.sha256(source.encode("utf-8")).hexdigest()).replace(
        "{value}", source
    )


def _files(root: Path, spec: SecretSpec, value: str, versions: Mapping[str, str]) -> list[SecretFile]:
    content = value.encode("utf-8")
    found = [] if spec.derived_from else [_compared(root / STORE / spec.name, content, 0, 0)]
    return found + [
        _compared(root / item.service / versions[item.service] / spec.name, content, item.uid, item.gid)
        for item in spec.consumers
    ]


def _compared(path: Path, content: bytes, uid: int, gid: int) -> SecretFile:
    reason: str | None = None
    try:
        status = path.lstat()
        if path.is_symlink() or path.read_bytes() != content:
            reason = "content"
        elif (status.st_uid, status.st_gid) != (uid, gid):
            reason = "owner"
        elif status.st_mode & 0o7777 != MODE:
            reason = "mode"
    except (FileNotFoundError, NotADirectoryError):
        reason = "missing"
    return SecretFile(path=path, content=content, uid=uid, gid=gid, reason=reason)


def _stale(root: Path, wanted: set[Path], kept: set[Path]) -> tuple[Path, ...]:
    """Versions that neither this run nor a release on the host reads."""
    used = kept | {path.parent for path in wanted}
    return tuple(sorted(path for service in _folders(root) for path in service.iterdir() if path not in used))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [item for item in root.iterdir() if item.is_dir() and item.name not in {STORE, UNDO}]


def write_secrets(root: Path, plan: SecretsPlan) -> None:
    """Write what differs. What is replaced is kept for ``restore_secrets`` until ``forget_undo``."""
    for folder, mode in ((root.parent, 0o755), (root, DIR_MODE)):
        if not folder.is_dir():
            folder.mkdir(mode=mode, parents=True)
            folder.chmod(mode)
    for item in plan.writes:
        _make_folder(root, item.path.parent)
        _keep(root, item.path)
        write_atomic(item.path, item.content, mode=MODE, uid=item.uid, gid=item.gid)


def _make_folder(root: Path, folder: Path) -> None:
    for place in [parent for parent in reversed(folder.parents) if root in parent.parents] + [folder]:
        if not place.is_dir():
            place.mkdir(mode=DIR_MODE)
            place.chmod(0o700 if place.name == STORE else DIR_MODE)


def _keep(root: Path, path: Path) -> None:
    """Copy the file that is about to be replaced, once: the first copy is the one that served."""
    kept = root / UNDO / path.relative_to(root)
    if not path.is_file() or path.is_symlink() or kept.exists():
        return
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    write_atomic(kept, path.read_bytes(), mode=MODE, uid=status.st_uid, gid=status.st_gid)


def restore_secrets(root: Path) -> int:
    """Put back what an unfinished release has replaced, and say how many files that were.

    Newly made secrets stay: a database may have been initialised with them.
    """
    kept = _replaced(root)
    for path in kept:
        dest = root / path.relative_to(root / UNDO)
        _make_folder(root, dest.parent)
        path.replace(dest)
        fsync_dir(dest.parent)
    forget_undo(root)
    return len(kept)


def replaced_values(root: Path) -> list[str]:
    """The values that an unfinished release has replaced, to be kept out of what is told about it."""
    return [path.read_bytes().decode("utf-8", "replace") for path in _replaced(root)]


def _replaced(root: Path) -> list[Path]:
    return [path for path in (root / UNDO).rglob("*") if path.is_file()]


def forget_undo(root: Path) -> None:
    """The release is recorded: the values it replaced are gone for good."""
    if (root / UNDO).is_dir():
        shutil.rmtree(root / UNDO)


def remove_unused(root: Path, used: Collection[str]) -> None:
    """Remove the copies that no release on the host reads any more.

    :param used: directories that releases name.
    """
    keep = {Path(folder) for folder in used}
    for service in _folders(root):
        for path in service.iterdir():
            if path in keep:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        with contextlib.suppress(OSError):
            service.rmdir()


def read_or_make_key(path: Path, *, create: bool) -> bytes:
    """The host's own key for fingerprints; an empty one where it does not exist and may not be created."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        if not create:
            return b""
    key = os.urandom(32)
    write_atomic(path, key, mode=MODE)
    return key
