# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import hashlib

import pytest
from ansible_collections.drydock.serving.plugins.module_utils import _openpgp as openpgp
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from hypothesis import given
from hypothesis import strategies as st

# Made for this test with "gpg --quick-generate-key 'test <test@example.org>' ed25519"; the fingerprint is gpg's.
ARMORED = b"""-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawEoExYJKwYBBAHaRw8BAQdA4EF6ZznGI5Qs8N8b5Uop2kCEv7phw+zW76B/
0So2mJm0F3Rlc3QgPHRlc3RAZXhhbXBsZS5vcmc+iJAEExYIADgWIQTIg4ZiR/LL
5I1/dJT33SuqrO9lXQUCawEoEwIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK
CRD33SuqrO9lXQeZAQDj+dj70e5gDw7jRQdAR/f5aaVuYe6drb4OcTKg4GdZdgEA
rQRXF1R22cSzmHk2QsE5kcNI2a6H3D6euDrGc3kMtwk=
=UIIJ
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "C883866247F2CBE48D7F7494F7DD2BAAACEF655D"


def packet(tag: int, body: bytes) -> bytes:
    """A packet in the new format with a five-octet length."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def key_body(seed: bytes = b"key") -> bytes:
    return b"\x04" + hashlib.sha256(seed).digest()


def test_the_fingerprint_of_a_real_key_is_what_gpg_prints() -> None:
    assert openpgp.fingerprints(ARMORED) == [FINGERPRINT]


def test_line_ends_of_another_system_change_nothing() -> None:
    assert openpgp.fingerprints(ARMORED.replace(b"\n", b"\r\n")) == [FINGERPRINT]


def test_a_binary_key_file_is_read_too() -> None:
    assert openpgp.fingerprints(openpgp.dearmor(ARMORED)) == [FINGERPRINT]


def test_a_subkey_is_not_a_primary_key() -> None:
    data = packet(6, key_body()) + packet(14, key_body(b"sub"))
    assert len(openpgp.fingerprints(data)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        packet(6, key_body())[:-3],
        packet(13, b"only a name"),
        packet(6, b"\x03old"),
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----\n",
    ],
)
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(DrydockError) as failure:
        openpgp.fingerprints(data)
    assert failure.value.kind == "invalid_key"


@given(st.binary(max_size=200))
def test_any_bytes_at_all_end_in_fingerprints_or_in_a_refusal(data: bytes) -> None:
    try:
        found = openpgp.fingerprints(data)
    except DrydockError:
        return
    assert all(openpgp.FINGERPRINT.match(each) for each in found)


def test_a_second_key_slipped_into_the_file_is_refused() -> None:
    good, bad = packet(6, key_body()), packet(6, key_body(b"other"))
    expected = openpgp.fingerprints(good)[0]
    openpgp.require_fingerprint(good, expected, "https://example.org/gpg")
    with pytest.raises(DrydockError, match="Nothing was installed") as failure:
        openpgp.require_fingerprint(good + bad, expected, "https://example.org/gpg")
    assert failure.value.kind == "wrong_key"


def test_armor_of_several_blocks_is_read_whole() -> None:
    def armor(data: bytes) -> bytes:
        return (
            b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\n"
            + base64.b64encode(data)
            + b"\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n"
        )

    both = armor(packet(6, key_body())) + armor(packet(6, key_body(b"other")))
    assert len(openpgp.fingerprints(both)) == 2


@pytest.mark.parametrize(
    ("text", "result"),
    [("9dc8 5822 9fc7 dd38 854a  e2d8 8d81 803c 0ebf cd88", "9DC858229FC7DD38854AE2D88D81803C0EBFCD88")],
)
def test_a_fingerprint_may_be_written_as_vendors_print_it(text: str, result: str) -> None:
    assert openpgp.normalize_fingerprint(text) == result


@pytest.mark.parametrize("text", ["", "0EBFCD88", "8D81803C0EBFCD88", "x" * 40])
def test_a_short_key_id_is_not_enough(text: str) -> None:
    with pytest.raises(DrydockError, match="whole fingerprint"):
        openpgp.normalize_fingerprint(text)
