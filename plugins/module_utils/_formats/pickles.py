# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Would ``pickle.load`` make a program of these bytes? Nothing is ever loaded: the opcodes are walked, their effect on
the stack is counted, and what they name is not looked up in any list.

A pickle has done its harm before it ends, and protocols 0 and 1 have no magic; so a walk that is consistent up to the
first import or call is enough, whatever follows, and whatever format the bytes are besides.
"""

from __future__ import annotations

import contextlib
import pickletools
import re
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._formats.blob import PIECE, Blob

MOST_OPCODES = 200_000
_LINE = pickletools.UP_TO_NEWLINE
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: (1, False),
    pickletools.TAKEN_FROM_ARGUMENT4: (4, True),
    pickletools.TAKEN_FROM_ARGUMENT4U: (4, False),
    pickletools.TAKEN_FROM_ARGUMENT8U: (8, False),
}
# not EXT1 and its like: they take from a registry that is empty everywhere
_IMPORTS = frozenset({"GLOBAL", "INST", "STACK_GLOBAL"})
_CALLS = frozenset({"REDUCE", "BUILD", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"})
_WORD = re.compile(rb"[^\s\x00-\x1f\x7f]{1,1000}")
_QUOTED = re.compile(rb"\s*(?:'.*'|\".*\")\s*", re.DOTALL)
_LONGEST_KEPT = 4096
_LONGEST_WORD = 1000
_CODES = {opcode.code: opcode for opcode in pickletools.opcodes}


@dataclass(frozen=True)
class Trace:
    """How far a walk over opcodes came.

    :param imports: the first name that would be imported; ``None`` where it comes to none.
    :param calls: it also comes to a call of what was imported.
    :param ends: it comes to the end of a pickle.
    :param endless: it was given up after ``MOST_OPCODES``.
    :param protocol: as the first opcode states it; ``None`` for protocols 0 and 1.
    """

    imports: str | None = None
    calls: bool = False
    ends: bool = False
    endless: bool = False
    protocol: int | None = None

    @property
    def words(self) -> str:
        """What a message says of it."""
        protocol = f"protocol {self.protocol}" if self.protocol is not None else "protocol 0 or 1"
        imports = f", importing {self.imports}" if self.imports else ""
        return f"a pickle ({protocol}{imports})"


class _NoPickleError(Exception):
    """The bytes do not go on as opcodes."""


def trace(blob: Blob) -> Trace:
    """Walk the opcodes from the first byte on, pickle after pickle, to a call or to where they make no sense."""
    walk = _Walk(blob)
    with contextlib.suppress(_NoPickleError):
        walk.run()
    return Trace(walk.imports, walk.calls, walk.ends, walk.endless, walk.protocol)


class _Walk:
    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._at = 0
        self._depth = 0
        self._marks: list[int] = []
        self._words: list[bytes] = []
        self.imports: str | None = None
        self.calls = False
        self.ends = False
        self.endless = False
        self.protocol: int | None = None

    def run(self) -> None:
        for _count in range(MOST_OPCODES):
            code = self._take(1)
            opcode = _CODES.get(code.decode("latin-1"))
            if opcode is None:
                raise _NoPickleError
            argument = self._argument(opcode)
            self._move(opcode)
            if opcode.name == "PROTO" and self._at == 2:
                self.protocol = argument[0]
            if opcode.name in _IMPORTS and self.imports is None:
                named = self._words if opcode.name == "STACK_GLOBAL" else argument.split(b"\n")
                self.imports = b".".join(named).decode("utf-8", "replace")[:100] or None
            if opcode.name in _CALLS and self.imports is not None:
                self.calls = True
                return
            if opcode.name == "STOP":  # some loaders go on with what follows
                self.ends = True
                self._depth, self._marks = 0, []
        self.endless = True

    def _take(self, count: int) -> bytes:
        found = self._blob.read_at(self._at, count)
        if len(found) < count:
            raise _NoPickleError
        self._at += count
        return found

    def _argument(self, opcode: pickletools.OpcodeInfo) -> bytes:
        """Step over the argument; gives its bytes where a message or a check needs them."""
        kind = opcode.arg
        if kind is None:
            return b""
        if kind.n == _LINE:
            return self._lines(opcode.name)
        if kind.n >= 0:
            return self._take(kind.n)
        width, signed = _LENGTH_BYTES[kind.n]
        length = int.from_bytes(self._take(width), "little", signed=signed)
        if length < 0 or length > self._blob.size - self._at:
            raise _NoPickleError
        if opcode.name.endswith(("UNICODE", "UNICODE8", "STRING")) and length <= _LONGEST_WORD:
            self._remember(self._blob.read_at(self._at, length))
        self._at += length
        return b""

    def _remember(self, text: bytes) -> None:
        """Keep the last two texts that could name something; a name needs one at least, however it is put together."""
        if _WORD.fullmatch(text):
            self._words = [*self._words[-1:], text]

    def _lines(self, name: str) -> bytes:
        """Numbers are not looked at: CPython's unpickler is content with ``0``, a zero byte, and whatever follows."""
        first = self._line()
        if name in ("GLOBAL", "INST"):
            second = self._line()
            if not _WORD.fullmatch(first) or not _WORD.fullmatch(second):
                raise _NoPickleError
            return first + b"\n" + second
        if name == "STRING" and len(first) < _LONGEST_KEPT and not _QUOTED.fullmatch(first):
            raise _NoPickleError
        if name in ("STRING", "UNICODE"):
            self._remember(first.strip(b"'\""))
        return first

    def _line(self) -> bytes:
        """The bytes up to the next line feed, or the first of them where they are many."""
        kept = b""
        while True:
            piece = self._blob.read_at(self._at, PIECE if kept else _LONGEST_KEPT)
            if not piece:
                raise _NoPickleError
            end = piece.find(b"\n")
            kept = (kept + piece[: end if end >= 0 else None])[:_LONGEST_KEPT]
            if end >= 0:
                self._at += end + 1
                return kept
            self._at += len(piece)

    def _move(self, opcode: pickletools.OpcodeInfo) -> None:
        """Count what the opcode takes from the stack and what it leaves there."""
        before, after = opcode.stack_before, opcode.stack_after
        if pickletools.markobject in before:
            if not self._marks:
                raise _NoPickleError
            self._depth = self._marks.pop()
            self._drop(before.index(pickletools.markobject))
        elif opcode.name == "POP" and self._marks and self._marks[-1] == self._depth:
            self._marks.pop()
        else:
            self._drop(len(before))
        if opcode.name == "MARK":
            self._marks.append(self._depth)
        else:
            self._depth += len(after)

    def _drop(self, count: int) -> None:
        if self._depth - count < (self._marks[-1] if self._marks else 0):
            raise _NoPickleError
        self._depth -= count
