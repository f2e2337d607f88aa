# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Formats of which a little is checked because little can be: TFLite, TensorRT engines, NumPy arrays."""

from __future__ import annotations

import re
import struct

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import U16, U32, Blob, Cursor, Refusal

TFLITE = b"TFL3"
TENSORRT = b"ftrt"
NUMPY = b"\x93NUMPY"
_SIGNED = struct.Struct("<i")
_NUMPY_HEADER = re.compile(
    r"\{'descr': '([<>|=]?)([?bBiufcSUVmM])(\d{0,9})(\[\w{1,10}\])?', 'fortran_order': (?:True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\),? ?\} *\n?"
)
_NUMPY_LONGEST = 10_000


def check_tflite(blob: Blob) -> None:
    """The identifier, the root table and its table of fields inside the file, schema version 3, and sub-graphs.

    A flatbuffer does not say where it ends, so bytes that nothing refers to go unseen; an archive among them does not.

    :raises Refusal: it is no sound TFLite model.
    """
    cursor = Cursor(blob, "TFLite")
    root = cursor.number(U32)
    if cursor.take(4) != TFLITE:
        raise cursor.fail("it lacks the identifier TFL3")
    vtable = root - _number(cursor, root, _SIGNED)
    size = _number(cursor, vtable, U16)
    if size < 10 or size % 2:
        raise cursor.fail("its root table has no version and no sub-graphs")
    version, subgraphs = (_number(cursor, vtable + place, U16) for place in (4, 8))
    if not version or _number(cursor, root + version, U32) != 3:
        raise cursor.fail("its schema version is not 3")
    if not subgraphs:
        raise cursor.fail("it has no sub-graphs")
    vector = root + subgraphs + _number(cursor, root + subgraphs, U32)
    count = _number(cursor, vector, U32)
    if not 0 < count <= (blob.size - vector - 4) // 4:
        raise cursor.fail(f"it announces {count} sub-graphs")


def _number(cursor: Cursor, place: int, form: struct.Struct) -> int:
    if not 0 <= place <= cursor.end - form.size:
        raise cursor.fail(f"it refers to byte {place}, outside its {cursor.end} bytes")
    cursor.at = place
    return cursor.number(form)


def check_tensorrt(blob: Blob) -> None:
    """The magic and that something follows it. The rest is known to NVIDIA alone: an engine is code for a GPU, and its
    digest says only that it is the one that was locked.

    :raises Refusal: it is no engine.
    """
    cursor = Cursor(blob, "TensorRT")
    if cursor.take(4) != TENSORRT:
        raise cursor.fail("it lacks the magic ftrt")
    if cursor.left < 64:
        raise cursor.fail("it ends right behind its magic")


def check_npy(blob: Blob) -> None:
    """A header of one plain type, and exactly as many bytes as its shape needs. Objects are pickles.

    :raises Refusal: it is no sound array.
    """
    cursor = Cursor(blob, "NumPy")
    if cursor.take(6) != NUMPY:
        raise cursor.fail("it lacks its magic")
    version = cursor.take(2)
    if version not in (b"\1\0", b"\2\0", b"\3\0"):
        raise cursor.fail("its version is none of 1.0, 2.0, 3.0")
    length = cursor.number(U16 if version[0] == 1 else U32)
    if length > _NUMPY_LONGEST:
        raise cursor.fail(f"its header has {length} bytes; at most {_NUMPY_LONGEST} are allowed")
    header = cursor.take(length).decode("latin-1")
    found = _NUMPY_HEADER.fullmatch(header)
    if found is None:
        kind = re.search(r"'descr': *'?[<>|=]?O", header)
        if kind or "|O" in header:
            raise Refusal("a NumPy array of objects", "objects are stored as a pickle, and loading that runs its code")
        raise cursor.fail("its header does not describe an array of one plain type")
    _order, letter, width, _unit, shape = found.groups()
    lengths = [int(length) for length in re.findall(r"\d+", shape)]
    size = 0 if 0 in lengths else int(width or 1) * (4 if letter == "U" else 1)
    for length in lengths:
        size = min(size * length, 1 << 62)
    if size != cursor.left:
        raise cursor.fail(f"its header accounts for {size} bytes, and {cursor.left} follow")
