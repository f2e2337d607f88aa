# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP side, by the standard library alone. Every answer says what it belongs to and which release gave it.

===============================  =================================================================================
``GET, POST /v1/echo?id=``       the digest of the body that was sent
``GET /v1/slow?id=&seconds=``    the same, late
``GET /v1/stream?id=&pieces=``   that many lines over ``seconds=``, each with a digest of its own, then a last one
``GET /v1/ws?id=``               a websocket that answers numbered messages
``POST /v1/tasks?run=&number=``  queue a task of ``seconds=``; ``GET /v1/tasks?run=`` tells how often each was done
``GET /health/live``, ``ready``  200, or 503 while it is not ready
``GET /health/golden``           a fixed answer, as a model's golden inference would be
===============================  =================================================================================
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import frames
from .settings import Settings
from .tasks import Tasks

BODY_LIMIT = 1024 * 1024
GOLDEN = {"golden": "2b7e151628aed2a6abf7158809cf4f3c"}
REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    404: "Not Found",
    500: "Internal Server Error",
    503: "Unavailable",
}


def digest(*parts: str | bytes) -> str:
    """SHA-256 of the parts, joined by colons."""
    return hashlib.sha256(b":".join(p.encode() if isinstance(p, str) else p for p in parts)).hexdigest()


@dataclass(frozen=True)
class Request:
    """A request that has been read whole."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """What the client calls it."""
        return self.query.get("id", "")

    def number(self, name: str, default: float, most: float) -> float:
        """A number from the query."""
        return min(max(float(self.query.get(name) or default), 0.0), most)


@dataclass(eq=False)
class Client:
    """A connection, and whether a request on it is being answered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    busy: bool = False
    keep: bool = True


@dataclass
class Answer:
    """A status and a value; ``pieces`` instead of the value is a stream."""

    status: int = 200
    value: dict[str, Any] = field(default_factory=dict)
    pieces: AsyncIterator[dict[str, Any]] | None = None


class Server:
    """The service."""

    def __init__(self, settings: Settings, tasks: Tasks | None = None) -> None:
        self._settings = settings
        self._tasks = tasks
        self._faults = settings.faults
        self._clients: set[Client] = set()
        self._identity = {"release": settings.release, "instance": f"{os.getpid()}-{secrets.token_hex(4)}"}
        self._sequence = 0
        self.stopping = asyncio.Event()
        self._routes: dict[str, Callable[[Request], Awaitable[Answer]]] = {
            "/v1/echo": self._echo,
            "/v1/slow": self._slow,
            "/v1/stream": self._stream,
            "/v1/tasks": self._task,
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/health/golden": self._golden,
        }

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, one after the other."""
        client = Client(reader, writer)
        self._clients.add(client)
        try:
            while client.keep and not self.stopping.is_set():
                request = await self._read(client)
                if request is None:
                    break
                await self._serve(client, request)
                client.busy = False
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client went away, or speaks something else
        finally:
            self._clients.discard(client)
            writer.close()

    async def drain(self) -> None:
        """Close what is idle and wait for the rest."""
        self.stopping.set()
        for client in self._clients:
            if not client.busy:
                client.writer.close()
        with contextlib.suppress(asyncio.TimeoutError):
            async with asyncio.timeout(self._settings.grace):
                while any(client.busy for client in self._clients):
                    await asyncio.sleep(0.02)

    async def _read(self, client: Client) -> Request | None:
        try:
            head = await client.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        client.busy = True
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _version = first.split(" ")
        headers = {k.strip().lower(): v.strip() for k, _colon, v in (line.partition(":") for line in lines) if k}
        size = int(headers.get("content-length") or 0)
        if size > BODY_LIMIT:
            raise ValueError("a body that is too long")
        client.keep = headers.get("connection", "").lower() != "close"
        parts = urlsplit(target)
        body = await client.reader.readexactly(size)
        return Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)

    async def _serve(self, client: Client, request: Request) -> None:
        if request.path == "/v1/ws":
            client.keep = False
            await self._websocket(client, request)
            return
        route = self._routes.get(request.path)
        try:
            answer = await route(request) if route else Answer(404, {"error": "no such path"})
        except ValueError as error:
            answer = Answer(400, {"error": str(error)})
        if self.stopping.is_set():
            client.keep = False
        if answer.pieces is None:
            content = json.dumps({**answer.value, **self._identity}).encode()
            client.writer.write(self._head(client, answer.status, f"Content-Length: {len(content)}") + content)
        else:
            client.writer.write(self._head(client, answer.status, "Transfer-Encoding: chunked"))
            async for piece in answer.pieces:
                line = json.dumps({**piece, **self._identity}).encode() + b"\n"
                client.writer.write(b"%x\r\n%b\r\n" % (len(line), line))
                await client.writer.drain()
            client.writer.write(b"0\r\n\r\n")
        await client.writer.drain()

    @staticmethod
    def _head(client: Client, status: int, *lines: str) -> bytes:
        head = [
            f"HTTP/1.1 {status} {REASONS[status]}",
            "Content-Type: application/json",
            "Cache-Control: no-store",
            *lines,
        ]
        if not client.keep:
            head.append("Connection: close")
        return "\r\n".join([*head, "", ""]).encode()

    async def _echo(self, request: Request) -> Answer:
        if self._faults.error_rate and random.random() < self._faults.error_rate:  # noqa: S311 - no secret
            return Answer(500, {"error": "told to fail (ECHO_FAULTS)", "id": request.id})
        self._sequence += 1
        value = {"id": request.id, "sha256": digest(request.body), "bytes": len(request.body)}
        return Answer(200, {**value, "sequence": self._sequence})

    async def _slow(self, request: Request) -> Answer:
        seconds = request.number("seconds", 30, 300)
        await asyncio.sleep(seconds)
        return Answer(200, {"id": request.id, "sha256": digest(request.id, "slow"), "seconds": seconds})

    async def _stream(self, request: Request) -> Answer:
        return Answer(pieces=self._pieces(request))

    async def _pieces(self, request: Request) -> AsyncIterator[dict[str, Any]]:
        count, seconds = int(request.number("pieces", 10, 10000)), request.number("seconds", 5, 300)
        for piece in range(count):
            yield {"id": request.id, "piece": piece, "sha256": digest(request.id, str(piece))}
            await asyncio.sleep(seconds / count)
        yield {"id": request.id, "end": count, "sha256": digest(request.id, "end")}

    async def _task(self, request: Request) -> Answer:
        if self._tasks is None:
            return Answer(503, {"error": "no queue is set (ECHO_QUEUE_HOST)"})
        run = request.query.get("run", "")
        if request.method == "GET":
            return Answer(200, {"run": run, "done": await asyncio.to_thread(self._tasks.done, run)})
        number, seconds = int(request.query["number"]), request.number("seconds", 1, 60)
        await asyncio.to_thread(self._tasks.put, run, number, seconds)
        return Answer(202, {"run": run, "number": number})

    async def _live(self, _request: Request) -> Answer:
        return Answer(200, {"status": "alive"})

    async def _ready(self, _request: Request) -> Answer:
        bad = self._faults.never_ready
        return Answer(503 if bad else 200, {"status": "told never to be ready (ECHO_FAULTS)" if bad else "ready"})

    async def _golden(self, _request: Request) -> Answer:
        return Answer(200, {"golden": "wrong"} if self._faults.wrong_golden else GOLDEN)

    async def _websocket(self, client: Client, request: Request) -> None:
        key = request.headers.get("sec-websocket-key")
        if not key or request.headers.get("upgrade", "").lower() != "websocket":
            client.writer.write(self._head(client, 400, "Content-Length: 0"))
            return
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
        client.writer.write("\r\n".join([*lines, f"Sec-WebSocket-Accept: {frames.accept(key)}", "", ""]).encode())
        going = asyncio.create_task(self._say_goodbye(client))
        try:
            while True:
                kind, payload = await frames.read_frame(client.reader)
                if kind == frames.CLOSE:
                    client.writer.write(frames.frame(frames.CLOSE, payload[:2], masked=False))
                    break
                if kind == frames.PING:
                    client.writer.write(frames.frame(frames.PONG, payload, masked=False))
                elif kind == frames.TEXT:
                    client.writer.write(frames.frame(frames.TEXT, self._reply(request.id, payload), masked=False))
                await client.writer.drain()
        finally:
            going.cancel()

    def _reply(self, name: str, payload: bytes) -> bytes:
        number = json.loads(payload)["message"]
        value = {"id": name, "message": number, "sha256": digest(name, str(number)), **self._identity}
        return json.dumps(value).encode()

    async def _say_goodbye(self, client: Client) -> None:
        """Before the grace has run out a websocket is told that the service goes away."""
        await self.stopping.wait()
        await asyncio.sleep(max(self._settings.grace - 2.0, 0.0))
        client.writer.write(frames.frame(frames.CLOSE, frames.closing(frames.GOING_AWAY), masked=False))


async def serve(settings: Settings) -> int:
    """Serve until the stop signal, then finish what has begun."""
    faults = settings.faults
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if faults.slow_start:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), faults.slow_start)
    if faults.crash_later is not None:
        loop.call_later(faults.crash_later, os._exit, 3)
    server = Server(settings, Tasks(settings) if settings.queue_host else None)
    listening = await asyncio.start_server(server.handle, settings.host, settings.port, backlog=1024)
    port = listening.sockets[0].getsockname()[1]
    sys.stdout.write(f"{settings.release} listens on port {port}\n")
    sys.stdout.flush()
    await stop.wait()
    listening.close()
    await server.drain()
    return 0
