# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import (
    check_path,
    parse_models,
    parse_size,
)
from hypothesis import given
from hypothesis import strategies as st

HEX = "ab" * 32


def file(**changes: Any) -> dict[str, Any]:
    whole = {"path": "det.onnx", "urls": ["https://a.example/m"], "checksum": f"sha256:{HEX}", "size": 5}
    return {key: value for key, value in {**whole, **changes}.items() if value is not None}


def model(*files: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"name": "ocr", "version": "4.0", "files": list(files), **changes}


def problems(*models: dict[str, Any]) -> list[str]:
    with pytest.raises(DrydockError) as caught:
        parse_models(models)
    assert caught.value.kind == "invalid_input"
    return list(caught.value.details["violations"])


@pytest.mark.parametrize(
    "path", ["det.onnx", "tokenizer/vocab.json", ".gitattributes", "a b.txt", "名前.bin", "a" * 200]
)
def test_a_path_inside_the_set_may_be_used(path: str) -> None:
    assert check_path(path) is None


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "empty"),
        ("/etc/passwd", "absolute"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a/./b", "'.'"),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("..", "'..'"),
        ("a\\b", "backslash"),
        ("..\\x", "backslash"),
        ("a\0b", "control"),
        ("a\nb", "control"),
        ("a\u202eb", "invisible"),  # right-to-left override
        ("a\u200bb", "invisible"),  # zero width space
        ("a\ud800", "invisible"),  # a surrogate cannot be written as UTF-8
        ("e\u0301.bin", "normalisation"),  # e with a combining accent
        ("\u2025/x", "normalisation"),  # two dot leader: becomes ".."
        ("\uff0e\uff0e/x", "normalisation"),  # full-width dots
        ("a\uff0fb", "normalisation"),  # full-width solidus
        ("a\u2028b", "control"),  # line separator
        ("a\u00adb", "invisible"),  # soft hyphen
        ("\ufeffx", "invisible"),  # byte order mark
        ("a\ufdd0", "invisible"),  # never a character
        ("\u212a.bin", "normalisation"),  # Kelvin sign: becomes K
        ("\u1112\u1161\u11ab", "normalisation"),  # one syllable in three letters
        ("manifest.json", "manifest"),
        (".drydock-x", "reserved"),
        ("a" * 201, "too long"),
        ("é" * 101, "too long"),
        ("a/" * 501 + "b", "too long"),
    ],
)
def test_a_path_that_could_leave_the_set_or_surprise_is_refused(path: str, reason: str) -> None:
    assert reason in (check_path(path) or "")


@given(st.text(max_size=30))
def test_whatever_is_accepted_stays_below_the_set(path: str) -> None:
    if check_path(path) is None:
        parts = path.split("/")
        assert ".." not in parts
        assert "." not in parts
        assert all(parts)
        assert "\0" not in path
        path.encode()


def test_a_sound_model_is_read() -> None:
    (found,) = parse_models([model(file(), file(path="a/b", checksum=f"SHA256:{'CD' * 32}"))])
    assert found.manifest == {
        "name": "ocr",
        "version": "4.0",
        "files": {"det.onnx": {"sha256": HEX, "size": 5}, "a/b": {"sha256": "cd" * 32, "size": 5}},
    }


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (model(file(checksum=None)), "models[0] (ocr).files[0] (det.onnx).checksum: is missing"),
        (model(file(checksum="md5:1")), "models[0] (ocr).files[0] (det.onnx).checksum: expected 'sha256:'"),
        (model(file(size=None)), "models[0] (ocr).files[0] (det.onnx).size: expected the size in bytes"),
        (model(file(size=0)), "empty files are placeholders"),
        (model(file(size=-1)), "found -1"),
        (model(file(urls=[])), "urls: lists no address"),
        (model(file(urls=["https://me:pw@a.example/m"])), "urls[0]: carries credentials"),
        (model(file(path="../x")), "models[0] (ocr).files[0].path: '../x' contains"),
        (model(), "models[0] (ocr).files: lists no file"),
        (model(file(), name="../x"), "models[0].name: '../x' is not a name"),
        (model(file(), name=""), "is not a name"),
        (model(file(), version=".."), "models[0].version: '..' is not a version"),
        (model(file(), version="current"), "not 'current'"),
        (model(file(), version="a/b"), "is not a version"),
        (model(file(), file()), "det.onnx is listed more than once"),
        (model(file(path="a"), file(path="a/b")), "a cannot be a file, because a/b needs it as a directory"),
        (model(file(), file(path="x", size=6)), "is listed with two sizes, 5 and 6"),
    ],
)
def test_a_violation_is_named_with_its_place(broken: dict[str, Any], says: str) -> None:
    found = problems(broken)
    assert any(says in line for line in found), found
    assert not any("pw" in line for line in found)


def test_all_violations_are_reported_together() -> None:
    found = problems(
        model(file(checksum=None, size=None, urls=[]), name="a b"), model(file(), version=""), model(file())
    )
    assert len(found) == 6


def test_one_model_can_only_have_one_current_version() -> None:
    assert "ocr is listed more than once" in problems(model(file()), model(file(), version="5"))[0]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 1048576),
        ("1GiB", 1 << 30),
        ("1.5 GB", 1500000000),
        ("500mb", 500000000),
        ("2 kib", 2048),
        ("7B", 7),
    ],
)
def test_a_size_is_read_with_decimal_or_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size
    assert parse_size("9007199254740993") == 9007199254740993


@pytest.mark.parametrize("text", ["", "1G", "-1", "GiB", "1 GiB free", "1e9", "1i", "9" * 400])
def test_an_ambiguous_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)
