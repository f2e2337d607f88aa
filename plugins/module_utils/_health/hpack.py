# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers of HTTP/2 (RFC 7541): written in their plainest form, read in every form a server may choose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

TABLE_SIZE = 4096  # bytes, what a server may use unless it was told otherwise (RFC 9113, 6.5.2)
STRING_LIMIT = 64 * 1024
ENTRY_OVERHEAD = 32  # RFC 7541, 4.1

_NAMES = """
accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control
content-disposition content-encoding content-language content-length content-location content-range content-type cookie
date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified
link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie
strict-transport-security transfer-encoding user-agent vary via www-authenticate
"""
# RFC 7541, appendix A
STATIC: tuple[tuple[str, str], ...] = (
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    *((":status", code) for code in ("200", "204", "206", "304", "400", "404", "500")),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    *((name, "") for name in _NAMES.split()),
)

# How many bits each of the 256 bytes and the end of a string have (RFC 7541, appendix B). The code is canonical: among
# those of a length, codes go up with the byte, and each length begins where the shorter one ended.
_BITS = """
13 23 28 28 28 28 28 28 28 24 30 28 28 30 28 28 28 28 28 28 28 28 30 28 28 28 28 28 28 28 28 28
6 10 10 12 13 6 8 11 10 10 8 11 8 6 6 6 5 5 5 6 6 6 6 6 6 6 7 8 15 6 12 10
13 6 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 7 8 7 8 13 19 13 14 6
15 5 6 5 6 5 6 6 6 5 7 7 6 6 6 5 6 7 6 5 5 6 7 7 7 7 7 15 11 14 13 28
20 22 20 20 22 22 22 23 22 23 23 23 23 23 24 23 24 24 22 23 24 23 23 23 23 21 22 23 22 23 23 24
22 21 20 22 22 23 23 21 23 22 22 24 21 22 23 23 21 21 22 21 23 22 23 23 20 22 22 22 23 22 22 23
26 26 20 19 22 23 22 25 26 26 26 27 27 26 24 25 19 21 26 27 27 26 27 24 21 21 26 26 28 27 27 27
20 24 20 21 22 21 21 23 22 22 25 25 24 24 26 23 26 27 26 26 27 27 27 27 27 28 27 27 27 27 27 26
30
"""
_END = 256


class HpackError(ValueError):
    """A block of headers that cannot be read."""


def _codes() -> dict[tuple[int, int], int]:
    """Length and code -> byte."""
    found: dict[tuple[int, int], int] = {}
    code = before = 0
    for length, byte in sorted((length, byte) for byte, length in enumerate(map(int, _BITS.split()))):
        code <<= length - before
        found[length, code] = byte
        code, before = code + 1, length
    return found


_CODES = _codes()


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """Every header as a literal without a table and without Huffman's code (RFC 7541, 6.2.2)."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in headers)


def _text(value: str) -> bytes:
    raw = value.encode("utf-8")
    size = len(raw)
    if size < 127:
        return bytes([size]) + raw
    size -= 127
    head = [127]
    while size >= 128:
        head.append(size % 128 + 128)
        size //= 128
    return bytes([*head, size]) + raw


def huffman(data: bytes) -> bytes:
    """:raises HpackError: bits that mean nothing."""
    found = bytearray()
    code = length = 0
    for byte in data:
        for bit in range(7, -1, -1):
            code, length = code << 1 | byte >> bit & 1, length + 1
            known = _CODES.get((length, code))
            if known == _END or length > 30:
                raise HpackError("a string in no known code")
            if known is not None:
                found.append(known)
                code = length = 0
    if length > 7 or code != (1 << length) - 1:
        raise HpackError("a string that ends within a letter")
    return bytes(found)


class Decoder:
    """Reads the blocks of one connection, in their order: later ones refer to earlier ones."""

    def __init__(self) -> None:
        self._table: list[tuple[str, str]] = []
        self._limit = TABLE_SIZE

    def decode(self, block: bytes) -> list[tuple[str, str]]:
        """The headers of a block. :raises HpackError: it cannot be read."""
        try:
            return list(self._headers(_Reader(block)))
        except IndexError as error:
            raise HpackError("it ends too early, or names a header that was never sent") from error

    def _headers(self, block: _Reader) -> Iterator[tuple[str, str]]:
        while block.left:
            kind = block.peek()
            if kind & 0x80:  # 6.1
                yield self._entry(block.number(7))
            elif kind & 0x40:  # 6.2.1
                header = self._literal(block, 6)
                self._table.insert(0, header)
                self._shrink(self._limit)
                yield header
            elif kind & 0x20:  # 6.3
                self._shrink(block.number(5))
            else:  # 6.2.2, 6.2.3
                yield self._literal(block, 4)

    def _literal(self, block: _Reader, bits: int) -> tuple[str, str]:
        index = block.number(bits)
        name = self._entry(index)[0] if index else block.string()
        return name, block.string()

    def _entry(self, index: int) -> tuple[str, str]:
        if index == 0:
            raise HpackError("it names the header 0")
        return STATIC[index - 1] if index <= len(STATIC) else self._table[index - 1 - len(STATIC)]

    def _shrink(self, limit: int) -> None:
        if limit > TABLE_SIZE:
            raise HpackError(f"it wants a table of {limit} bytes")
        self._limit = limit
        while self._table and sum(len(n) + len(v) + ENTRY_OVERHEAD for n, v in self._table) > limit:
            self._table.pop()


class _Reader:
    """The bytes of a block. ``IndexError`` where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def peek(self) -> int:
        return self._data[self._at]

    def number(self, bits: int) -> int:
        """A number that begins in the last ``bits`` of a byte (5.1)."""
        mask = (1 << bits) - 1
        value = self._data[self._at] & mask
        self._at += 1
        shift = 0
        while value >= mask:
            byte = self._data[self._at]
            self._at += 1
            value += (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 28:
                raise HpackError("a number that does not end")
        return value

    def string(self) -> str:
        coded = self.peek() & 0x80
        size = self.number(7)
        if size > STRING_LIMIT or self._at + size > len(self._data):
            raise HpackError("a string that is longer than its block")
        raw = self._data[self._at : self._at + size]
        self._at += size
        return (huffman(raw) if coded else raw).decode("utf-8", "replace")
