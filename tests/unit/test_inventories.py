# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories that are there to be copied pass what they will be judged by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import lockfile
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources import needs_controller
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.components import load_components
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model import build_model

INVENTORIES = Path(__file__).resolve().parents[2] / "inventories"


def variables(site: str) -> dict[str, Any]:
    """What the inventory says for all hosts, without templating; secrets' values do not matter."""
    found: dict[str, Any] = {}
    for place in sorted((INVENTORIES / site / "group_vars" / "all").glob("*.yml")):
        found |= yaml.safe_load(place.read_text(encoding="utf-8")) or {}
    return found


@pytest.mark.parametrize("site", ["prod", "staging"])
def test_the_stack_and_its_locked_models_pass_every_rule(site: str) -> None:
    given = variables(site)
    model = build_model(
        given["stack"],
        models=given["models"],
        lock=given["models_lock"],
        secrets=given.get("stack_secrets", {}),
        components=load_components(),
    )
    (ocr,) = model["models"]
    assert [item["path"] for item in ocr["files"]] == ["cls.onnx", "det.onnx", "rec.onnx"]
    assert needs_controller(model["models"])


@pytest.mark.parametrize("site", ["prod", "staging"])
def test_the_lock_is_as_the_lock_writes_it(site: str) -> None:
    place = INVENTORIES / site / "group_vars" / "all" / "models.lock.yml"
    content = place.read_bytes()
    assert lockfile.dump(lockfile.parse(content, place)) == content


def test_staging_and_production_bring_the_same_bytes() -> None:
    prod, staging = (variables(site)["models_lock"]["ocr"]["files"] for site in ("prod", "staging"))
    assert {path: item["checksum"] for path, item in prod.items()} == {
        path: item["checksum"] for path, item in staging.items()
    }
