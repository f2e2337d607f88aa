# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocol buffers walked by a table of which fields hold which messages, without any message ever being built.

After https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Cursor

DEEPEST = 64
MOST_FIELDS = 20_000_000
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_BYTE_CACHE = 4096


@dataclass
class Message:
    """What a message of one kind may hold.

    :param fields: number of a field and its wire types; ``None`` for any, where parts are not looked at.
    :param inside: the messages to walk into, by number of field.
    :param leaf: told the bytes of each field that is named in ``keep``.
    :param whole: told, when a message is over, that it is.
    """

    fields: Mapping[int, frozenset[int]] | None = None
    inside: dict[int, Message] = field(default_factory=dict)
    keep: frozenset[int] = frozenset()
    leaf: Callable[[int, bytes], None] | None = None
    whole: Callable[[], None] | None = None


class Fields:
    """Reads tags and lengths of one blob, a few at a time out of a small buffer."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._start = 0
        self._buffer = b""

    def varint(self, end: int) -> int:
        """The number that begins at the cursor, at most 64 bits."""
        cursor = self._cursor
        result = shift = 0
        while True:
            inside = cursor.at - self._start
            if not 0 <= inside < len(self._buffer):
                self._start, inside = cursor.at, 0
                self._buffer = cursor.blob.read_at(cursor.at, _BYTE_CACHE)
            if cursor.at >= end or shift > 63:
                raise cursor.fail(f"it holds no proper number before byte {cursor.at}")
            byte = self._buffer[inside]
            cursor.at += 1
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def walk(self, root: Message, seen: Callable[[int, int], None]) -> None:
        """Visit every field. :param seen: told number and wire type of each field of the outermost message."""
        cursor = self._cursor
        stack = [(root, cursor.end)]
        count = 0
        while stack:
            message, end = stack[-1]
            if cursor.at >= end:
                if message.whole is not None:
                    message.whole()
                stack.pop()
                continue
            count += 1
            if count > MOST_FIELDS:
                raise cursor.fail(f"it holds more than {MOST_FIELDS} fields")
            tag = self.varint(end)
            number, kind = tag >> 3, tag & 7
            if message.fields is not None and kind not in message.fields.get(number, ()):
                raise cursor.fail(f"before byte {cursor.at} is field {number} of type {kind}, which the format lacks")
            if len(stack) == 1:
                seen(number, kind)
            length = self._length(kind, end)
            inner = message.inside.get(number) if kind == BYTES else None
            if inner is not None:
                if len(stack) >= DEEPEST:
                    raise cursor.fail(f"it is nested deeper than {DEEPEST} levels")
                stack.append((inner, cursor.at + length))
                continue
            if message.leaf is not None and number in message.keep and kind == BYTES:
                message.leaf(number, cursor.blob.read_at(cursor.at, min(length, _BYTE_CACHE)))
            cursor.at += length

    def _length(self, kind: int, end: int) -> int:
        """Bytes of the value that follows; a number is already stepped over."""
        cursor = self._cursor
        if kind == VARINT:
            self.varint(end)
            return 0
        if kind not in (FIXED64, BYTES, FIXED32):
            raise cursor.fail(f"before byte {cursor.at} is a field of the unknown type {kind}")
        length = {FIXED64: 8, FIXED32: 4}.get(kind)
        length = self.varint(end) if length is None else length
        if length > end - cursor.at:
            raise cursor.fail(f"at byte {cursor.at} it announces {length} bytes, and {end - cursor.at} are left")
        return length
