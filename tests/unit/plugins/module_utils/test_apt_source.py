# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _apt_source as apt_source
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._openpgp import fingerprints


def key(seed: bytes) -> bytes:
    """A public-key packet, version 4."""
    body = b"\x04" + hashlib.sha256(seed).digest()
    return bytes([0xC6, len(body)]) + body


KEY = key(b"vendor")
FINGERPRINT = fingerprints(KEY)[0]
ORIGIN = "https://example.org/gpg"


@pytest.fixture
def source(tmp_path: Path) -> apt_source.Source:
    return apt_source.Source(
        name="docker",
        uris=("https://example.org/linux/debian",),
        suites=("trixie",),
        components=("stable",),
        architectures=(),
        keyring=tmp_path / "keyrings" / "docker.asc",
    )


def never() -> bytes:
    raise AssertionError("the network was asked")


def test_a_source_is_written_with_its_key_and_then_rests(tmp_path: Path, source: apt_source.Source) -> None:
    path = tmp_path / "docker.sources"
    plan = apt_source.plan_present(source, path, FINGERPRINT)
    apt_source.execute_present(source, path, FINGERPRINT, plan, fetch=lambda: KEY, origin=ORIGIN)
    assert source.keyring.read_bytes() == KEY
    assert path.read_text().splitlines()[1:] == [
        "Types: deb",
        "URIs: https://example.org/linux/debian",
        "Suites: trixie",
        "Components: stable",
        f"Signed-By: {source.keyring}",
    ]
    assert not apt_source.plan_present(source, path, FINGERPRINT).changed


def test_a_wrong_key_leaves_neither_key_nor_source(tmp_path: Path, source: apt_source.Source) -> None:
    path = tmp_path / "docker.sources"
    plan = apt_source.plan_present(source, path, FINGERPRINT)
    with pytest.raises(DrydockError) as failure:
        apt_source.execute_present(source, path, FINGERPRINT, plan, fetch=lambda: key(b"other"), origin=ORIGIN)
    assert failure.value.kind == "wrong_key"
    assert list(tmp_path.iterdir()) == []


def test_a_host_with_the_right_key_does_not_ask_the_network_for_it(tmp_path: Path, source: apt_source.Source) -> None:
    path = tmp_path / "docker.sources"
    source.keyring.parent.mkdir()
    source.keyring.write_bytes(KEY)
    plan = apt_source.plan_present(source, path, FINGERPRINT)
    apt_source.execute_present(source, path, FINGERPRINT, plan, fetch=never, origin=ORIGIN)
    assert path.exists()


@pytest.mark.parametrize("content", [b"", b"garbage", KEY + key(b"slipped in")])
def test_a_keyring_that_is_not_exactly_the_key_is_replaced(
    tmp_path: Path, source: apt_source.Source, content: bytes
) -> None:
    source.keyring.parent.mkdir()
    source.keyring.write_bytes(content)
    assert apt_source.plan_present(source, tmp_path / "docker.sources", FINGERPRINT).key


def test_absent_takes_both_away_and_then_rests(tmp_path: Path, source: apt_source.Source) -> None:
    path = tmp_path / "docker.sources"
    plan = apt_source.plan_present(source, path, FINGERPRINT)
    apt_source.execute_present(source, path, FINGERPRINT, plan, fetch=lambda: KEY, origin=ORIGIN)
    assert apt_source.plan_absent(source, path).changed
    apt_source.execute_absent(source, path)
    assert not path.exists()
    assert not source.keyring.exists()
    assert not apt_source.plan_absent(source, path).changed
