# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest

from lab.ca import LEAF_LIFETIME, ensure_ca, ensure_certificate, load
from lab.checkout import Checkout

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NAMES = ("registry.lab.drydock.test",)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_certificate_is_signed_by_the_labs_authority(checkout: Checkout) -> None:
    pair = ensure_certificate(checkout, "registry", NAMES, now=NOW)
    load(pair.certificate).verify_directly_issued_by(load(ensure_ca(checkout, now=NOW).certificate))


def test_keys_are_readable_by_nobody_else(checkout: Checkout) -> None:
    pair = ensure_certificate(checkout, "registry", NAMES, now=NOW)
    for key in (pair.key, ensure_ca(checkout, now=NOW).key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_good_certificate_is_kept(checkout: Checkout) -> None:
    before = ensure_certificate(checkout, "registry", NAMES, now=NOW).certificate.read_bytes()
    assert ensure_certificate(checkout, "registry", NAMES, now=NOW).certificate.read_bytes() == before


def test_a_certificate_close_to_its_end_is_renewed(checkout: Checkout) -> None:
    before = ensure_certificate(checkout, "registry", NAMES, now=NOW).certificate.read_bytes()
    later = NOW + LEAF_LIFETIME - dt.timedelta(days=3)
    assert ensure_certificate(checkout, "registry", NAMES, now=later).certificate.read_bytes() != before


def test_a_certificate_for_other_names_is_replaced(checkout: Checkout) -> None:
    before = ensure_certificate(checkout, "registry", NAMES, now=NOW).certificate.read_bytes()
    after = ensure_certificate(checkout, "registry", ("other.lab.drydock.test",), now=NOW).certificate.read_bytes()
    assert after != before


def test_a_new_authority_means_new_certificates(checkout: Checkout) -> None:
    pair = ensure_certificate(checkout, "registry", NAMES, now=NOW)
    before = pair.certificate.read_bytes()
    ensure_ca(checkout, now=NOW).certificate.unlink()
    assert ensure_certificate(checkout, "registry", NAMES, now=NOW).certificate.read_bytes() != before


def test_a_damaged_key_is_replaced(checkout: Checkout) -> None:
    pair = ensure_certificate(checkout, "registry", NAMES, now=NOW)
    pair.key.write_text("damaged")
    ensure_certificate(checkout, "registry", NAMES, now=NOW)
    assert "PRIVATE KEY" in pair.key.read_text()
