# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zip archives, more strictly than programs read them: local headers and directory must tell the same, and members must
follow each other from the first byte to the directory. What two readers could see differently is refused.

After https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT (6.3.10).
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._formats import text
from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import (
    PIECE,
    Blob,
    Budget,
    Cursor,
    Inflated,
    Refusal,
    Slice,
)
from ansible_collections.drydock.serving.plugins.module_utils._formats.members import Member, check_names

MOST_MEMBERS = 10_000
LOCAL, CENTRAL, END, END64, LOCATOR64 = b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7"
TAIL = 22 + 65_535
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s2B5H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_DESCRIPTOR, _UTF8 = 0x0008, 0x0800
_FLAGS = 0x0006 | _DESCRIPTOR | _UTF8
_STORED, _DEFLATED = 0, 8
_ZIP64, _OTHER_NAME, _OTHER_COMMENT = 0x0001, 0x7075, 0x6375
_UNIX = 3


class _Entry(NamedTuple):
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    flags: int
    name: bytes


def end_of(tail: bytes) -> int | None:
    """Where in the last bytes of a file an end record stands that reaches exactly to its end."""
    at = tail.rfind(END)
    while at >= 0:
        if len(tail) - at >= 22 and len(tail) - at == 22 + int.from_bytes(tail[at + 20 : at + 22], "little"):
            return at
        at = tail.rfind(END, 0, at)
    return None


def members(blob: Blob, budget: Budget, *, appended: bool = False) -> Iterator[Member]:
    """The members in the order in which they lie.

    :param appended: something else may come before the first member (labels behind a TFLite model).
    :raises Refusal: the archive is damaged, ambiguous, or holds what is no plain file.
    """
    directory, size, count = _directory(blob)
    entries = sorted(_entries(blob, directory, size, count))
    names = [_name(entry) for entry in entries]
    check_names(names)
    if sum(entry.size for entry in entries) > budget.limit and any(entry.method for entry in entries):
        budget.spend(budget.limit + 1)
    at = entries[0].offset if appended and entries else 0
    for index, (entry, name) in enumerate(zip(entries, names)):
        if entry.offset != at:
            raise _fail(f"between its members, at byte {min(at, entry.offset)}, is something that belongs to none")
        start = _local(blob, entry)
        at = entries[index + 1].offset if index + 1 < len(entries) else directory
        _check_end(blob, entry, start + entry.packed, at)
        packed = Slice(blob, start, entry.packed)
        if entry.method == _STORED:
            if entry.packed != entry.size:
                raise _fail(f"member {name!r} is stored with two sizes")
            yield Member(name, packed)
        else:
            inflated = Inflated(lambda packed=packed: inflate(packed, -zlib.MAX_WBITS), entry.size, budget)  # type: ignore[misc]
            yield Member(name, inflated)
            inflated.finish()
    if at != directory:
        raise _fail(f"before its directory, at byte {at}, is something that belongs to no member")


def inflate(packed: Blob, window: int) -> Iterator[bytes]:
    """The bytes of one compressed stream that fills ``packed`` exactly.

    :param window: as ``zlib.decompressobj`` takes it.
    """
    stream = zlib.decompressobj(window)
    at = 0
    try:
        while not stream.eof:
            data = stream.unconsumed_tail
            if not data:
                data = packed.read_at(at, PIECE)
                at += len(data)
            piece = stream.decompress(data, PIECE)
            if piece:
                yield piece
            elif not data and not stream.eof:
                raise Refusal("a damaged archive", "compressed data ends too early")
    except zlib.error:
        raise Refusal("a damaged archive", "compressed data is damaged") from None
    if stream.unused_data or at != packed.size:
        raise Refusal("a damaged archive", "something follows the compressed data of a member")


def _fail(reason: str) -> Refusal:
    return Refusal("a damaged or ambiguous zip archive", reason)


def _directory(blob: Blob) -> tuple[int, int, int]:
    """Place, size and number of entries of the central directory, which must end where its end records begin."""
    start = max(0, blob.size - TAIL)
    found = end_of(blob.read_at(start, TAIL))
    if found is None:
        raise _fail("it has no end record, or something follows it")
    end = start + found
    _sig, disk, first, here, count, size, offset, length = _END.unpack(blob.read_at(end, _END.size))
    if length and not text.is_like(blob.read_at(end + _END.size, length)):
        raise _fail("its comment is no text")
    stated = (here, count, size, offset)
    locator = blob.read_at(end - _LOCATOR64.size, _LOCATOR64.size) if end >= _LOCATOR64.size else b""
    if locator.startswith(LOCATOR64):
        _sig, disk64, record, disks = _LOCATOR64.unpack(locator)
        end -= _LOCATOR64.size + _END64.size
        raw = blob.read_at(end, _END64.size) if end >= 0 else b""
        if record != end or disk64 or disks != 1 or not raw.startswith(END64):
            raise _fail("its end record for large archives is not where it is said to be")
        _sig, _length, _made, _needed, disk, first, here, count, size, offset = _END64.unpack(raw)
        limits = (_FULL16, _FULL16, _FULL32, _FULL32)
        if any(old not in (new, full) for old, new, full in zip(stated, (here, count, size, offset), limits)):
            raise _fail("its two end records tell different things")
    if disk or first or here != count or count > MOST_MEMBERS:
        raise _fail(f"it has several parts, or more than {MOST_MEMBERS} members")
    if offset + size != end:
        raise _fail("its directory is not where it is said to be; something may have been put before it")
    return offset, size, count


def _entries(blob: Blob, start: int, size: int, count: int) -> Iterator[_Entry]:
    cursor = Cursor(blob, "zip", start, start + size)
    for _index in range(count):
        fields = _CENTRAL.unpack(cursor.take(_CENTRAL.size))
        signature, _made, host, _needed, flags, method, _time, _date, crc, packed, full, *rest = fields
        name_length, extra_length, comment_length, disk, _internal, external, offset = rest
        if signature != CENTRAL:
            raise _fail("its directory is damaged")
        name, extra = cursor.take(name_length), cursor.take(extra_length)
        cursor.skip(comment_length)
        if flags & ~_FLAGS or method not in (_STORED, _DEFLATED) or disk:
            raise _fail("a member is encrypted, or compressed otherwise than by deflate")
        kind = stat.S_IFMT(external >> 16) if host == _UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refusal("an archive with a link or device", "only plain files can be members")
        full, packed, offset = _large(extra, full, packed, offset)
        yield _Entry(offset, packed, full, crc, method, flags, name)
    if cursor.left:
        raise _fail("its directory holds more than its entries")


def _large(extra: bytes, *values: int) -> list[int]:
    """Sizes and offset, those that do not fit 32 bits out of the extra field."""
    found = list(values)
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind in (_OTHER_NAME, _OTHER_COMMENT) or len(body) < length:
            raise _fail("a member has a second name, or extra data that is damaged")
        if kind == _ZIP64:
            for index, value in enumerate(values):
                if value == _FULL32 and len(body) >= 8:
                    found[index], body = int.from_bytes(body[:8], "little"), body[8:]
        at += 4 + length
    return found


def _name(entry: _Entry) -> str:
    try:
        return entry.name.decode("utf-8" if entry.flags & _UTF8 else "ascii")
    except UnicodeDecodeError:
        raise _fail(f"the name of member {entry.name[:80]!r} is not in UTF-8") from None


def _local(blob: Blob, entry: _Entry) -> int:
    """Where the data of a member begins; its own header must agree with the directory."""
    raw = blob.read_at(entry.offset, _LOCAL.size)
    if len(raw) < _LOCAL.size:
        raise _fail("a member lies outside it")
    signature, _needed, flags, method, _time, _date, crc, packed, size, name_length, extra_length = _LOCAL.unpack(raw)
    later = {0} if flags & _DESCRIPTOR else set()
    agrees = (
        signature == LOCAL
        and (flags, method) == (entry.flags, entry.method)
        and blob.read_at(entry.offset + _LOCAL.size, name_length) == entry.name
        and crc in {entry.crc, *later}
        and packed in {entry.packed, _FULL32, *later}
        and size in {entry.size, _FULL32, *later}
    )
    if not agrees:
        raise _fail(f"member {entry.name[:80]!r} and the directory tell different things of it")
    return entry.offset + _LOCAL.size + int(name_length) + int(extra_length)


def _check_end(blob: Blob, entry: _Entry, end: int, following: int) -> None:
    """Behind the data comes the next member at once, or a descriptor that repeats what the directory says."""
    rest = following - end
    if rest == 0 and not entry.flags & _DESCRIPTOR:
        return
    if not (entry.flags & _DESCRIPTOR and rest in (12, 16, 20, 24)):
        raise _fail(f"behind member {entry.name[:80]!r} is something that belongs to none")
    form = "<I2I" if rest in (12, 16) else "<I2Q"
    raw = blob.read_at(end, rest)
    signed = rest in (16, 24)
    if (signed and not raw.startswith(b"PK\7\x08")) or struct.unpack(form, raw[4 if signed else 0 :]) != (
        entry.crc,
        entry.packed,
        entry.size,
    ):
        raise _fail(f"what follows member {entry.name[:80]!r} does not describe it")
