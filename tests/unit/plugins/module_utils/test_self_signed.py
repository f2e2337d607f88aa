# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _self_signed as self_signed

pytest.importorskip("cryptography", reason="comes with ansible-core on the controller")

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A pair for a.example.org, made at NOW for 100 days."""
    certificate, key = tmp_path / "edge" / "tls.crt", tmp_path / "edge" / "tls.key"
    made = self_signed.new_pair(domains=["a.example.org"], days=100, now=NOW)
    self_signed.write_pair(certificate, key, made)
    return certificate, key


def reasons(pair: tuple[Path, Path], *, now: datetime.datetime = NOW, domains: tuple[str, ...] = ()) -> list[str]:
    wanted = domains or ("a.example.org",)
    return self_signed.reasons_to_renew(*pair, domains=wanted, renew_before=30 * DAY, now=now)


def test_a_new_pair_serves_and_its_key_is_private(pair: tuple[Path, Path]) -> None:
    assert reasons(pair) == []
    assert pair[1].stat().st_mode & 0o777 == 0o600
    assert pair[0].stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("days", "renewed"), [(69, False), (70, True), (200, True)])
def test_it_is_renewed_when_its_end_is_near(pair: tuple[Path, Path], days: int, renewed: bool) -> None:
    assert bool(reasons(pair, now=NOW + days * DAY)) is renewed


def test_it_is_renewed_for_another_domain(pair: tuple[Path, Path]) -> None:
    assert reasons(pair, domains=("b.example.org",)) == ["it names a.example.org, wanted b.example.org"]


def test_it_is_renewed_when_one_of_the_two_is_gone(pair: tuple[Path, Path]) -> None:
    pair[1].unlink()
    assert reasons(pair) == [f"{pair[1]} is missing"]


def test_it_is_renewed_when_the_two_do_not_belong_together(pair: tuple[Path, Path]) -> None:
    other = self_signed.new_pair(domains=["a.example.org"], days=100, now=NOW)
    pair[1].write_bytes(other[1])
    assert reasons(pair) == ["certificate and key do not belong together"]


@pytest.mark.parametrize("index", [0, 1])
def test_it_is_renewed_when_one_of_the_two_is_garbage(pair: tuple[Path, Path], index: int) -> None:
    pair[index].write_text("garbage")
    assert "cannot be read" in reasons(pair)[0]
