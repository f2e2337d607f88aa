# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""safetensors: a length, a JSON header, and tensors that fill the rest without hole or overlap.

After https://github.com/huggingface/safetensors#format; the bound of the header is the one of its own reader.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import U64, Blob, Cursor, Refusal, pieces
from ansible_collections.drydock.serving.plugins.module_utils._formats.jsons import Event, events

LONGEST_HEADER = 100_000_000
MOST_TENSORS = 50_000
MOST_DIMENSIONS = 32
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32,
    "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
_COUNT = re.compile(rb"[0-9]{1,19}")


def is_like(head: bytes, size: int) -> bool:
    """Do the first bytes look like a header of a plausible length?"""
    return len(head) >= 10 and head[8:9] == b"{" and U64.unpack(head[:8])[0] <= min(LONGEST_HEADER, size - 8)


def check(blob: Blob) -> None:
    """:raises Refusal: it is no sound safetensors file."""
    cursor = Cursor(blob, "safetensors")
    length = cursor.number(U64)
    if not 2 <= length <= min(LONGEST_HEADER, cursor.left):
        raise cursor.fail(
            f"its header is said to have {length} bytes; expected 2 up to {min(LONGEST_HEADER, cursor.left)}"
        )
    if cursor.take(1) != b"{":
        raise cursor.fail("its header does not begin with '{'")
    room = blob.size - 8 - length
    starts, ends = array("Q"), array("Q")
    names: set[int] = set()
    try:
        for name, start, end in _tensors(events(pieces(blob, 8, 8 + length)), room):
            starts.append(start)
            ends.append(end)
            names.add(hash(name))
            if len(starts) > MOST_TENSORS:
                raise cursor.fail(f"it lists more than {MOST_TENSORS} tensors")
    except Refusal as refusal:
        raise cursor.fail(f"its header is not as it must be: {refusal.reason}") from None
    if len(names) != len(starts):
        raise cursor.fail("its header lists a tensor twice")
    at = 0
    for index in sorted(range(len(starts)), key=lambda each: (starts[each], ends[each])):
        if starts[index] != at:
            raise cursor.fail(
                f"its tensors {'overlap' if starts[index] < at else 'leave a hole'} at byte {at} of the data"
            )
        at = ends[index]
    if at != room:
        raise cursor.fail(f"its tensors end after {at} bytes of data, and {room - at} more bytes follow them")


def _wrong(reason: str) -> Refusal:
    return Refusal("a damaged safetensors file", reason)


def _tensors(found: Iterator[Event], room: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each tensor."""
    first = next(found, None)
    if first is None or first.kind != "{":
        raise _wrong("it is no object")
    for event in found:
        if event.kind == "key":
            if event.value == b"__metadata__":
                _metadata(found)
            else:
                start, end = _tensor(found, event.value, room)
                yield event.value, start, end


def _metadata(found: Iterator[Event]) -> None:
    if next(found).kind != "{":
        raise _wrong("__metadata__ is no object")
    for event in found:
        if event.kind == "}":
            return
        if event.kind not in ("key", "string"):
            raise _wrong("__metadata__ holds something other than strings")


def _tensor(found: Iterator[Event], name: bytes, room: int) -> tuple[int, int]:
    said = f"tensor {name[:80].decode('utf-8', 'replace')!r}"
    if next(found).kind != "{":
        raise _wrong(f"{said} is no object")
    dtype, shape, offsets = "", None, None
    for event in found:
        if event.kind == "}":
            break
        if event.value == b"dtype" and not dtype:
            dtype = next(found).value.decode("utf-8", "replace")
        elif event.value == b"shape" and shape is None:
            shape = _numbers(found, said)
        elif event.value == b"data_offsets" and offsets is None:
            offsets = _numbers(found, said)
        else:
            raise _wrong(f"{said} has the key {event.value[:40]!r}; expected dtype, shape and data_offsets once each")
    if dtype not in BITS:
        raise _wrong(f"{said} has the unknown dtype {dtype[:40]!r}")
    if shape is None or offsets is None or len(offsets) != 2:
        raise _wrong(f"{said} lacks its shape or the two data_offsets")
    start, end = offsets
    bits = 0 if 0 in shape else BITS[dtype]
    for length in shape:
        bits *= length
        if bits > 8 * room:  # a product of 32 such numbers would be long
            break
    if not start <= end <= room or (end - start) * 8 != bits:
        raise _wrong(f"{said} has data_offsets [{start}, {end}] that do not fit {dtype} {shape} in {room} bytes")
    return start, end


def _numbers(found: Iterator[Event], said: str) -> list[int]:
    if next(found).kind != "[":
        raise _wrong(f"{said} has a shape or data_offsets that is no list")
    numbers: list[int] = []
    for event in found:
        if event.kind == "]":
            return numbers
        if event.kind != "number" or not _COUNT.fullmatch(event.value) or len(numbers) == MOST_DIMENSIONS:
            raise _wrong(f"{said} has a shape or data_offsets with something other than a few whole numbers")
        numbers.append(int(event.value))
    raise _wrong(f"{said} does not end")
