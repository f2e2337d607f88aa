# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that was refused for its format does not come in vain again, until something about the question changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store import refused

from .conftest import Store, sha256

DATA = b"pickle" * 100
DAY = 24 * 3600


@pytest.fixture
def model(store: Store) -> dict[str, Any]:
    """A model that was fetched and refused; the origin has not been asked since."""
    store.refused.add("det.onnx")
    found = store.model("ocr", "1", det_onnx=DATA)
    with pytest.raises(DrydockError, match=r"ocr 1: det\.onnx: found a pickle"):
        store.sync(found)
    assert len(store.origin.asked) == 1
    store.origin.asked.clear()
    return found


@pytest.mark.parametrize("check", [True, False])
def test_the_next_run_refuses_before_anything_is_asked_for(store: Store, model: dict[str, Any], check: bool) -> None:
    with pytest.raises(DrydockError, match=r"ocr 1: det\.onnx: found a pickle") as caught:
        store.sync(model, check=check)
    assert caught.value.kind == "format_refused"
    assert "2027-01-15" in caught.value.message
    assert str(store.layout.refused) in caught.value.message
    assert caught.value.details["checksum"] == f"sha256:{sha256(DATA)}"
    assert store.origin.asked == []


def renamed(store: Store, model: dict[str, Any]) -> None:
    model["files"][0]["path"] = "det.bin"


def narrowed(store: Store, model: dict[str, Any]) -> None:
    model["formats"] = ["onnx"]


def exempted(store: Store, model: dict[str, Any]) -> None:
    model["exempt"] = [{"checksum": f"sha256:{sha256(DATA)}", "reason": "known", "until": "2030-01-01"}]


def a_week_later(store: Store, model: dict[str, Any]) -> None:
    store.now += 7 * DAY


def a_clock_set_back(store: Store, model: dict[str, Any]) -> None:
    store.now -= DAY


def forgotten(store: Store, model: dict[str, Any]) -> None:
    store.layout.refused.unlink()


def unreadable(store: Store, model: dict[str, Any]) -> None:
    store.layout.refused.write_text('{"refused": {"' + sha256(DATA) + '": {"at": "x"}, "y": 1}}')


@pytest.mark.parametrize("change", [renamed, narrowed, exempted, a_week_later, a_clock_set_back, forgotten, unreadable])
def test_it_is_fetched_and_looked_at_again_when(store: Store, model: dict[str, Any], change: Any) -> None:
    change(store, model)
    store.refused.clear()
    assert store.sync(model)["sets"][0]["state"] == "created"
    assert len(store.origin.asked) == 1


def test_it_is_looked_at_again_by_another_inspection(
    store: Store, model: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refused, "INSPECTION", -1)
    store.refused.clear()
    assert store.sync(model)["sets"][0]["state"] == "created"


def test_other_failures_are_not_remembered(store: Store) -> None:
    model = store.model("ocr", "1", det_onnx=DATA)
    content = store.origin.files.pop(model["files"][0]["urls"][0])
    with pytest.raises(DrydockError):
        store.sync(model)
    store.origin.files[model["files"][0]["urls"][0]] = content
    assert store.sync(model)["changed"]
    assert not store.layout.refused.exists()


def test_what_it_cost_to_remember_is_bounded(store: Store, model: dict[str, Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(refused, "_MOST", 1)
    store.refused.add("rec.onnx")
    with pytest.raises(DrydockError):
        store.sync(store.model("asr", "1", rec_onnx=b"another"))
    assert sha256(DATA) not in store.layout.refused.read_text()
    assert sha256(b"another") in store.layout.refused.read_text()


def test_a_disk_that_is_full_loses_the_memory_and_not_the_refusal(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_dest: Path, _value: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(refused, "write_json", full)
    store.refused.add("det.onnx")
    with pytest.raises(DrydockError, match="found a pickle"):
        store.sync(store.model("ocr", "1", det_onnx=DATA))
