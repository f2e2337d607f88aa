# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's access log, one JSON object a line: what was added since a moment, also when it was rotated meanwhile.

logrotate renames the file to ``….1`` and makes a new one; until nginx is told, its processes go on writing to the old.
So both are read, each from where it was left. What is older than ``….1`` is compressed and is not looked at.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 1024 * 1024  # bytes that are held at a time; a line that is longer is no line of this log
TAIL = 4 * CHUNK  # bytes that tell how it was before
HEAD = 256  # bytes by which a file is told from a later one of the same inode
_APART = re.compile(r"\s*[,:]\s+")  # between the upstreams that a request has tried


@dataclass(frozen=True)
class Mark:
    """How far a file was read. ``head`` is a digest of its beginning, as far as ``HEAD`` and ``offset`` go."""

    inode: int
    offset: int
    head: str

    def as_dict(self) -> dict[str, Any]:
        return {"inode": self.inode, "offset": self.offset, "head": self.head}


def mark_from(raw: Any) -> Mark:
    """From what ``as_dict`` gave.

    :raises KeyError, TypeError, ValueError: it is something else.
    """
    return Mark(inode=int(raw["inode"]), offset=int(raw["offset"]), head=str(raw["head"]))


@dataclass(frozen=True)
class Entry:
    """One request that has ended.

    :param at: seconds since 1970.
    :param upstream: the address that answered last; empty where the edge answered by itself.
    :param seconds: what that one took, or None.
    """

    at: float
    status: int
    upstream: str
    seconds: float | None


def parse_line(line: bytes) -> Entry | None:
    """One line of the log; None for what is none, such as half a line or one of another format."""
    try:
        raw = json.loads(line)
        return Entry(
            at=float(raw["ts"]),
            status=int(raw["status"]),
            upstream=_last(str(raw["upstream"])),
            seconds=_number(_last(str(raw["upstream_seconds"]))),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _last(text: str) -> str:
    """Of several upstreams the one whose answer was passed on. A port is no end: nothing but a space follows those."""
    found = [part for part in _APART.split(f"{text} ") if part.strip()]
    return found[-1].strip() if found else ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None  # nothing, or "-"


def rotated(path: Path) -> Path:
    """Where logrotate puts the file first."""
    return path.with_name(f"{path.name}.1")


def tail(path: Path, *, limit: int = TAIL) -> Iterator[Entry]:
    """The newest requests of the log, at most so many bytes of them; none where there is no log.

    :raises OSError: the log is there and cannot be read.
    """
    left = limit
    found: list[bytes] = []
    for file in (path, rotated(path)):
        stream = _opened(file)
        if stream is None:
            continue
        with stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - left))
            found.insert(0, stream.read(left))
        left -= len(found[0])
    lines = (line for block in found for line in block.splitlines())
    return (entry for entry in map(parse_line, lines) if entry is not None)


class AccessLog:
    """A reader that gives each line once.

    :param marks: how far the files were read; what is in none of them is read from its beginning.
    """

    def __init__(self, path: Path, marks: Iterable[Mark] = (), *, chunk: int = CHUNK) -> None:
        self._path = path
        self._chunk = chunk
        self._marks = {mark.inode: mark for mark in marks}

    @classmethod
    def at_end(cls, path: Path) -> AccessLog:
        """A reader of what comes from now on.

        :raises OSError: the log is there and cannot be read.
        """
        reader = cls(path)
        for stream in reader._open():
            with stream:
                reader._skip(stream)
        return reader

    @property
    def marks(self) -> tuple[Mark, ...]:
        return tuple(self._marks.values())

    def lines(self) -> Iterator[bytes]:
        """The whole lines that were added since the last call, without their ends. Take all of them.

        :raises OSError: the log is there and cannot be read.
        """
        for stream in self._open():
            with stream:
                yield from self._added(stream, os.fstat(stream.fileno()).st_ino)

    def entries(self) -> Iterator[Entry]:
        """The requests among them."""
        return (entry for entry in map(parse_line, self.lines()) if entry is not None)

    def _open(self) -> Iterator[io.FileIO]:
        """The rotated file first: its lines are older. One that is rotated between both looks is read next time."""
        for path in (rotated(self._path), self._path):
            stream = _opened(path)
            if stream is not None:
                yield stream

    def _added(self, stream: io.FileIO, inode: int) -> Iterator[bytes]:
        offset = self._left_at(stream, inode)
        stream.seek(offset)
        while True:
            block = stream.read(self._chunk)
            end = block.rfind(b"\n") + 1
            if not end and len(block) < self._chunk:
                break  # nothing, or the beginning of a line that is still being written
            offset += end or len(block)
            yield from block[:end].split(b"\n")[:-1]
            stream.seek(offset)
        self._remember(stream, inode, offset)

    def _left_at(self, stream: io.FileIO, inode: int) -> int:
        """Where to go on; 0 for a file that has only got the inode of one that was read."""
        mark = self._marks.get(inode)
        if mark is None or os.fstat(stream.fileno()).st_size < mark.offset:
            return 0
        return mark.offset if _head(stream, mark.offset) == mark.head else 0

    def _skip(self, stream: io.FileIO) -> None:
        """Count everything up to the end as read, but for a line that is still being written."""
        size = stream.seek(0, os.SEEK_END)
        begin = max(0, size - self._chunk)
        stream.seek(begin)
        end = stream.read(size - begin).rfind(b"\n") + 1
        self._remember(stream, os.fstat(stream.fileno()).st_ino, begin + end if end or not begin else size)

    def _remember(self, stream: io.FileIO, inode: int, offset: int) -> None:
        self._marks[inode] = Mark(inode=inode, offset=offset, head=_head(stream, offset))


def _opened(path: Path) -> io.FileIO | None:
    try:
        return path.open("rb", buffering=0)
    except FileNotFoundError:
        return None


def _head(stream: io.FileIO, offset: int) -> str:
    stream.seek(0)
    return hashlib.sha256(stream.read(min(HEAD, offset))).hexdigest()
