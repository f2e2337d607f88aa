# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When keys and certificates are still the same, and when they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import fingerprint

FIRST = "-----BEGIN PUBLIC KEY-----\nMFkwEwYH\nKoZIzj0C\n-----END PUBLIC KEY-----\n"
SECOND = FIRST.replace("KoZIzj0C", "KoZIzj0D")
KEY = {"method": "key", "public_key": "keys/ocr.pub"}
CHAIN: dict[str, Any] = {"method": "certificate", "certificate_chain": ["one.crt", "two.crt"]}


def written(folder: Path, **files: str) -> Path:
    (folder / "keys").mkdir(exist_ok=True)
    for name, content in files.items():
        place = folder / {"key": "keys/ocr.pub", "moved": "keys/new.pub"}.get(name, f"{name}.crt")
        place.write_text(content)
    return folder


@pytest.mark.parametrize(
    "content", [FIRST.replace("\n", "\r\n"), f"# ours since 2026\n{FIRST}", FIRST.replace("MFkwEwYH\n", "MFkwEwYH")]
)
def test_a_key_that_is_written_otherwise_is_the_same_key(tmp_path: Path, content: str) -> None:
    before = fingerprint(KEY, written(tmp_path, key=FIRST))
    assert fingerprint(KEY, written(tmp_path, key=content)) == before


def test_a_key_under_another_name_is_the_same_key(tmp_path: Path) -> None:
    written(tmp_path, key=FIRST, moved=FIRST)
    assert fingerprint({**KEY, "public_key": "keys/new.pub"}, tmp_path) == fingerprint(KEY, tmp_path)


def test_another_key_is_another_key(tmp_path: Path) -> None:
    before = fingerprint(KEY, written(tmp_path, key=FIRST))
    assert fingerprint(KEY, written(tmp_path, key=SECOND)) != before
    assert fingerprint(KEY, written(tmp_path, key="no PEM at all")) not in (
        before,
        fingerprint(KEY, written(tmp_path, key="nor is this")),
    )


def test_of_several_keys_in_a_file_the_first_is_the_one_that_is_believed(tmp_path: Path) -> None:
    before = fingerprint(KEY, written(tmp_path, key=FIRST + SECOND))
    assert fingerprint(KEY, written(tmp_path, key=SECOND + FIRST)) != before


@pytest.mark.parametrize("name", ["keys", "keys/a\0b"])
def test_a_name_that_no_file_can_have_is_told_like_an_absent_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(DrydockError) as caught:
        fingerprint({**KEY, "public_key": name}, written(tmp_path, key=FIRST))
    assert caught.value.kind == "invalid_input"
    assert caught.value.message.startswith(f"signature.public_key: {tmp_path / name} cannot be read")


def test_authorities_count_in_any_order_and_file_and_each_one_counts(tmp_path: Path) -> None:
    written(tmp_path, one=FIRST, two=SECOND)
    both = fingerprint(CHAIN, tmp_path)
    assert fingerprint({**CHAIN, "certificate_chain": ["two.crt", "one.crt"]}, tmp_path) == both
    assert fingerprint({**CHAIN, "certificate_chain": ["one.crt"]}, tmp_path) != both
    written(tmp_path, one=SECOND + FIRST)
    assert fingerprint({**CHAIN, "certificate_chain": ["one.crt"]}, tmp_path) == both


def test_the_same_file_believed_in_another_way_is_something_else(tmp_path: Path) -> None:
    written(tmp_path, one=FIRST)
    key = fingerprint({"method": "key", "public_key": "one.crt"}, tmp_path)
    assert fingerprint({**CHAIN, "certificate_chain": ["one.crt"]}, tmp_path) != key


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DrydockError, match=r"signature\.public_key: .*keys/ocr\.pub cannot be read") as caught:
        fingerprint(KEY, tmp_path)
    assert caught.value.kind == "invalid_input"
