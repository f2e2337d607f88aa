# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from lab.checkout import Checkout


def test_two_checkouts_have_different_names_for_everything(tmp_path: Path) -> None:
    one, two = Checkout(tmp_path / "one"), Checkout(tmp_path / "two")
    assert one.id != two.id
    assert one.network != two.network
    assert one.container("lab-1") != two.container("lab-1")
    assert one.label != two.label


def test_a_checkout_reached_through_a_link_is_the_same_checkout(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Checkout(tmp_path / "link").id == Checkout(tmp_path / "real").id


def test_a_file_of_the_state_has_a_parent_directory(tmp_path: Path) -> None:
    assert Checkout(tmp_path).path("ca", "ca.crt").parent.is_dir()
