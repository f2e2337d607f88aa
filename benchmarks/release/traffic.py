# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The requests, and what their answers must be. Each returns the release that answered, or raises what was wrong."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.release.echo import frames
from benchmarks.release.failures import Failed
from benchmarks.release.http1 import Connection, Head


def digest(*parts: str) -> str:
    """SHA-256 of the parts, joined by colons, as the service makes it."""
    return hashlib.sha256(":".join(parts).encode()).hexdigest()


def payload(name: str, size: int) -> bytes:
    """A body that no other request has."""
    return (name.encode() * (size // len(name) + 1))[:size]


async def echo(connection: Connection, name: str, *, body: bytes | None) -> str:
    """A short request; a body makes it a POST."""
    head = await connection.ask("GET" if body is None else "POST", f"/v1/echo?id={name}", body=body or b"")
    content = await connection.body(head)
    sent = body or b""
    found = _value(_expect(head, 200, content))
    return _check(found, id=name, sha256=hashlib.sha256(sent).hexdigest(), bytes=len(sent))


async def slow(connection: Connection, name: str, *, seconds: float) -> str:
    """A request that takes long."""
    head = await connection.ask("GET", f"/v1/slow?id={name}&seconds={seconds}")
    content = await connection.body(head)
    return _check(_value(_expect(head, 200, content)), id=name, sha256=digest(name, "slow"))


async def stream(connection: Connection, name: str, *, pieces: int, seconds: float, checked: Callable[[], None]) -> str:
    """An answer in pieces; each must be right, in its turn, by the same release, and the last must come."""
    head = await connection.ask("GET", f"/v1/stream?id={name}&pieces={pieces}&seconds={seconds}")
    if head.status != 200:
        _expect(head, 200, await connection.body(head))
    expected, rest, release = 0, b"", ""
    async for chunk in connection.pieces(head):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            last = expected == pieces
            here = {"end": pieces, "sha256": digest(name, "end")}
            if not last:
                here = {"piece": expected, "sha256": digest(name, str(expected))}
            by = _check(_value(line), id=name, **here)
            if release not in ("", by):
                raise Failed("body", f"piece {expected} by release {by}, those before by {release}")
            release, expected = by, expected + 1
            checked()
    if expected != pieces + 1 or rest:
        raise Failed("cut", f"{expected} of {pieces + 1} pieces, then the marked end")
    return release


@dataclass(frozen=True)
class Talk:
    """How a websocket ended.

    :param reached: the number of the next message; below what was wanted where the service said that it goes away.
    """

    release: str
    reached: int
    moved: bool


async def websocket(
    connection: Connection,
    name: str,
    *,
    numbers: Iterable[int],
    pause: Callable[[], Awaitable[bool]],
    checked: Callable[[], None],
) -> Talk:
    """Numbered messages, each answered before the next is sent; then an orderly end.

    A message that met the service's goodbye on its way was not read: it is to be sent again, on the next connection.

    :param pause: awaited between messages; true ends the talk early.
    """
    await _upgrade(connection, name)
    release, reached = "", 0
    for number in numbers:
        text = json.dumps({"id": name, "message": number}).encode()
        kind, answer = await _exchange(connection, frames.frame(frames.TEXT, text, masked=True), number)
        if kind == frames.CLOSE:
            if frames.close_code(answer) != frames.GOING_AWAY:
                raise Failed("message", f"closed with {frames.close_code(answer)} instead of an answer to {number}")
            return Talk(release, number, moved=True)
        release = _check(_value(answer), id=name, message=number, sha256=digest(name, str(number)))
        reached = number + 1
        checked()
        if await pause():
            break
    goodbye = frames.frame(frames.CLOSE, frames.closing(frames.NORMAL), masked=True)
    kind, _payload = await _exchange(connection, goodbye, reached)
    if kind != frames.CLOSE:
        raise Failed("message", "an answer that nobody asked for, at the end")
    return Talk(release, reached, moved=False)


async def _upgrade(connection: Connection, name: str) -> None:
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    head = await connection.ask("GET", f"/v1/ws?id={name}", headers=upgrade)
    connection.open = False  # never for another request
    if head.status != 101:
        _expect(head, 101, b"")
    if head.headers.get("sec-websocket-accept") != frames.accept(key):
        raise Failed("protocol", "an upgrade without the right Sec-WebSocket-Accept")


async def _exchange(connection: Connection, frame: bytes, number: int) -> tuple[int, bytes]:
    try:
        connection.writer.write(frame)
        await connection.writer.drain()
        return await frames.read_frame(connection.reader)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise Failed("message", f"the connection ended without an answer to message {number}") from error
    except ValueError as error:
        raise Failed("protocol", str(error)) from error


async def put_task(connection: Connection, run: str, number: int, *, seconds: float) -> None:
    """Queue a task; when this returns, the service has promised that it will be done."""
    target = f"/v1/tasks?run={run}&number={number}&seconds={seconds}"
    head = await connection.ask("POST", target)
    found = _value(_expect(head, 202, await connection.body(head)))
    _check(found, run=run, number=number)


async def done_tasks(connection: Connection, run: str) -> dict[int, int]:
    """How often each task of a run was done, by its number."""
    head = await connection.ask("GET", f"/v1/tasks?run={run}")
    found = _value(_expect(head, 200, await connection.body(head)))
    _check(found, run=run)
    return {int(number): int(times) for number, times in found["done"].items()}


def _expect(head: Head, status: int, content: bytes) -> bytes:
    if head.status != status:
        raise Failed(f"status {head.status}", content[:120].decode(errors="replace"))
    return content


def _value(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise Failed("body", f"no JSON: {content[:80]!r}") from error
    if not isinstance(found, dict):
        raise Failed("body", f"no object: {content[:80]!r}")
    return found


def _check(found: dict[str, Any], **expected: Any) -> str:
    """The release that answered, when every value is as expected."""
    for key, value in expected.items():
        if found.get(key) != value:
            raise Failed("body", f"{key} is {found.get(key)!r}, expected {value!r}")
    release = found.get("release")
    if not isinstance(release, str) or not release:
        raise Failed("body", "no release is named")
    return release
