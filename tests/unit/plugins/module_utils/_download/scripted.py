# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers for unit tests: honest about ranges, or lying in one way, without a socket."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError, parse_source
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy

CONTENT = bytes(place * 7919 % 251 for place in range(5000))
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(SIZE)
RESET = SourceError("interrupted", "https://a.example/m broke off: Connection reset by peer", retryable=True)
# what a connection gives at once
GIVES = 130


class Killed(BaseException):
    """The process ends here."""


def body(data: bytes, *, then: BaseException | None = None) -> Callable[[int], bytes]:
    """Gives the data in small pieces, then ends or raises."""

    def pieces() -> Iterator[bytes]:
        yield from (data[place : place + GIVES] for place in range(0, len(data), GIVES))

    rest = [data]

    def read(amount: int) -> bytes:
        piece, rest[0] = rest[0][: min(amount, GIVES)], rest[0][min(amount, GIVES) :]
        if not piece and then is not None:
            raise then
        return piece

    return read


# How a server answers: offset, end or None, the validator of the condition.
Behaviour = Callable[[int, "int | None", "str | None"], Answer]


def honest(
    content: bytes = CONTENT, *, etag: str | None = '"v1"', until: int | None = None, then: BaseException | None = None
) -> Behaviour:
    """Answers as RFC 9110 wants; after ``until`` bytes of each body it ends or raises ``then``."""

    def respond(offset: int, stop: int | None, condition: str | None) -> Answer:
        size = len(content)
        ranged = (offset or stop is not None) and condition in (None, etag)
        start, end = (offset, min(size, stop or size)) if ranged else (0, size)
        headers = {"Content-Length": str(end - start)}
        if etag:
            headers["ETag"] = etag
        if ranged:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        data = content[start:end] if until is None else content[start:end][:until]
        return Answer(status=206 if ranged else 200, headers=headers, read=body(data, then=then), close=lambda: None)

    return respond


def says(status: int, data: bytes, then: BaseException | None = None, **headers: str) -> Behaviour:
    """The same answer, whatever was asked."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _offset, _stop, _condition: Answer(
        status=status, headers=named, read=body(data, then=then), close=lambda: None
    )


def whole(content: bytes = CONTENT) -> Behaviour:
    """Does not know ranges."""
    return says(200, content, Content_Length=str(len(content)))


def shifted(by: int) -> Behaviour:
    """Sends another place than asked for, and says so."""

    def respond(offset: int, stop: int | None, _condition: str | None) -> Answer:
        if not offset and stop is None:
            return honest()(0, None, None)
        start = max(0, offset + by)
        end = min(SIZE, (stop or SIZE) + by)
        where = {"Content-Range": f"bytes {start}-{end - 1}/{SIZE}", "Content-Length": str(end - start)}
        return Answer(status=206, headers=where, read=body(CONTENT[start:end]), close=lambda: None)

    return respond


def lies(by: int) -> Behaviour:
    """Sends another place than it says."""

    def respond(offset: int, stop: int | None, condition: str | None) -> Answer:
        answer = honest()(offset, stop, condition)
        end = stop or SIZE
        data = (CONTENT + CONTENT)[offset + by : end + by]
        return Answer(status=answer.status, headers=answer.headers, read=body(data), close=lambda: None)

    return respond


def longer(extra: bytes = b"more") -> Behaviour:
    """Sends what was asked for and goes on."""

    def respond(offset: int, stop: int | None, condition: str | None) -> Answer:
        answer = honest()(offset, stop, condition)
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Length"}
        start, end = (offset, stop or SIZE) if answer.status == 206 else (0, SIZE)
        return Answer(status=answer.status, headers=headers, read=body(CONTENT[start:end] + extra), close=lambda: None)

    return respond


def names_total(total: str) -> Behaviour:
    """Its Content-Range names this size of the file."""

    def respond(offset: int, stop: int | None, condition: str | None) -> Answer:
        answer = honest()(offset, stop, condition)
        headers = dict(answer.headers)
        if "Content-Range" in headers:
            headers["Content-Range"] = headers["Content-Range"].rpartition("/")[0] + f"/{total}"
        return Answer(status=answer.status, headers=headers, read=answer.read, close=lambda: None)

    return respond


class Servers:
    """Answers by host name and keeps what was asked. The last behaviour of a host stays; an error is raised.

    :param asked: (host, offset, end, validator) in the order of arrival.
    """

    def __init__(self, **behaviours: Sequence[Behaviour | SourceError]) -> None:
        self.behaviours = {host: list(listed) for host, listed in behaviours.items()}
        self.asked: list[tuple[str, int, int | None, str | None]] = []
        self.guard = threading.Lock()

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        host = (source.parts.hostname or "").split(".")[0]
        with self.guard:
            self.asked.append((host, offset, until, etag))
            listed = self.behaviours[host]
            behaviour = listed.pop(0) if len(listed) > 1 else listed[0]
        if isinstance(behaviour, SourceError):
            raise behaviour
        return behaviour(offset, until, etag)

    def hosts(self) -> list[str]:
        return [host for host, _offset, _until, _etag in self.asked]


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.moment = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return 1_800_000_000.0

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float, /) -> None:
        self.pauses.append(seconds)
        self.moment += seconds


class RealTime:
    """For tests with threads, which wait for each other and not for the time."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)


class Fetch:
    """One process's life: a downloader over a directory of parts.

    :param finished: labels with the bytes they were finished with.
    """

    def __init__(
        self,
        folder: Path,
        servers: Servers,
        *,
        retries: int = 2,
        delay: float = 1.0,
        limits: DownloadLimits | None = None,
    ) -> None:
        self.folder = folder
        self.servers = servers
        self.time = Time()
        self.limits = limits or DownloadLimits(connections=1, range_size=700, step=100)
        self.downloader = Downloader(
            servers,
            RetryPolicy(retries=retries, delay=delay),
            clock=self.time if self.limits.connections == 1 else RealTime(),
            limits=self.limits,
        )
        self.finished: dict[str, bytes] = {}
        self.guard = threading.Lock()

    def part(self, sha256: str) -> PartFiles:
        return PartFiles(data=self.folder / f"{sha256}.part", sidecar=self.folder / f"{sha256}.json")

    def finish(self, wanted: Wanted, part: PartFiles) -> None:
        data = part.data.read_bytes()
        with self.guard:
            assert wanted.label not in self.finished
            self.finished[wanted.label] = data
        part.drop()

    def get(self, *hosts: str) -> bytes:
        """Fetch the one file; gives its bytes."""
        self.all(wanted("m", *hosts))
        return self.finished["m"]

    def all(self, *items: Wanted) -> None:
        self.downloader.fetch_all(items, part_of=self.part, finish=self.finish)


def wanted(label: str, *hosts: str, content: bytes = CONTENT) -> Wanted:
    sources = tuple(parse_source(f"https://{host}.example/{label}") for host in hosts)
    return Wanted(label=label, sha256=hashlib.sha256(content).hexdigest(), size=len(content), sources=sources)
