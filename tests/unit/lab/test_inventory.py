# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from lab.checkout import Checkout
from lab.docker import Docker
from lab.errors import LabError
from lab.inventory import inventory, read_facts, write_facts


def test_an_inventory_of_a_lab_that_is_down_says_how_to_start_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Docker, "find", classmethod(lambda _cls: None))
    with pytest.raises(LabError, match="make lab-up"):
        inventory(Checkout(tmp_path))


def test_what_the_lab_offers_is_known_only_after_it_came_up(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    with pytest.raises(LabError, match="make lab-up"):
        read_facts(checkout)
    write_facts(checkout, {"ocr": "registry/ocr@sha256:00"})
    found = read_facts(checkout)
    assert found["lab_images"] == {"ocr": "registry/ocr@sha256:00"}
    assert all(Path(found[key]).is_file() for key in ("lab_ca_path", "lab_certificate_path", "lab_key_path"))
