# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 as a client, just as much as the load needs: little processor time, and nothing that repeats by itself."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from benchmarks.release.failures import ClosedUnusedError, Failed, failure_of

BODY_LIMIT = 1024 * 1024


class Writer(Protocol):
    """What is used of asyncio.StreamWriter."""

    def write(self, data: bytes) -> None: ...
    async def drain(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Head:
    """The beginning of an answer."""

    status: int
    headers: Mapping[str, str]

    @property
    def keeps(self) -> bool:
        """Whether the server keeps the connection."""
        return self.headers.get("connection", "").lower() != "close"


@dataclass(frozen=True)
class Place:
    """Where the service is.

    :param name: the host's name: in the Host header, and what the certificate must be for.
    :param address: where to connect.
    """

    name: str
    address: str
    port: int
    tls: ssl.SSLContext | None = None

    async def connect(self) -> Connection:
        """A new connection."""
        named = self.name if self.tls else None
        try:
            reader, writer = await asyncio.open_connection(self.address, self.port, ssl=self.tls, server_hostname=named)
        except ssl.SSLError as error:
            raise Failed("tls", str(error)) from error
        except OSError as error:
            raise Failed("connect", str(error)) from error
        return Connection(reader, writer, name=self.name)


class Connection:
    """A connection for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: Writer, *, name: str) -> None:
        self.reader = reader
        self.writer = writer
        self.name = name
        self.used = 0
        self.open = True
        self.kept = False
        self._owed = False  # an answer, or the rest of one

    @property
    def usable(self) -> bool:
        """Whether the last answer was read to its end, and the other end has not closed it, as far as one knows."""
        return self.open and not self._owed and not self.reader.at_eof() and self.reader.exception() is None

    async def ask(
        self, method: str, target: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Head:
        """Send a request and read the beginning of its answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.name}", "User-Agent: drydock-load"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if method != "GET":
            lines.append(f"Content-Length: {len(body)}")
        self.used += 1
        self._owed = True
        try:
            self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await self.writer.drain()
            text = await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise self._ended(begun=bool(error.partial), detail="the other end closed the connection") from error
        except ConnectionError as error:
            raise self._ended(begun=False, detail=str(error)) from error
        head = _head(text)
        self.open = head.keeps
        return head

    async def body(self, head: Head) -> bytes:
        """The whole body of an answer."""
        if head.headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join([piece async for piece in self.pieces(head)])
        try:
            size = int(head.headers["content-length"])
        except (KeyError, ValueError) as error:
            raise Failed("protocol", "an answer without a length") from error
        if size > BODY_LIMIT:
            raise Failed("protocol", f"an answer of {size} bytes")
        try:
            content = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.open = False
            raise failure_of(error, within=True) from error
        self._owed = False
        return content

    async def pieces(self, head: Head) -> AsyncIterator[bytes]:
        """The body piece by piece; ends only with the end that the server marked."""
        if head.headers.get("transfer-encoding", "").lower() != "chunked":
            raise Failed("protocol", "an answer that is not in pieces")
        try:
            while True:
                size = int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16)
                if size > BODY_LIMIT:
                    raise Failed("protocol", f"a piece of {size} bytes")
                piece = (await self.reader.readexactly(size + 2))[:-2]
                if size == 0:
                    self._owed = False
                    return
                yield piece
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.open = False
            raise failure_of(error, within=True) from error
        except ValueError as error:
            raise Failed("protocol", str(error)) from error

    def close(self) -> None:
        """Close it without waiting."""
        self.open = False
        self.writer.close()

    def _ended(self, *, begun: bool, detail: str) -> Failed:
        self.open = False
        if begun:
            return Failed("cut", detail)
        return ClosedUnusedError(detail) if self.used > 1 else Failed("closed", detail)


def _head(text: bytes) -> Head:
    first, *lines = text.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise Failed("protocol", f"an answer that begins with {first[:60]!r}")
    headers = {
        name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines) if name
    }
    return Head(int(words[1]), headers)
