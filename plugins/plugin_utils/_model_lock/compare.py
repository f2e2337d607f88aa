# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new lock changes, and which of it must not happen quietly: other bytes under the same name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Entry = Mapping[str, Any]
EXACT = ("hf://", "oci://")
"""Addresses that name their bytes: a commit, a digest. Behind any other the bytes may change at any time."""
SHOWN = 100
"""Files of a model that are shown one by one."""
FACTS = ("license", "card", "metrics", "signature")


@dataclass(frozen=True)
class FileChange:
    """One file that differs. Digest and size are ``None`` where there is no such side."""

    path: str
    action: str
    old: Entry = field(default_factory=dict)
    new: Entry = field(default_factory=dict)

    def as_result(self) -> dict[str, Any]:
        pairs = {key: {"old": self.old.get(key), "new": self.new.get(key)} for key in ("checksum", "size")}
        return {"path": self.path, "action": self.action, **pairs}

    def line(self) -> str:
        if self.action == "added":
            return f"  + {self.path} ({_bytes(self.new['size'])}, {_short(self.new['checksum'])})"
        if self.action == "removed":
            return f"  - {self.path} ({_bytes(self.old['size'])}, {_short(self.old['checksum'])})"
        if self.action == "changed":
            more = self.new["size"] - self.old["size"]
            return (
                f"  ~ {self.path} {_bytes(self.old['size'])} -> {_bytes(self.new['size'])} ({more:+d}), "
                f"{_short(self.old['checksum'])} -> {_short(self.new['checksum'])}"
            )
        return f"  . {self.path}: the same bytes, other {' and '.join(_differing(self.old, self.new))}"


@dataclass(frozen=True)
class ModelChange:
    """One model whose entry differs."""

    name: str
    action: str
    old: Entry
    new: Entry
    files: tuple[FileChange, ...]

    def as_result(self) -> dict[str, Any]:
        pairs = {
            key: {"old": self.old.get(key), "new": self.new.get(key)}
            for key in ("version", "source", "requested", *FACTS)
            if self.old.get(key) != self.new.get(key)
        }
        return {
            "model": self.name,
            "action": self.action,
            **pairs,
            "files": [item.as_result() for item in self.files],
        }

    def lines(self) -> Iterable[str]:
        """For people: what the set was and is, then file by file."""
        if self.action == "removed":
            yield f"{self.name}: removed (was {self.old['version']})"
            return
        version = _arrow(self.old.get("version"), self.new["version"])
        source = _arrow(self.old.get("source"), self.new.get("source"))
        yield f"{self.name}: {self.action}, version {version}" + (f", revision {source}" if source else "")
        for key in FACTS:
            if self.action == "changed" and self.old.get(key) != self.new.get(key):
                yield f"  {key}: {_plain(self.old.get(key))} -> {_plain(self.new.get(key))}"
        for item in self.files[:SHOWN]:
            yield item.line()
        if len(self.files) > SHOWN:
            yield f"  … and {len(self.files) - SHOWN} more files; the diff of the lock has them all"


def compare(old: Mapping[str, Entry], new: Mapping[str, Entry]) -> list[ModelChange]:
    """The models that differ, by name."""
    return [
        _model_change(name, old.get(name, {}), new.get(name, {}))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _model_change(name: str, old: Entry, new: Entry) -> ModelChange:
    before, after = old.get("files", {}), new.get("files", {})
    files = tuple(
        FileChange(path, _action(before.get(path), after.get(path)), before.get(path, {}), after.get(path, {}))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    )
    return ModelChange(name=name, action=_action(old or None, new or None, whole=True), old=old, new=new, files=files)


def _action(old: Entry | None, new: Entry | None, *, whole: bool = False) -> str:
    if old is None:
        return "added"
    if new is None:
        return "removed"
    return "changed" if whole or not _same_bytes(old, new) else "addresses"


def _same_bytes(old: Entry, new: Entry) -> bool:
    return bool(old["checksum"] == new["checksum"] and old["size"] == new["size"])


def replaced(change: ModelChange) -> list[tuple[str, str]]:
    """Files that have other bytes under the same revision, as (path, message).

    An address that names a commit or digest is a revision. So is what was asked for, a tag or a branch, together with
    the model's own version: nobody asked for anything new. Elsewhere it is the version alone.
    """
    return [
        (f"models.{change.name}.files.{item.path}", _story(revision, item, change.name))
        for item in change.files
        if item.action == "changed" and (revision := _same_revision(change, item))
    ]


def _same_revision(change: ModelChange, item: FileChange) -> str | None:
    """The revision that stayed, in words, or ``None`` where a new one was asked for."""
    before, after = _first(item.old), _first(item.new)
    version = f"version {change.new['version']}"
    same = change.old["version"] == change.new["version"]
    if not (before.startswith(EXACT) and after.startswith(EXACT)):
        return version if same else None
    if before == after:
        return before
    asked = change.new.get("requested")
    if same and asked and asked == change.old.get("requested"):
        return f"{version} and {asked} (which was {change.old.get('source')} and is {change.new.get('source')})"
    return None


def moved(change: ModelChange) -> str | None:
    """A sentence where what was asked for stayed and means another revision now, with the old files as they were."""
    if change.action != "changed" or change.old.get("source") == change.new.get("source"):
        return None
    asked = change.new.get("requested")
    if asked != change.old.get("requested") or change.old["version"] != change.new["version"]:
        return None
    return (
        f"models.{change.name}: {asked} is another revision than when it was locked ({change.old.get('source')} -> "
        f"{change.new.get('source')}). A branch goes on by itself; a tag should not. If the new one is wanted, give it "
        "another 'version', so that hosts keep the old one to go back to."
    )


def unsigned(change: ModelChange) -> str | None:
    """A sentence where a signature was verified and is not any more."""
    old, new = ((entry.get("signature") or {}).get("state") for entry in (change.old, change.new))
    if change.action != "changed" or old != "verified" or new == "verified":
        return None
    return (
        f"models.{change.name}: its signature was verified when it was locked, and is {new} now. Ask whoever signs it; "
        "with signature: {required: true} this is refused."
    )


def _story(revision: str, item: FileChange, name: str) -> str:
    return (
        f"has other bytes than were locked, under the same {revision}. Expected {item.old['checksum']} "
        f"({item.old['size']} bytes), found {item.new['checksum']} ({item.new['size']} bytes). Likely cause: it was "
        "published again under the same name, a branch went on, a tag was moved, or the source was tampered with. Next "
        "step: compare with what its author publishes and ask why; if the new bytes are wanted, give the model another "
        "'version', or allow it this once "
        f'with -e \'{{"models_lock_allow_changed": ["{name}"]}}\'.'
    )


def _first(file: Entry) -> str:
    urls = file.get("urls") or [""]
    return str(urls[0])


def _differing(old: Entry, new: Entry) -> list[str]:
    words = {"urls": "addresses", "format": "format"}
    return [words.get(key, key) for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _arrow(old: Any, new: Any) -> str:
    return f"{old} -> {new}" if old and old != new else str(new or "")


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in sorted(value.items())) or "none"
    return "none" if value is None else str(value)


def _short(checksum: str) -> str:
    return checksum[: len("sha256:") + 12] + "…"


def _bytes(size: int) -> str:
    return f"{size} bytes"
