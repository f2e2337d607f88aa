# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GGUF, versions 2 and 3: counts, key-value pairs, tensor descriptions, and data that reaches to the end of the file.

After https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

from array import array

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import U32, U64, Blob, Cursor

MAGIC = b"GGUF"
MOST_TENSORS = 100_000
MOST_PAIRS = 100_000
LONGEST_KEY = 65_535
LONGEST_NAME = 1024
DEEPEST_ARRAY = 4
LONGEST_HEADER = 256 * 1024 * 1024
_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT32 = 8, 9, 4
# type of tensor -> elements and bytes of a block (ggml.h); a type newer than this table is measured by its neighbours
_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66),
    17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54),
    35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip


def check(blob: Blob) -> None:
    """:raises Refusal: it is no sound GGUF file."""
    cursor = Cursor(blob, "GGUF")
    if cursor.take(4) != MAGIC:
        raise cursor.fail("it does not begin with GGUF")
    version = cursor.number(U32)
    if version not in (2, 3):
        raise cursor.fail(f"its version is {version}; expected 2 or 3, little-endian")
    tensors, pairs = cursor.number(U64), cursor.number(U64)
    if tensors > min(MOST_TENSORS, cursor.left // 24) or pairs > min(MOST_PAIRS, cursor.left // 13):
        raise cursor.fail(f"it announces {tensors} tensors and {pairs} pairs, more than it can hold")
    alignment = 32
    for _index in range(pairs):
        key, kind = _string(cursor, LONGEST_KEY), cursor.number(U32)
        if key == b"general.alignment" and kind == _UINT32:
            alignment = cursor.number(U32)
        else:
            _value(cursor, kind, 0)
        if cursor.at > LONGEST_HEADER:
            raise cursor.fail(f"its header has more than {LONGEST_HEADER} bytes")
    if not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
        raise cursor.fail(f"its alignment is {alignment}; expected a power of two from 8 on")
    _check_data(cursor, tensors, alignment)


def _string(cursor: Cursor, longest: int) -> bytes:
    length = cursor.number(U64)
    if length > longest:
        raise cursor.fail(f"at byte {cursor.at} is a name of {length} bytes; at most {longest} are allowed")
    return cursor.take(length)


def _value(cursor: Cursor, kind: int, depth: int) -> None:
    if kind in _SIZES:
        cursor.skip(_SIZES[kind])
    elif kind == _STRING:
        cursor.skip(cursor.number(U64))
    elif kind == _ARRAY and depth < DEEPEST_ARRAY:
        inner, count = cursor.number(U32), cursor.number(U64)
        if count > cursor.left:
            raise cursor.fail(f"at byte {cursor.at} it announces an array of {count} elements")
        if inner in _SIZES:
            cursor.skip(count * _SIZES[inner])
        else:
            for _index in range(count):
                _value(cursor, inner, depth + 1)
                if cursor.at > LONGEST_HEADER:
                    break
    else:
        raise cursor.fail(f"at byte {cursor.at} is a value of the unknown type {kind}")


def _check_data(cursor: Cursor, tensors: int, alignment: int) -> None:
    """The descriptions of the tensors, and whether their data fills the rest: aligned, no overlap, nothing behind."""
    starts, sizes = array("Q"), array("Q")
    limit = cursor.blob.size
    for _index in range(tensors):
        name = _string(cursor, LONGEST_NAME)
        dimensions = cursor.number(U32)
        if dimensions > 8:
            raise cursor.fail(f"tensor {name[:80]!r} has {dimensions} dimensions")
        elements = 1
        for _dimension in range(dimensions):
            elements = min(elements * cursor.number(U64), 1 << 62)
        block, width = _BLOCKS.get(cursor.number(U32), (0, 0))
        start = cursor.number(U64)
        size = -(-elements // block) * width if block else 0
        if start % alignment or start + size > limit:
            raise cursor.fail(f"the data of tensor {name[:80]!r} lies outside the file or is not aligned")
        starts.append(start)
        sizes.append(size)
    data = -(-cursor.at // alignment) * alignment if tensors else cursor.at
    end, known = 0, True
    for index in sorted(range(tensors), key=starts.__getitem__):
        if starts[index] < end or (known and starts[index] - end >= alignment):
            raise cursor.fail(f"its tensors overlap or leave a hole at byte {end} of the data")
        end = starts[index] + sizes[index]
        known = sizes[index] > 0
    rest = limit - data - end
    if rest < 0 or (known and rest >= alignment):
        raise cursor.fail(f"its tensors end {'behind its last byte' if rest < 0 else f'{rest} bytes before its end'}")
