# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._checksum import CHUNK, hash_file, parse_checksum

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"SHA256:{HEX.upper()}", f" sha256:{HEX}\n"])
def test_a_digest_is_read_whatever_its_letter_case(text: str) -> None:
    assert parse_checksum(text) == HEX


@pytest.mark.parametrize(
    "text", ["", HEX, f"md5:{HEX[:32]}", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{'g' * 64}"]
)
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        parse_checksum(text)


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 3])
def test_a_file_of_any_size_is_hashed_whole(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    (tmp_path / "file").write_bytes(content)
    assert hash_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="symbolic links"):
        hash_file(tmp_path / "link")
