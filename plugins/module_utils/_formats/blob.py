# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading hostile bytes: a file, a stretch of one, or what a compressed stream gives, all with the same few calls.

Nothing here holds more than a window of the content, and everything that is inflated is counted against one budget.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

WINDOW = 64 * 1024
PIECE = 256 * 1024


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the program
    """Why a file is refused, below the place where its name is known.

    :param found: what it is, in a few words: ``a pickle``.
    :param reason: why that is refused, a sentence without its full stop.
    """

    def __init__(self, found: str, reason: str) -> None:
        super().__init__(f"{found}: {reason}")
        self.found = found
        self.reason = reason
        self.path: tuple[str, ...] = ()
        """The members of archives that lead to it, outermost first."""


class Blob(Protocol):
    """Bytes of a known number."""

    @property
    def size(self) -> int:
        """Bytes in all."""

    def read_at(self, offset: int, count: int) -> bytes:
        """At most ``count`` bytes from ``offset`` on; fewer only at the end. ``count`` is never large."""


class FileBlob:
    """A seekable binary handle, read through a window so that small steps cost few reads.

    :param size: bytes; what the handle gives behind them is not looked at.
    """

    def __init__(self, handle: BinaryIO, size: int) -> None:
        self._handle = handle
        self.size = size
        self._start = 0
        self._window = b""

    def read_at(self, offset: int, count: int) -> bytes:
        count = min(count, self.size - offset)
        if count <= 0:
            return b""
        inside = offset - self._start
        if inside < 0 or inside + count > len(self._window):
            self._fill(offset, max(count, min(WINDOW, self.size - offset)))
            inside = 0
        found = self._window[inside : inside + count]
        if len(found) < count:
            raise Refusal("a shorter file", f"it was said to have {self.size} bytes and ends earlier")
        return found

    def _fill(self, offset: int, count: int) -> None:
        self._handle.seek(offset)
        pieces = []
        while count > 0:
            piece = self._handle.read(count)
            if not piece:
                break
            pieces.append(piece)
            count -= len(piece)
        self._start, self._window = offset, b"".join(pieces)


class Slice:
    """A stretch of another blob."""

    def __init__(self, parent: Blob, offset: int, size: int) -> None:
        self._parent = parent
        self._offset = offset
        self.size = size

    def read_at(self, offset: int, count: int) -> bytes:
        count = min(count, self.size - offset)
        return self._parent.read_at(self._offset + offset, count) if count > 0 else b""


class Budget:
    """How many bytes may be inflated in all, passes over the same bytes counted again."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit

    def spend(self, count: int) -> None:
        """:raises Refusal: it is used up."""
        self._left -= count
        if self._left < 0:
            raise Refusal(
                "an archive that inflates without measure",
                f"looking through it would need more than {self.limit} bytes inflated, as only an archive made to "
                "exhaust its reader does",
            )


class Inflated:
    """What a compressed stream gives. Reading forwards is cheap; going back starts again, within the budget.

    :param start: begins the stream anew and gives its pieces, each of a bounded size.
    """

    def __init__(self, start: Callable[[], Iterator[bytes]], size: int, budget: Budget) -> None:
        self._begin = start
        self.size = size
        self._budget = budget
        self._pieces: Iterator[bytes] = iter(())
        self._start = 0
        self._window = b""
        self._fresh = False

    def read_at(self, offset: int, count: int) -> bytes:
        count = min(count, self.size - offset)
        if count <= 0:
            return b""
        if offset < self._start or not self._fresh:
            self._pieces, self._start, self._window, self._fresh = self._begin(), 0, b"", True
        while self._start + len(self._window) < offset + count:
            piece = next(self._pieces, b"")
            if not piece:
                raise Refusal("a damaged archive", f"a member ends before its {self.size} bytes")
            self._budget.spend(len(piece))
            keep = max(0, min(len(self._window), self._start + len(self._window) - offset))
            self._start += len(self._window) - keep
            self._window = self._window[len(self._window) - keep :] + piece
        inside = offset - self._start
        return self._window[inside : inside + count]

    def finish(self) -> None:
        """:raises Refusal: the stream does not end after ``size`` bytes, where another reader would not stop."""
        self.read_at(self.size - 1, 1)
        if not self._fresh:
            self._pieces, self._fresh = self._begin(), True
        over = self._start + len(self._window) - self.size
        if over > 0 or next(self._pieces, b""):
            raise Refusal("a damaged archive", f"a member goes on behind its {self.size} bytes")


def pieces(blob: Blob, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The bytes from ``start`` to ``end``, piece by piece."""
    end = blob.size if end is None else end
    while start < end:
        piece = blob.read_at(start, min(PIECE, end - start))
        start += len(piece)
        yield piece


class Cursor:
    """A place in a blob between two bounds, that never leaves them.

    :param what: how a message names what is read: ``the GGUF header``.
    """

    def __init__(self, blob: Blob, what: str, start: int = 0, end: int | None = None) -> None:
        self.blob = blob
        self.what = what
        self.at = start
        self.end = blob.size if end is None else end

    @property
    def left(self) -> int:
        """Bytes up to the end."""
        return self.end - self.at

    def fail(self, reason: str) -> Refusal:
        """A refusal for what is read, to be raised."""
        return Refusal(f"a damaged {self.what} file", reason)

    def skip(self, count: int) -> None:
        """Go on by so many bytes without looking at them."""
        if count > self.left:
            raise self.fail(f"at byte {self.at} it announces {count} bytes, and {self.left} are left")
        self.at += count

    def take(self, count: int) -> bytes:
        """The next few bytes."""
        start = self.at
        self.skip(count)
        return self.blob.read_at(start, count)

    def number(self, form: struct.Struct) -> int:
        """The next number in a fixed form."""
        found: tuple[Any, ...] = form.unpack(self.take(form.size))
        return int(found[0])


U16, U32, U64 = struct.Struct("<H"), struct.Struct("<I"), struct.Struct("<Q")
