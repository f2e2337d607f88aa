# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signed model on its way into a lock, and a spoilt one that does not get there."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.run import Wish, lock
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context
from ansible_collections.drydock.serving.tests.integration.model_host import weights
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._model_lock.signer import Signer

TODAY = datetime.date(2026, 11, 21)
SIGNATURE = {"required": True, "method": "key", "public_key": "ours.pub"}


@pytest.fixture(name="signer")
def _signer(tmp_path: Path) -> Signer:
    signer = Signer(tmp_path)
    for place in sorted(signer.model.rglob("*.onnx")):
        place.with_suffix(".safetensors").write_bytes(weights(5000))
        place.unlink()
    signer.key("ours")
    signer.sign("ours")
    return signer


def locked(signer: Signer, **wanted: Any) -> dict[str, Any]:
    path = signer.root / "models.lock.yml"
    model = {"version": "1", "source": f"file://{signer.model}", "signature": SIGNATURE, **wanted}
    lock({"ocr": model}, Wish(path), Context(base=signer.root), today=TODAY)
    entry: dict[str, Any] = yaml.safe_load(path.read_text())["models_lock"]["ocr"]
    return entry


def test_a_signed_model_is_locked_with_the_key_that_vouches_for_it(signer: Signer) -> None:
    entry = locked(signer, exclude=["model.sig"])
    assert entry["signature"]["state"] == "verified"
    assert entry["signature"]["method"] == "key"
    assert "model.sig" not in entry["files"]


def test_a_part_of_a_signed_model_is_verified_too(signer: Signer) -> None:
    entry = locked(signer, include=["*.json"])
    assert (list(entry["files"]), entry["signature"]["state"]) == (["config.json"], "verified")


@pytest.mark.parametrize("spoilt", ["changed", "taken away", "added", "other key"])
def test_a_spoilt_model_is_not_locked(signer: Signer, spoilt: str) -> None:
    if spoilt == "changed":
        (signer.model / "config.json").write_text('{"a": 1}')
    elif spoilt == "taken away":
        (signer.model / "config.json").unlink()
    elif spoilt == "added":
        (signer.model / "more.json").write_text("{}")
    else:
        signer.key("ours")
    with pytest.raises(DrydockError, match=r"models\.ocr\.signature: ") as caught:
        locked(signer, exclude=["model.sig"])
    assert caught.value.kind == "refused"
    assert not (signer.root / "models.lock.yml").exists()
