# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from lab.checkout import Checkout
from lab.state import State


def test_an_image_is_remembered_by_its_content_addressed_tag(tmp_path: Path) -> None:
    state = State(Checkout(tmp_path))
    state.record_image("ocr", tag="drydock-lab/ocr:1", digest="sha256:1")
    state.record_image("redis", tag="drydock-lab/redis:1", digest="sha256:2")
    state.record_image("ocr", tag="drydock-lab/ocr:2", digest="sha256:3")
    assert state.image_digest("drydock-lab/ocr:2") == "sha256:3"
    assert state.image_digest("drydock-lab/ocr:1") is None
    assert state.image_digest("drydock-lab/redis:1") == "sha256:2"


def test_a_damaged_state_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / ".lab").mkdir()
    (tmp_path / ".lab" / "state.json").write_text("{")
    assert State(Checkout(tmp_path)).image_digest("x") is None
