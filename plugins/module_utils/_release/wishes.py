# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wished to be done around a release: migrations, hooks, backups. Values of the stack model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BEFORE = "before"
AFTER = "after"
ON_HOST = "host"
ON_CONTROLLER = "controller"
WHOLE = "release"  # the phase around all steps
FAILURE = "failure"  # the phase after the way back

WHEN_MIGRATING = "migrate"
ALWAYS = "always"
NEVER = "never"


@dataclass(frozen=True)
class Migration:
    """A service's one-off job. ``timeout`` in seconds; ``irreversible`` says why it cannot be undone, empty: it can."""

    command: tuple[str, ...]
    timeout: float = 600.0
    irreversible: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def what(self, image: str) -> dict[str, Any]:
        """Equal for two that would do the same."""
        return {"image": image, "command": list(self.command), "environment": dict(self.environment)}


@dataclass(frozen=True)
class Hook:
    """A program of the operator's around a step. ``timeout`` in seconds; ``required``: its failure is the release's."""

    name: str
    when: str
    phase: str
    where: str
    command: tuple[str, ...]
    timeout: float = 60.0
    required: bool = True

    @property
    def said(self) -> str:
        """It, in words."""
        return f"{self.name} ({self.when} {self.phase}, on the {self.where})"


@dataclass(frozen=True)
class Backup:
    """How a component's data are copied and what the copy is called; see roles/stack/components/README.md."""

    command: tuple[str, ...]
    extension: str
    verify: tuple[str, ...] = ()
    restore: tuple[str, ...] = ()  # lines for people, with {container}, {file} and {data}


@dataclass(frozen=True)
class BackupPolicy:
    """When a release makes a backup, and how many are kept.

    :param timeout: seconds that copying a component may take, and as many for reading the copy back.
    """

    before: str = WHEN_MIGRATING
    keep: int = 3
    timeout: float = 3600.0


def parse_migration(raw: Mapping[str, Any] | None) -> Migration | None:
    if not raw:
        return None
    return Migration(
        command=tuple(map(str, raw["command"])),
        timeout=float(raw.get("timeout") or 600.0),
        irreversible=str(raw.get("irreversible") or ""),
        environment={str(key): str(value) for key, value in (raw.get("environment") or {}).items()},
    )


def parse_hook(raw: Mapping[str, Any]) -> Hook:
    return Hook(
        name=str(raw["name"]),
        when=str(raw["when"]),
        phase=str(raw["phase"]),
        where=str(raw.get("where") or ON_HOST),
        command=tuple(map(str, raw["command"])),
        timeout=float(raw.get("timeout") or 60.0),
        required=bool(raw.get("required", True)),
    )


def parse_backup(raw: Mapping[str, Any] | None) -> Backup | None:
    if not raw:
        return None
    return Backup(
        command=tuple(map(str, raw["command"])),
        extension=str(raw["extension"]),
        verify=tuple(map(str, raw.get("verify") or ())),
        restore=tuple(map(str, raw.get("restore") or ())),
    )


def parse_backup_policy(raw: Mapping[str, Any] | None) -> BackupPolicy:
    raw = raw or {}
    return BackupPolicy(
        before=str(raw.get("before") or WHEN_MIGRATING),
        keep=int(raw.get("keep") or 3),
        timeout=float(raw.get("timeout") or 3600.0),
    )
