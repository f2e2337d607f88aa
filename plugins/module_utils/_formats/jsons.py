# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON of any size, read in pieces: is it JSON, and what does it hold? RFC 8259, and the NaN and Infinity of Python."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import Refusal

LONGEST = 256 * 1024 * 1024
DEEPEST = 256
LONGEST_NUMBER = 512
LONGEST_KEPT = 16 * 1024
_SPACE = re.compile(rb"[ \t\n\r]*")
_PLAIN = re.compile(rb'"[^"\\\x00-\x1f]*"')
_RUN = re.compile(rb'(?:[^"\\\x00-\x1f]+|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){1,500}')
_WORD = re.compile(rb"-?[0-9A-Za-z.+-]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_STRING = rb'"[^"\\\x00-\x1f]*"'
_PAIR = rb"\[[ \t\n\r]*" + _STRING + rb",[ \t\n\r]*" + _STRING + rb"[ \t\n\r]*\]"
_SIMPLE = rb"(?:" + _STRING + rb"|" + _NUMBER.pattern + rb"|true|false|null|" + _PAIR + rb")(?=[ \t\n\r]*[],}])"
_RUNS = {
    b"]": re.compile(rb"(?:[ \t\n\r]*,[ \t\n\r]*" + _SIMPLE + rb"){1,500}"),
    b"}": re.compile(rb"(?:[ \t\n\r]*,[ \t\n\r]*" + _STRING + rb":[ \t\n\r]*" + _SIMPLE + rb"){1,500}"),
}
_LITERALS = frozenset({b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"})
_ESCAPES = frozenset(b'"\\/bfnrtu')


class Event(NamedTuple):
    """One step through the text.

    :param kind: one of ``{ } [ ] key string number literal``.
    :param value: as written, without quotes; of a long string only its beginning.
    :param depth: how many braces and brackets are open around it.
    """

    kind: str
    value: bytes
    depth: int


def _fail(reason: str) -> Refusal:
    return Refusal("damaged JSON", reason)


class _Text:
    """The pieces as one buffer that is filled and emptied as the reader goes on, checked to be UTF-8."""

    def __init__(self, source: Iterable[bytes]) -> None:
        self._source = iter(source)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.data = b""
        self.at = 0
        self._passed = 0
        self.over = False

    def more(self) -> bool:
        """Drop what was read, add a piece; false at the end."""
        piece = next(self._source, None)
        try:
            self._decoder.decode(piece or b"", final=piece is None)
        except UnicodeDecodeError as error:
            raise _fail(f"it is not UTF-8 behind byte {self._passed + self.at} ({error.reason})") from None
        if piece is None:
            self.over = True
            return False
        self._passed += self.at
        self.data, self.at = self.data[self.at :] + piece, 0
        return True

    @property
    def place(self) -> int:
        return self._passed + self.at

    def peek(self) -> bytes:
        """The next byte that is no space, as bytes; empty at the end."""
        while True:
            found = _SPACE.match(self.data, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.data):
                return self.data[self.at : self.at + 1]
            if self.over or not self.more():
                return b""

    def string(self) -> bytes:
        """The string that begins here, without its quotes."""
        found = _PLAIN.match(self.data, self.at)
        if found is not None:
            self.at = found.end()
            return self.data[found.start() + 1 : min(found.end() - 1, found.start() + 1 + LONGEST_KEPT)]
        self.at += 1
        kept = b""
        while True:
            run = _RUN.match(self.data, self.at)
            if run is not None:
                kept = self._keep(kept, run.group())
                self.at = run.end()
                continue
            self._need(1)
            here = self.data[self.at]
            if here == ord('"'):
                self.at += 1
                return kept
            if here == ord("\\"):
                kept = self._keep(kept, self._escape())
            elif here < ord(" "):
                raise _fail(f"a string has a control character at byte {self.place}")

    @staticmethod
    def _keep(kept: bytes, more: bytes) -> bytes:
        return kept if len(kept) >= LONGEST_KEPT else (kept + more)[:LONGEST_KEPT]

    def _escape(self) -> bytes:
        self._need(2)
        kind = self.data[self.at + 1]
        length = 6 if kind == ord("u") else 2
        self._need(length)
        found = self.data[self.at : self.at + length]
        if kind not in _ESCAPES or (length == 6 and not re.fullmatch(rb"[0-9a-fA-F]{4}", found[2:])):
            raise _fail(f"a string has an unknown escape at byte {self.place}")
        self.at += length
        return found

    def _need(self, count: int) -> None:
        while len(self.data) - self.at < count:
            if self.over or not self.more():
                raise _fail("it ends in the middle of a string")

    def word(self) -> bytes:
        """The number or literal that begins here."""
        while True:
            found = _WORD.match(self.data, self.at)
            end = found.end() if found else self.at
            if end - self.at > LONGEST_NUMBER:
                raise _fail(f"at byte {self.place} is a number of more than {LONGEST_NUMBER} characters")
            if end < len(self.data) or self.over or not self.more():
                word, self.at = self.data[self.at : end], end
                return word


def check(source: Iterable[bytes]) -> None:
    """Walk one JSON text to its very end, long lists and tables of simple values in strides.

    :raises Refusal: as ``events``.
    """
    for _event in events(source, strides=True):
        pass


def events(source: Iterable[bytes], *, strides: bool = False) -> Iterator[Event]:
    """Walk one JSON text to its very end.

    :param strides: leave out the events of most members that hold nothing themselves.
    :raises Refusal: it is none, or is nested deeper than ``DEEPEST``.
    """
    text = _Text(source)
    text.peek()
    if text.data.startswith(codecs.BOM_UTF8) and text.at == 0:
        text.at = len(codecs.BOM_UTF8)
    closers: list[bytes] = []
    yield from _value(text, closers)
    while closers:
        after = text.peek()
        if after == closers[-1]:
            text.at += 1
            closers.pop()
            yield Event(after.decode(), b"", len(closers))
        elif after == b",":
            run = _RUNS[closers[-1]].match(text.data, text.at) if strides else None
            if run is not None:
                text.at = run.end()
                continue
            text.at += 1
            yield from _member(text, closers)
        else:
            raise _unexpected(text, after)
    if text.peek():
        raise _fail(f"something follows it at byte {text.place}")


def _member(text: _Text, closers: list[bytes]) -> Iterator[Event]:
    if closers[-1] == b"}":
        found = text.peek()
        if found != b'"':
            raise _unexpected(text, found)
        yield Event("key", text.string(), len(closers))
        found = text.peek()
        if found != b":":
            raise _unexpected(text, found)
        text.at += 1
    yield from _value(text, closers)


def _value(text: _Text, closers: list[bytes]) -> Iterator[Event]:
    """One value; of an object or array that is not empty, all up to the end of its first member."""
    while True:
        found = text.peek()
        depth = len(closers)
        if found not in (b"{", b"["):
            yield _scalar(text, found, depth)
            return
        if depth >= DEEPEST:
            raise _fail(f"it is nested deeper than {DEEPEST} levels")
        text.at += 1
        yield Event(found.decode(), b"", depth)
        closers.append(b"}" if found == b"{" else b"]")
        inside = text.peek()
        if inside == closers[-1]:
            return
        if found == b"{":
            if inside != b'"':
                raise _unexpected(text, inside)
            yield Event("key", text.string(), depth + 1)
            inside = text.peek()
            if inside != b":":
                raise _unexpected(text, inside)
            text.at += 1


def _scalar(text: _Text, found: bytes, depth: int) -> Event:
    if found == b'"':
        return Event("string", text.string(), depth)
    word = text.word()
    if _NUMBER.fullmatch(word):
        return Event("number", word, depth)
    if word in _LITERALS:
        return Event("literal", word, depth)
    raise _unexpected(text, found)


def _unexpected(text: _Text, found: bytes) -> Refusal:
    said = repr(found.decode("latin-1")) if found else "the end"
    return _fail(f"found {said} where it must go on otherwise, before byte {text.place + 1}")
