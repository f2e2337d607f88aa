# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A steady load whose every answer is checked, for benchmarks and tests of releases.

As a library::

    with Load(Place("echo.drydock.test", "198.18.0.4", 443, tls), mix=Mix(rate=200)) as load:
        ...  # what is to lose nothing
    assert load.report()["failed"] == 0

By hand, from the root of a checkout: ``python -m benchmarks.release.load https://echo.drydock.test --seconds 30``.

Requests are due at fixed times, whether or not earlier ones have been answered, and durations count from when a request
was due: a service that stands still is not spared the requests that were to come meanwhile. The service is that of
``benchmarks/release/echo``.
"""

from __future__ import annotations

import argparse
import asyncio
import asyncio.sslproto
import contextlib
import json
import resource
import secrets
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from benchmarks.release import traffic
from benchmarks.release.failures import ClosedUnusedError, Failed, failure_of
from benchmarks.release.http1 import Connection, Place
from benchmarks.release.tally import Tally

# Each may hold a connection; nginx has 768 a process where nobody gives it more.
MOST_WAITING = 1000
OPEN_FILES = 8192
WRONG = (Failed, OSError, EOFError, ValueError, asyncio.LimitOverrunError)
# Else 256 KiB of every TLS connection, touched or not: with many waiting, memory would not stay flat.
asyncio.sslproto.SSLProtocol.max_size = 16 * 1024


@dataclass(frozen=True)
class Mix:
    """What is asked, how often. Durations in seconds.

    :param rate: short requests a second.
    :param kept: connections that are kept alive for them.
    :param fresh: one of so many short requests has a connection of its own; 0: none has.
    :param slow, streams, websockets: how many of each go on at any time.
    :param tasks: tasks a second that are put into the queue.
    :param limit: how long a short request may take; longer ones get that much more than they take by themselves.
    """

    rate: float = 200.0
    kept: int = 16
    fresh: int = 10
    slow: int = 4
    slow_seconds: float = 30.0
    streams: int = 4
    stream_seconds: float = 10.0
    websockets: int = 4
    websocket_seconds: float = 20.0
    tasks: float = 0.0
    task_seconds: float = 1.0
    limit: float = 10.0


class Load:
    """The load, in a thread of its own while the ``with`` block runs."""

    def __init__(self, place: Place, *, mix: Mix | None = None, allowed: Collection[str] | None = None) -> None:
        self.tally = Tally()
        #: the releases that may answer; none: any. May be replaced while the load runs.
        self.allowed = allowed
        self.run = secrets.token_hex(4)
        self._place = place
        self._mix = mix or Mix()
        self._idle: deque[Connection] = deque()
        self._opened = 0
        self._accepted: set[int] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._main: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._live, name="load", daemon=True)
        self._started = self._sent = self._ended = 0.0
        self._processor = 0.0
        self._error: BaseException | None = None

    def __enter__(self) -> Load:
        self._started = time.monotonic()
        self._thread.start()
        return self

    def finish(self) -> None:
        """Send nothing more; what has begun goes on. The end of the block does the same and waits."""
        self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop sending and let what has begun end; after an exception, end at once."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself: an error, raised below
            self.finish()
            if kind is not None and self._main is not None:
                self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return (self._ended or time.monotonic()) - self._started

    def report(self) -> dict[str, Any]:
        """What was counted; when the load has ended."""
        if self._thread.is_alive():
            raise RuntimeError("the load still runs")
        seconds = max(self.elapsed, 0.001)
        counts = self.tally.as_json()
        short = self.tally.line("short")
        return {
            "seconds": round(seconds, 1),
            "wanted_rate": self._mix.rate,
            "rate": round(short.begun / max(self._sent, 0.001), 1),
            "core_share": round(self._processor / seconds, 3),
            **counts,
        }

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        before = time.thread_time()
        try:
            self._main = self._loop.create_task(self._all())
            with contextlib.suppress(asyncio.CancelledError):
                self._loop.run_until_complete(self._main)
        except BaseException as error:  # noqa: BLE001 - told in the thread that waits for this one
            self._error = error
        finally:
            self._processor, self._ended = time.thread_time() - before, time.monotonic()
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    async def _all(self) -> None:
        mix = self._mix
        async with asyncio.TaskGroup() as group:
            group.create_task(self._steady())
            for kind, count, seconds in (
                (self._slow, mix.slow, mix.slow_seconds),
                (self._stream, mix.streams, mix.stream_seconds),
                (self._websocket, mix.websockets, mix.websocket_seconds),
            ):
                for lane in range(count):
                    group.create_task(self._lane(kind, lane, after=seconds * lane / count))
            if mix.tasks:
                group.create_task(self._tasks())
        for connection in self._idle:
            connection.close()

    async def _steady(self) -> None:
        """Short requests when they are due."""
        waiting: set[asyncio.Task[None]] = set()
        start, number = self._loop.time(), 0
        try:
            while True:
                due = start + number / self._mix.rate
                await asyncio.sleep(max(due - self._loop.time(), 0))
                if self._stop.is_set():
                    break
                if len(waiting) >= MOST_WAITING:
                    self.tally.line("short").begun += 1
                    self.tally.fail("short", Failed("busy"), at=self.elapsed)
                else:
                    task = asyncio.create_task(self._short(number, due))
                    waiting.add(task)
                    task.add_done_callback(waiting.discard)
                number += 1
            self._sent = self._loop.time() - start
            if waiting:
                await asyncio.wait(waiting)
        except asyncio.CancelledError:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            raise

    async def _lane(self, kind: Callable[[str], Awaitable[None]], lane: int, *, after: float) -> None:
        """One request of a kind after the other; lanes begin at different times, so that all phases are there."""
        await self._sleep(after)
        turn = 0
        while not self._stop.is_set():
            before = self.tally.failed
            await kind(f"{self.run}-{lane}-{turn}")
            turn += 1
            if self.tally.failed != before:
                await self._sleep(1.0)

    async def _short(self, number: int, due: float) -> None:
        name = f"{self.run}-{number}"
        body = traffic.payload(name, 16 << number % 8) if number % 2 else None
        fresh = bool(self._mix.fresh) and number % self._mix.fresh == 0

        async def work() -> str:
            try:
                return await self._on(await self._place.connect() if fresh else await self._kept(), name, body)
            except ClosedUnusedError:
                self.tally.line("short").again += 1
                return await self._on(await self._place.connect(), name, body)

        self.tally.behind.add(max(self._loop.time() - due, 0))
        await self._one("short", work, limit=self._mix.limit, since=due)

    async def _on(self, connection: Connection, name: str, body: bytes | None) -> str:
        try:
            return await traffic.echo(connection, name, body=body)
        finally:
            self._give_back(connection)

    async def _slow(self, name: str) -> None:
        seconds = self._mix.slow_seconds
        await self._alone("slow", lambda it: traffic.slow(it, f"{name}-slow", seconds=seconds), seconds)

    async def _stream(self, name: str) -> None:
        seconds, line = self._mix.stream_seconds, self.tally.line("stream")

        def checked() -> None:
            line.checked += 1

        pieces = max(int(seconds * 4), 2)
        await self._alone(
            "stream",
            lambda it: traffic.stream(it, f"{name}-stream", pieces=pieces, seconds=seconds, checked=checked),
            seconds,
        )

    async def _websocket(self, name: str) -> None:
        """A talk of so many messages, on as many connections as the service makes it."""
        wanted, line = max(int(self._mix.websocket_seconds * 4), 2), self.tally.line("websocket")
        reached = 0

        def checked() -> None:
            line.checked += 1

        async def pause() -> bool:
            await self._sleep(0.25)
            return self._stop.is_set()

        async def talk(connection: Connection) -> str:
            nonlocal reached
            found = await traffic.websocket(
                connection, f"{name}-ws", numbers=range(reached, wanted), pause=pause, checked=checked
            )
            line.moved += found.moved
            reached = found.reached if found.moved else wanted
            return found.release

        while reached < wanted:
            before = self.tally.failed
            await self._alone("websocket", talk, self._mix.websocket_seconds)
            if self.tally.failed != before or self._stop.is_set():
                break

    async def _tasks(self) -> None:
        """Queue tasks, and see in the end that each was done once."""
        number = 0
        while not self._stop.is_set():
            await self._alone("task", lambda it, number=number: self._put(it, number), 0)  # type: ignore[misc]
            number += 1
            await self._sleep(1 / self._mix.tasks)
        done: dict[int, int] = {}
        deadline = self._loop.time() + 90 + self._mix.task_seconds
        while self._loop.time() < deadline and not self._accepted <= done.keys():
            await asyncio.sleep(0.5)
            with contextlib.suppress(*WRONG):
                connection = await self._place.connect()
                try:
                    done = await traffic.done_tasks(connection, self.run)
                finally:
                    connection.close()
        for lost in sorted(self._accepted - done.keys()):
            self.tally.fail("task", Failed("task lost", f"number {lost}"), at=self.elapsed)
        for twice in sorted(number for number, times in done.items() if times > 1):
            self.tally.fail("task", Failed("task twice", f"number {twice}: {done[twice]} times"), at=self.elapsed)
        self.tally.line("task").checked = len(done)

    async def _put(self, connection: Connection, number: int) -> str:
        await traffic.put_task(connection, self.run, number, seconds=self._mix.task_seconds)
        self._accepted.add(number)
        return ""

    async def _alone(self, kind: str, ask: Callable[[Connection], Awaitable[str]], seconds: float) -> None:
        """A request with a connection of its own."""

        async def work() -> str:
            connection = await self._place.connect()
            try:
                return await ask(connection)
            finally:
                connection.close()

        await self._one(kind, work, limit=seconds + self._mix.limit, since=self._loop.time())

    async def _one(self, kind: str, work: Callable[[], Awaitable[str]], *, limit: float, since: float) -> None:
        line = self.tally.line(kind)
        line.begun += 1
        try:
            async with asyncio.timeout(limit):
                release = await work()
            allowed = self.allowed
            if release and allowed is not None and release not in allowed:
                raise Failed("release", release)
        except WRONG as error:
            self.tally.fail(kind, failure_of(error), at=self.elapsed)
            return
        line.ok += 1
        line.took.add(self._loop.time() - since)
        if release:
            self.tally.answered(release, at=self.elapsed)

    async def _kept(self) -> Connection:
        """A connection that is kept alive: each in its turn, and a new one while there are too few."""
        while self._idle and self._opened >= self._mix.kept:
            connection = self._idle.popleft()
            if connection.usable:
                return connection
            self._opened -= 1
            connection.close()
        self._opened += 1
        try:
            connection = await self._place.connect()
        except BaseException:
            self._opened -= 1
            raise
        connection.kept = True
        return connection

    def _give_back(self, connection: Connection) -> None:
        if connection.kept and connection.usable and len(self._idle) < self._mix.kept:
            self._idle.append(connection)
        else:
            self._opened -= connection.kept
            connection.close()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or less long when the load is to stop."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)


def place_of(url: str, *, address: str | None = None, ca: Path | None = None) -> Place:
    """Where a URL leads.

    :param address: where to connect instead of the address of the host's name.
    :param ca: a certificate authority of one's own.
    """
    parts = urlsplit(url)
    secure, name = parts.scheme == "https", parts.hostname or ""
    tls = ssl.create_default_context(cafile=str(ca) if ca else None) if secure else None
    return Place(name=name, address=address or name, port=parts.port or (443 if secure else 80), tls=tls)


def allow_open_files() -> None:
    """As many files as requests may wait for answers, where the system lets one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))


def main() -> int:
    """Load a service for a while and print the report; status 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description="A steady load whose every answer is checked.")
    parser.add_argument("url", help="where the echo service is, such as https://echo.drydock.test")
    parser.add_argument("--address", help="connect here instead of to the address of the host's name")
    parser.add_argument("--ca", type=Path, help="a certificate authority of one's own")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, help="write the report here, too")
    for name, default in ((each, getattr(Mix, each)) for each in Mix.__annotations__):
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help=f"default {default}"
        )
    asked = parser.parse_args()
    allow_open_files()
    mix = Mix(**{name: getattr(asked, name) for name in Mix.__annotations__})
    with Load(place_of(asked.url, address=asked.address, ca=asked.ca), mix=mix) as load:
        time.sleep(asked.seconds)
    report = json.dumps(load.report(), indent=2)
    print(report)
    if asked.out:
        asked.out.write_text(report + "\n", encoding="utf-8")
    return 1 if load.tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
