# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile bytes end in the name of a format or in a refusal, never in a traceback or without end."""

from __future__ import annotations

import json

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._formats import jsons
from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils._formats.samples import SOUND, judged

NAMES = st.sampled_from(sorted(SOUND))
FEW = settings(max_examples=150, deadline=None)
MAGICS = [
    b"PK\3\4",
    b"GGUF\3\0\0\0",
    b"ftrt",
    b"\x93NUMPY\1\0",
    b"\x1f\x8b\x08\0",
    b"\x20\0\0\0TFL3",
    b"\x80\4",
    b"\x08\x08:",
    b"{",
]


@FEW
@given(NAMES, st.sampled_from([b"", *MAGICS]), st.binary(min_size=1, max_size=600))
def test_random_bytes(name: str, magic: bytes, content: bytes) -> None:
    assert judged(magic + content, name)


@FEW
@given(NAMES, st.data())
def test_a_sound_file_cut_anywhere(name: str, data: st.DataObject) -> None:
    content = SOUND[name][0]
    assert judged(content[: data.draw(st.integers(1, len(content)))], name)


@FEW
@given(NAMES, st.data())
def test_a_sound_file_with_bits_turned(name: str, data: st.DataObject) -> None:
    content = bytearray(SOUND[name][0])
    for place in data.draw(st.lists(st.integers(0, 8 * len(content) - 1), min_size=1, max_size=6)):
        content[place // 8] ^= 1 << place % 8
    assert judged(bytes(content), name)


@FEW
@given(NAMES, NAMES, st.data())
def test_two_files_put_together(name: str, other: str, data: st.DataObject) -> None:
    first, second = SOUND[name][0], SOUND[other][0]
    place = data.draw(st.integers(0, len(first)))
    assert judged(first[:place] + second + first[place:], name)


def accepts(content: bytes, *, strides: bool, piece: int) -> bool:
    source = (content[at : at + piece] for at in range(0, len(content), piece))
    try:
        for _event in jsons.events(source, strides=strides):
            pass
    except Refusal:
        return False
    return True


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@FEW
@given(VALUES, st.booleans(), st.booleans(), st.integers(1, 40))
def test_whatever_json_is_written_is_read_however_it_is_cut(
    value: object, ascii_only: bool, strides: bool, piece: int
) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        content.decode()
    except UnicodeDecodeError:
        return
    assert accepts(content, strides=strides, piece=piece)


@FEW
@given(st.text(alphabet='{}[],:" \\nul1e-.0aé', max_size=12).map(str.encode), st.booleans(), st.integers(1, 9))
def test_json_is_what_python_says_it_is(content: bytes, strides: bool, piece: int) -> None:
    try:
        json.loads(content)
    except ValueError:
        expected = False
    else:
        expected = True
    assert accepts(content, strides=strides, piece=piece) is expected


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
def test_the_events_tell_what_the_text_says(piece: int) -> None:
    content = b' {"a" : [1, -2.5e3], "b\\n": {"c":"d", "e": {}}, "f": true} '
    source = (content[at : at + piece] for at in range(0, len(content), piece))
    told = [(event.kind, event.value, event.depth) for event in jsons.events(source)]
    assert told == [
        ("{", b"", 0),
        ("key", b"a", 1),
        ("[", b"", 1),
        ("number", b"1", 2),
        ("number", b"-2.5e3", 2),
        ("]", b"", 1),
        ("key", b"b\\n", 1),
        ("{", b"", 1),
        ("key", b"c", 2),
        ("string", b"d", 2),
        ("key", b"e", 2),
        ("{", b"", 2),
        ("}", b"", 2),
        ("}", b"", 1),
        ("key", b"f", 1),
        ("literal", b"true", 1),
        ("}", b"", 0),
    ]
