# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle: one uncompressed tar with the blobs of locked models, for hosts that reach no source.

::

    drydock-bundle.json         which blobs, where and how large; which models they make
    models.lock.yml             the lock they were fetched by
    blobs/sha256/ab/<hex>       bytes, in the order of their digests

The same models give the same bytes. A member is read where it lies: nothing is unpacked, no name in the archive is
ever used as a path, and its digest judges it like bytes from any other source.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ansible_collections.drydock.serving.plugins.module_utils._source import Source, parse_source

SCHEMA = 1
INDEX = "drydock-bundle.json"
LOCK = "models.lock.yml"
LONGEST_INDEX = 4 * 1024 * 1024
LONGEST_LOCK = 64 * 1024 * 1024
BLOCK = 512
END = bytes(2 * BLOCK)
_HEX = re.compile(r"[0-9a-f]{64}")
_OCTAL_LIMIT = 8**11
_NUMBER_LIMIT = 1 << 62


@dataclass(frozen=True)
class Index:
    """What a bundle holds.

    :param blobs: hex sha256 -> where the bytes begin in the archive, and how many they are.
    :param size: bytes the whole archive must have.
    """

    blobs: Mapping[str, tuple[int, int]]
    size: int


def padded(size: int) -> int:
    """Bytes that content of this size takes in the archive, without its header."""
    return -(-size // BLOCK) * BLOCK


def member_header(name: str, size: int) -> bytes:
    """The block before a member: a plain, read-only file of root, of no date (POSIX ustar; base 256 from 8 GiB on)."""
    octal = b"%011o\0" % size if size < _OCTAL_LIMIT else b"\x80" + size.to_bytes(11, "big")
    fields = (
        name.encode("ascii").ljust(100, b"\0"),
        b"0000444\0" + b"0000000\0" * 2,
        octal,
        b"00000000000\0",
        b" " * 8,
        b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2 + bytes(167),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def blob_name(sha256: str) -> str:
    """The member that holds a blob."""
    return f"blobs/sha256/{sha256[:2]}/{sha256}"


def compose(blobs: Mapping[str, int], *, models: Sequence[Mapping[str, Any]], lock: bytes) -> tuple[bytes, Index]:
    """The index of a bundle as its bytes, and as what it says.

    :param blobs: hex sha256 -> size.
    :param models: the sets, as the index tells them to people.
    """
    offsets: dict[str, int] = {}
    at = 0
    for sha256 in sorted(blobs):
        offsets[sha256] = at + BLOCK
        at += BLOCK + padded(blobs[sha256])
    told = {
        "schema": SCHEMA,
        "lock": {"sha256": hashlib.sha256(lock).hexdigest(), "size": len(lock)},
        "models": list(models),
        "blobs": {sha256: {"offset": offsets[sha256], "size": size} for sha256, size in blobs.items()},
    }
    content = json.dumps(told, sort_keys=True, indent=1).encode("ascii") + b"\n"
    return content, parse_index(content)


def parse_index(content: bytes) -> Index:
    """What an index says, checked; offsets in it count from the first blob's header.

    :raises ValueError: it is none.
    """
    try:
        told = json.loads(content)
        schema, lock, listed = told["schema"], told["lock"]["size"], told["blobs"]
        entries = [(str(sha256), entry["offset"], entry["size"]) for sha256, entry in listed.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"is no bundle: its {INDEX} is damaged") from None
    if schema != SCHEMA:
        raise ValueError(f"is a bundle of layout {str(schema)[:20]!r}; this version of the collection reads {SCHEMA}")
    numbers = [lock, *(offset for _sha256, offset, _size in entries), *(size for _sha256, _offset, size in entries)]
    if not all(_is_size(number) for number in numbers) or lock > LONGEST_LOCK:
        raise ValueError(f"is no bundle: its {INDEX} holds what is no size")
    base = at = 2 * BLOCK + padded(len(content)) + padded(lock)
    blobs: dict[str, tuple[int, int]] = {}
    for sha256, offset, size in sorted(entries):
        if not _HEX.fullmatch(sha256) or base + offset != at + BLOCK:
            raise ValueError(f"is no bundle: its {INDEX} does not list its members in their order")
        blobs[sha256] = (base + offset, size)
        at += BLOCK + padded(size)
    return Index(blobs, at + len(END))


def _is_size(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < _NUMBER_LIMIT


def open_member(path: Path, sha256: str) -> tuple[int, int, int]:
    """A descriptor of the archive for the caller to close, where the blob begins in it, and its size.

    :raises OSError: the archive cannot be opened or read.
    :raises ValueError: it is no bundle, not all of one, or does not hold this blob; a phrase that follows its name.
    """
    descriptor = _open(path)
    try:
        offset, size = _locate(descriptor, sha256)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, offset, size


def read_lock(path: Path) -> bytes:
    """The lock in a bundle.

    :raises OSError: the archive cannot be opened or read.
    :raises ValueError: as ``open_member``.
    """
    descriptor = _open(path)
    try:
        content = _index_of(descriptor)
        told = json.loads(content)["lock"]
        start = BLOCK + padded(len(content))
        found = os.pread(descriptor, told["size"], start + BLOCK)
        header = os.pread(descriptor, BLOCK, start)
    finally:
        os.close(descriptor)
    if header != member_header(LOCK, len(found)) or hashlib.sha256(found).hexdigest() != told["sha256"]:
        raise ValueError(f"is damaged: {LOCK} in it is not the one it was made with")
    return found


def read_index(path: Path) -> bytes:
    """The index of a whole bundle, as bytes.

    :raises OSError: the archive cannot be opened or read.
    :raises ValueError: as ``open_member``.
    """
    descriptor = _open(path)
    try:
        return _index_of(descriptor)
    finally:
        os.close(descriptor)


def sources(path: str, sha256: str) -> tuple[Source, ...]:
    """The bundle as the source of one blob; nothing where it is a bundle that does not hold it.

    A bundle that cannot be read stays a source, so that its failure is told when no other source helps.
    """
    return () if _holds(path, sha256) is False else (parse_source(f"file://{quote(path)}#{sha256}"),)


def _holds(path: str, sha256: str) -> bool | None:
    """Is this blob in the bundle? ``None`` where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = _open(Path(path))
        try:
            return sha256 in _remembered(descriptor).blobs
        finally:
            os.close(descriptor)
    return None


def first(path: str, supply: Callable[..., Any]) -> Callable[..., Any]:
    """A ``Supply`` of ``model_sync`` that puts the bundle before whatever another one locates.

    What the bundle holds is not looked for elsewhere: locating may wait until another host has it.
    """

    @contextlib.contextmanager
    def both(layout: Any, wanted: Sequence[Any]) -> Iterator[Callable[[Any], Sequence[Source]]]:
        with supply(layout, wanted) as locate:

            def located(item: Any) -> Sequence[Source]:
                here = locate is None or _holds(path, item.sha256)
                return (*sources(path, item.sha256), *(item.sources if here else locate(item)))

            yield located

    return both


def _open(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("is not a file")
    return descriptor


class _Memory:
    """The index that was read last, and the archive it is of."""

    kept: tuple[tuple[int, ...], Index] = ((), Index({}, 0))


def _remembered(descriptor: int) -> Index:
    """The index, read once as long as the archive stays as it is."""
    found = os.fstat(descriptor)
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    known, index = _Memory.kept
    if known != key:
        index = parse_index(_index_of(descriptor))
        _Memory.kept = (key, index)
    return index


def _index_of(descriptor: int) -> bytes:
    """The bytes of the index of a bundle that is there as a whole."""
    header = os.pread(descriptor, BLOCK, 0)
    digits = header[124:135]
    size = int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else 0
    if not 0 < size <= LONGEST_INDEX or header != member_header(INDEX, size):
        raise ValueError(f"is no bundle: it does not begin with {INDEX}")
    content = os.pread(descriptor, size, BLOCK)
    expected, found = parse_index(content).size, os.fstat(descriptor).st_size
    if found != expected:
        raise ValueError(f"is not a whole bundle: it has {found} bytes and must have {expected}; copy it again")
    return content


def _locate(descriptor: int, sha256: str) -> tuple[int, int]:
    place = _remembered(descriptor).blobs.get(sha256)
    if place is None:
        raise ValueError(f"does not hold sha256:{sha256[:64]}")
    offset, size = place
    if os.pread(descriptor, BLOCK, offset - BLOCK) != member_header(blob_name(sha256), size):
        raise ValueError(f"is damaged: what should be sha256:{sha256} is something else")
    return offset, size
