# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written down: the record of a release and the journal of one that is under way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_json
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE, by_service
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import STAGING, Layout

SCHEMA = 1
RECORD = "release.json"


@dataclass(frozen=True)
class Record:
    """``release.json``: what a release is made of and the proof that it was healthy."""

    identity: str
    hash: str
    created: str
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # unit -> {reference, id, digests}
    models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)  # dest -> sha256
    # unit -> {part: base, blue or green; service, name, url, config_hash, hash, host_port, secrets: directory, drain}
    containers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)  # unit -> configuration directory
    rest: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            **self.rest,
            "schema": SCHEMA,
            "id": self.identity,
            "hash": self.hash,
            "created": self.created,
            "images": self.images,
            "models": self.models,
            "files": self.files,
            "containers": self.containers,
            "config": self.config,
        }


def read_record(folder: Path) -> Record | None:
    """The record in a release directory; None when there is none or it cannot be used."""
    try:
        raw = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if raw["schema"] > SCHEMA:
            raise DrydockError(
                "state_unreadable",
                f"{folder / RECORD} was written by a newer version of this collection (schema {raw['schema']}, this "
                f"one knows {SCHEMA}). Run with that version; nothing was touched.",
            )
        if not all(isinstance(raw[key], str) for key in ("id", "hash", "created")):
            return None
        return Record(
            identity=raw["id"],
            hash=raw["hash"],
            created=raw["created"],
            images=raw["images"],
            models=raw["models"],
            files=raw["files"],
            containers=raw["containers"],
            config=raw["config"],
            rest=raw,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def services(record: Record) -> dict[str, str]:
    """Unit -> the service or component that it is (a replica of)."""
    return {name: str(item.get("service") or name) for name, item in record.containers.items()}


def replicas(record: Record) -> dict[str, int]:
    """Service -> how many containers the release has of it."""
    found = [service for name, service in services(record).items() if record.containers[name]["part"] != BASE]
    return {service: found.count(service) for service in found}


def secret_dirs(record: Record) -> dict[str, str]:
    """Service or component -> the directory that it reads its secrets from."""
    known = services(record)
    return {known[name]: str(item["secrets"]) for name, item in record.containers.items() if item.get("secrets")}


def upstream_ports(record: Record) -> dict[str, list[int]]:
    """Service -> the loopback ports that the edge reaches its replicas by."""
    known = services(record)
    return by_service((known[name], item.get("host_port")) for name, item in record.containers.items())


def closed(record: Record) -> tuple[str, ...]:
    """Services that this release does not have and the one before it had, or that the edge was last led to."""
    return tuple(str(name) for name in record.rest.get("closed") or ())


def sequence(record: Record) -> int:
    """The number of a release in the host's history, from 1, whatever the clock said; 0 where it was not counted."""
    found = record.rest.get("sequence")
    return found if isinstance(found, int) else 0


def patience(record: Record | None, what: str) -> float:
    """Seconds that the inventory allowed for this when the release was made; 0 where that is not told."""
    told = record.rest.get("patience") if record is not None else None
    found = told.get(what) if isinstance(told, Mapping) else None
    return float(found) if isinstance(found, (int, float)) else 0.0


def next_sequence(layout: Layout) -> int:
    """The number of the next release."""
    return max((sequence(record) for record in all_records(layout)), default=0) + 1


def current_record(layout: Layout) -> Record | None:
    """The record of the release that serves now; None before the first one.

    :raises DrydockError: ``state_unreadable``. Without its record there is no way back to what serves.
    """
    if not layout.current.is_symlink():
        return None
    record = read_record(layout.current)
    if record is None:
        raise DrydockError(
            "state_unreadable",
            f"{layout.current / RECORD}, the record of the release that serves, is missing or damaged. What runs now "
            f"was not touched. Put it back from a backup; or remove the link {layout.current} to have the stack "
            "released anew, without a way back if that fails.",
        )
    return record


def all_records(layout: Layout) -> list[Record]:
    """Every recorded release, newest first."""
    if not layout.releases.is_dir():
        return []
    folders = [item for item in layout.releases.iterdir() if item.is_dir() and not item.name.endswith(STAGING)]
    found = [record for record in map(read_record, folders) if record is not None]
    return sorted(found, key=lambda record: (sequence(record), record.identity), reverse=True)


def secret_folders(layout: Layout) -> list[str]:
    """Directories of secrets that a release on the host names."""
    return [folder for record in all_records(layout) for folder in secret_dirs(record).values()]


@dataclass(frozen=True)
class Journal:
    """How far a release had come when it was last heard of. ``previous`` is what served before it.

    ``order``: the name of the order that its steps are taken in.
    """

    release: str
    step: str
    previous: str | None
    hash: str
    order: str = ""

    def write(self, layout: Layout) -> None:
        write_json(
            layout.journal,
            {
                "schema": SCHEMA,
                "release": self.release,
                "step": self.step,
                "previous": self.previous,
                "hash": self.hash,
                "order": self.order,
            },
        )


def read_journal(layout: Layout) -> Journal | None:
    """The journal of an unfinished release; None when there is none. One that cannot be read counts as just begun.

    :raises DrydockError: ``state_unreadable`` when a newer version of the collection wrote it.
    """
    try:
        raw = json.loads(layout.journal.read_text(encoding="utf-8"))
        if raw["schema"] > SCHEMA:
            raise DrydockError(
                "state_unreadable",
                f"{layout.journal} tells of an unfinished release by a newer version of this collection (schema "
                f"{raw['schema']}, this one knows {SCHEMA}). Run with that version; nothing was touched.",
            )
        if all(isinstance(raw[key], str) for key in ("release", "step", "hash")):
            return Journal(
                release=raw["release"],
                step=raw["step"],
                previous=raw["previous"],
                hash=raw["hash"],
                order=str(raw.get("order") or ""),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Journal(release="", step="", previous=None, hash="")


def clear_journal(layout: Layout) -> None:
    layout.journal.unlink(missing_ok=True)
