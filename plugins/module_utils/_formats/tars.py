# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tar archives, read front to back: plain files and directories, ustar, GNU long names and pax paths, nothing else.

After POSIX.1-2017 pax, "ustar Interchange Format", and the GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Blob, Cursor, Refusal, Slice, pieces
from ansible_collections.drydock.serving.plugins.module_utils._formats.members import Member, check_name

BLOCK = 512
MOST_MEMBERS = 10_000
LONGEST_EXTRA = 64 * 1024
LONGEST_END = 1024 * 1024
_FILE, _DIRECTORY = (b"0", b"\0", b"7"), (b"5",)
_PAX, _PAX_GLOBAL, _LONG_NAME = b"x", b"g", b"L"


class _Header(NamedTuple):
    name: bytes
    size: int
    kind: bytes


def is_like(head: bytes) -> bool:
    """Is the first block a header with a right checksum?"""
    return len(head) >= BLOCK and head[0] != 0 and _checksum_fits(head[:BLOCK])


def members(blob: Blob) -> Iterator[Member]:
    """The members in the order in which they lie.

    :raises Refusal: the archive is damaged, or holds what is no plain file.
    """
    cursor = Cursor(blob, "tar")
    seen: set[str] = set()
    name: str | None = None
    size: int | None = None
    while True:
        block = cursor.take(BLOCK)
        if not block.strip(b"\0"):
            break
        header = _parse(block)
        length = header.size if size is None or header.kind in (_PAX, _PAX_GLOBAL, _LONG_NAME) else size
        start = cursor.at
        cursor.skip(-(-length // BLOCK) * BLOCK)
        if header.kind in (_PAX, _PAX_GLOBAL, _LONG_NAME):
            if length > LONGEST_EXTRA or name is not None:
                raise _fail("its extra headers are too long, or two follow each other")
            name, size = _extra(header.kind, blob.read_at(start, length))
            continue
        told = _text(header.name) if name is None else name
        name = size = None
        if header.kind not in (*_FILE, *_DIRECTORY):
            raise Refusal("an archive with a link or device", f"member {told[:200]!r} is no plain file")
        check_name(told)
        if told.rstrip("/") in seen or len(seen) >= MOST_MEMBERS:
            raise Refusal("an archive with two members of one name or too many", f"see {told[:200]!r}")
        seen.add(told.rstrip("/"))
        directory = header.kind in _DIRECTORY or told.endswith("/")
        if directory and length:
            raise _fail(f"directory {told[:200]!r} has content")
        yield Member(told if not directory else told.rstrip("/") + "/", Slice(blob, start, length))
    _check_end(blob, cursor.at)
    if name is not None or size is not None:
        raise _fail("an extra header belongs to no member")


def _fail(reason: str) -> Refusal:
    return Refusal("a damaged or ambiguous tar archive", reason)


def _checksum_fits(block: bytes) -> bool:
    try:
        stated = _number(block[148:156])
    except Refusal:
        return False
    return stated == sum(block[:148]) + 8 * 32 + sum(block[156:])


def _number(raw: bytes) -> int:
    """Octal digits, or the base-256 that GNU tar writes for large ones."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:], "big")
    digits = raw.strip(b" \0")
    if digits and (len(digits) > 12 or digits.strip(b"01234567")):
        raise _fail("a header holds something other than a number")
    return int(digits or b"0", 8)


def _parse(block: bytes) -> _Header:
    if not _checksum_fits(block):
        raise _fail("a header has a wrong checksum")
    name, prefix = block[:100].split(b"\0")[0], block[345:500].split(b"\0")[0]
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return _Header(name, _number(block[124:136]), block[156:157])


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _fail(f"the name {raw[:80]!r} is not in UTF-8") from None


def _extra(kind: bytes, body: bytes) -> tuple[str | None, int | None]:
    """Name and size that replace those of the next header."""
    if kind == _LONG_NAME:
        return _text(body.rstrip(b"\0")), None
    name: str | None = None
    size: int | None = None
    at = 0
    while at < len(body):
        length, space, _rest = body[at : at + 12].partition(b" ")
        if not space or not length.isdigit() or not len(length) + 3 < int(length) <= len(body) - at:
            raise _fail("an extra header is damaged")
        record = body[at + len(length) + 1 : at + int(length)]
        at += int(length)
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise _fail("an extra header is damaged")
        if kind == _PAX_GLOBAL and key in (b"path", b"size", b"linkpath"):
            raise _fail("a global header names or measures all members")
        if key == b"path":
            name = _text(value[:-1])
        elif key == b"size":
            size = int(value) if value[:-1].isdigit() and len(value) <= 20 else None
            if size is None:
                raise _fail("an extra header holds a size that is no number")
        elif key.startswith(b"GNU.sparse") or key == b"linkpath":
            raise _fail("a member is sparse or a link")
    return name, size


def _check_end(blob: Blob, start: int) -> None:
    """Only zeros follow the first empty block, and not without end."""
    if blob.size - start > LONGEST_END or (blob.size - start) % BLOCK:
        raise _fail("it goes on behind its end")
    for piece in pieces(blob, start):
        if piece.strip(b"\0"):
            raise _fail("something follows its end")
