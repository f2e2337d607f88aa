# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What components exist: one folder each below ``roles/stack/components``, described by its ``component.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_bytes

DIRECTORY = Path(__file__).resolve().parents[3] / "roles" / "stack" / "components"


@dataclass(frozen=True)
class Setting:
    """Something an operator may set. ``type`` is str, int, float or bool."""

    type: str
    default: Any


@dataclass(frozen=True)
class ComponentSecret:
    """A secret that comes with the component; see ``roles/stack/components/README.md``."""

    length: int | None
    mounted: bool
    derived_from: str | None
    template: str | None


@dataclass(frozen=True)
class Component:
    """The defaults of one component."""

    name: str
    user: str
    port: int
    data: bool
    settings: Mapping[str, Setting]
    secrets: Mapping[str, ComponentSecret]
    cpus: float
    memory: int
    health: Mapping[str, Any]
    stop_grace_period: int
    backup: Mapping[str, Any] | None


def parse_component(raw: Mapping[str, Any]) -> Component:
    """Read one ``component.yml``; a mistake in it is a bug of this collection and stays an exception."""
    return Component(
        name=raw["name"],
        user=raw["user"],
        port=raw["port"],
        data=raw.get("data", False),
        settings={key: Setting(item["type"], item.get("default")) for key, item in raw.get("settings", {}).items()},
        secrets={
            key: ComponentSecret(
                length=None if item.get("derived_from") else item.get("length", 32),
                mounted=item.get("mounted", True),
                derived_from=item.get("derived_from"),
                template=item.get("template"),
            )
            for key, item in raw.get("secrets", {}).items()
        },
        cpus=float(raw["resources"]["cpus"]),
        memory=to_bytes(raw["resources"]["memory"]),
        health=raw["health"],
        stop_grace_period=raw.get("stop_grace_period", 30),
        backup=raw.get("backup"),
    )


@cache
def load_components(directory: Path = DIRECTORY) -> Mapping[str, Component]:
    """Every component that ships with the collection, by name."""
    found = (parse_component(yaml.safe_load(path.read_text())) for path in sorted(directory.glob("*/component.yml")))
    return {component.name: component for component in found}
