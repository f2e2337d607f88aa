# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which content may get a name: formats, exemptions with an end, placeholders."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from .conftest import DET, REC, Store, failure, sha256


def exemption(store: Store, data: bytes, *, days: int) -> dict[str, Any]:
    last = datetime.fromtimestamp(store.now, timezone.utc).date() + timedelta(days=days)
    return {"checksum": f"sha256:{sha256(data)}", "reason": "no other export", "until": last.isoformat()}


def test_refused_content_never_gets_a_name_and_its_bytes_go(store: Store) -> None:
    store.sync(store.model("ocr", "1", det_onnx=DET))
    store.refused.add("rec.onnx")
    error = failure(store, store.model("ocr", "2", det_onnx=DET, rec_onnx=REC))
    assert error.kind == "format_refused"
    assert error.message.startswith("ocr 2: rec.onnx: found a pickle")
    assert store.blobs() == {sha256(DET)}
    assert store.active("ocr") == {"det.onnx": DET}
    assert list(store.layout.partial.iterdir()) == []


def test_a_file_is_judged_under_every_name_it_is_listed_by(store: Store) -> None:
    store.refused.add("weights.bin")
    error = failure(store, store.model("a", "1", m_onnx=DET), store.model("b", "1", weights_bin=DET))
    assert error.message.startswith("b 1: weights.bin")
    assert {name for name, _data in store.judged} == {"m.onnx", "weights.bin"}
    assert store.blobs() == set()


def test_bytes_that_came_for_one_set_are_judged_again_before_another_gets_them(store: Store) -> None:
    store.refused.add("m.bin")
    exempt = {**store.model("a", "1", m_bin=DET), "exempt": [exemption(store, DET, days=1)]}
    store.sync(exempt)
    plain = store.model("b", "1", m_bin=DET)
    assert failure(store, exempt, plain).kind == "format_refused"
    assert not (store.root / "sets" / "b").exists()


def test_an_exemption_lets_its_file_through_until_its_last_day(store: Store) -> None:
    store.refused.add("m.bin")
    model = {**store.model("a", "1", m_bin=DET), "exempt": [exemption(store, DET, days=0)]}
    result = store.sync(model)
    assert (result["changed"], result["notices"]) == (True, [])


def test_after_that_day_nothing_is_asked_for_under_it(store: Store) -> None:
    model = {**store.model("a", "1", m_bin=DET), "exempt": [exemption(store, DET, days=-1)]}
    error = failure(store, model)
    assert error.kind == "format_refused"
    assert model["exempt"][0]["until"] in error.message
    assert store.origin.asked == []
    assert failure(store, model, check=True).kind == "format_refused"


def test_what_is_in_place_stays_after_that_day_with_a_warning_that_names_it(store: Store) -> None:
    model = {**store.model("a", "1", m_bin=DET), "exempt": [exemption(store, DET, days=0)]}
    store.sync(model)
    store.now += 2 * 24 * 3600
    result = store.sync(model)
    assert result["changed"] is False
    (notice,) = result["notices"]
    assert notice.startswith("a 1: m.bin stays in place")
    assert model["exempt"][0]["until"] in notice
    store.overwrite(store.root / "sets/a/1/m.bin", b"rot")
    assert failure(store, model).kind == "format_refused"


def test_a_file_below_its_minimum_is_refused_before_anything_is_asked_for(store: Store) -> None:
    model = store.model("a", "1", m_onnx=b"version https://git-lfs")
    model["files"][0]["minimum_size"] = 1000
    error = failure(store, model)
    assert error.kind == "invalid_input"
    assert "expected at least 1000 bytes (minimum_size), found 23" in error.message
    assert store.origin.asked == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"formats": ["pickle"]}, "formats: 'pickle' is not a format"),
        ({"exempt": [{"checksum": "sha256:1", "reason": "x", "until": "2027-01-31"}]}, "exempt[0].checksum"),
        ({"exempt": [{"checksum": f"sha256:{'a' * 64}", "reason": " ", "until": "2027-01-31"}]}, "exempt[0].reason"),
        ({"exempt": [{"checksum": f"sha256:{'a' * 64}", "reason": "x", "until": "soon"}]}, "exempt[0].until"),
    ],
)
def test_a_policy_that_cannot_be_read_is_refused_with_its_place(
    store: Store, changes: dict[str, Any], says: str
) -> None:
    error = failure(store, {**store.model("a", "1", m_onnx=DET), **changes})
    assert error.kind == "invalid_input"
    assert says in error.message
