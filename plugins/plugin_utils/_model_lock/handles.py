# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files somewhere else that read like files here: from any position, with few requests, whole or not at all."""

from __future__ import annotations

import hashlib
import io
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar, cast

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, SourceError
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy

BLOCK = 128 * 1024
BLOCKS = 32
"""Blocks a handle keeps (4 MiB): formats are judged by looking at the head, the tail, and back again."""
AHEAD = 16 * BLOCK
"""A jump forward by less than this is read through, which is cheaper than another request."""
SLOWEST = 1024
"""Bytes in a second. A server below it, over ``WINDOW`` seconds, is taken for one that means to hold us for ever."""
WINDOW = 60.0

Opener = Callable[[int], Answer]
T = TypeVar("T")


def patiently(
    call: Callable[[], T],
    *,
    policy: RetryPolicy,
    sleep: Callable[[float], None],
    after_failure: Callable[[], None] = lambda: None,
) -> T:
    """What ``call`` gives, called again after failures that may pass.

    :raises SourceError: of the last call.
    """
    failures = 0
    while True:
        failures += 1
        try:
            return call()
        except SourceError as error:
            after_failure()
            pause = policy.pause(failures, asked=error.retry_after) if error.retryable else None
            if pause is None:
                raise
        sleep(pause)


class Pace:
    """Watches how fast bytes come while somebody waits for them."""

    def __init__(self, shown: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._shown = shown
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Nobody waited before now."""
        self._since, self._count = self._clock(), 0

    def got(self, count: int) -> None:
        """:raises SourceError: ``stalled``."""
        self._count += count
        waited = self._clock() - self._since
        if waited < WINDOW:
            return
        if self._count < SLOWEST * waited:
            raise SourceError(
                "stalled", f"{self._shown} sent {self._count} bytes in {waited:.0f} s, which never ends", retryable=True
            )
        self.begin()


def ranged(
    open_at: Opener,
    size: int,
    *,
    shown: str,
    policy: RetryPolicy,
    sleep: Callable[[float], None],
    clock: Callable[[], float] = time.monotonic,
) -> BinaryIO:
    """A file of ``size`` bytes for reading.

    :param open_at: begins an answer at a byte (status 206), or gives the whole again where ranges are not offered
        (status 200); raises SourceError.
    :param shown: the address for messages.
    :raises DrydockError: while reading, when it breaks off for good or is not as long as it should be.
    """
    handle = RangedHandle(open_at, size, shown=shown, policy=policy, sleep=sleep, clock=clock)
    return cast("BinaryIO", handle)


class RangedHandle(io.RawIOBase):
    """See ``ranged``."""

    def __init__(
        self,
        open_at: Opener,
        size: int,
        *,
        shown: str,
        policy: RetryPolicy,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self._open_at = open_at
        self._size = size
        self._shown = shown
        self._policy = policy
        self._sleep = sleep
        self._pace = Pace(shown, clock)
        self._position = 0
        self._answer: Answer | None = None
        self._next = 0  # the byte the open answer gives next
        self._etag: str | None = None
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = start + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self._size:
            block = self._block(self._position // BLOCK)
            piece = block[self._position % BLOCK :][: len(view) - done]
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def close(self) -> None:
        self._drop()
        super().close()

    def _block(self, number: int) -> bytes:
        if number in self._blocks:
            self._blocks.move_to_end(number)
            return self._blocks[number]
        start = number * BLOCK
        if self._answer is not None and self._next <= start <= self._next + AHEAD:
            while self._next < start and self._next // BLOCK not in self._blocks:
                self._keep(self._next // BLOCK, self._get(self._next, min(BLOCK, self._size - self._next)))
        data = self._get(start, min(BLOCK, self._size - start))
        self._keep(number, data)
        return data

    def _keep(self, number: int, data: bytes) -> None:
        self._blocks[number] = data
        while len(self._blocks) > BLOCKS:
            self._blocks.popitem(last=False)

    def _get(self, start: int, length: int) -> bytes:
        data = bytearray()
        self._pace.begin()

        def more() -> None:
            while len(data) < length:
                data.extend(self._some(start + len(data), length - len(data)))

        patiently(more, policy=self._policy, sleep=self._sleep, after_failure=self._drop)
        if start + length == self._size:
            self._judge_end()
        return bytes(data)

    def _some(self, start: int, length: int) -> bytes:
        answer = self._answer
        if answer is None or self._next != start:
            answer = self._begin(start)
        data = answer.read(length)
        self._next += len(data)
        self._pace.got(len(data))
        if not data:
            raise SourceError("interrupted", f"{self._shown} ended after {start} of {self._size} bytes", retryable=True)
        return data

    def _begin(self, start: int) -> Answer:
        self._drop()
        answer = self._open_at(start)
        self._pace.begin()
        self._answer = answer
        self._next = start if answer.status == 206 else 0
        found = total(answer, self._next)
        if found is not None and found != self._size:
            raise self._wrong_size(found)
        etag = answer.headers.get("ETag")
        if self._etag and etag and etag != self._etag:
            raise DrydockError(
                "changed_meanwhile",
                f"{self._shown} changed while it was read. Nothing was written. Next step: lock again.",
            )
        self._etag = self._etag or etag
        while self._next < start:
            skipped = answer.read(min(BLOCK, start - self._next))
            if not skipped:
                raise SourceError("interrupted", f"{self._shown} ended at byte {self._next}", retryable=True)
            self._next += len(skipped)
            self._pace.got(len(skipped))
        return answer

    def _judge_end(self) -> None:
        """More than there should be, from a server that did not say how much there is."""
        if self._answer is not None and self._answer.read(1):
            raise self._wrong_size(None)

    def _wrong_size(self, found: int | None) -> DrydockError:
        self._drop()
        return DrydockError(
            "size_mismatch",
            f"{self._shown}: expected {self._size} bytes, found {'more' if found is None else found}. "
            "The source contradicts itself (another file, or a damaged one). Next step: ask whoever keeps it.",
        )

    def _drop(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None


def total(answer: Answer, start: int) -> int | None:
    """Bytes of the whole file by what the headers say, or ``None``."""
    text = answer.headers.get("Content-Range", "").rpartition("/")[2] if answer.status == 206 else ""
    if text.isascii() and text.isdigit():
        return int(text[:19])
    length = answer.headers.get("Content-Length", "")
    return start + int(length[:19]) if length.isascii() and length.isdigit() else None


def digest_of(handle: BinaryIO, *, told: Callable[[int], None]) -> tuple[str, int]:
    """The hex sha256 and the length of all there is, in constant memory.

    :param told: called with the bytes read so far.
    """
    digest = hashlib.sha256()
    buffer = bytearray(1024 * 1024)
    view = memoryview(buffer)
    size = 0
    read = cast("Callable[[bytearray], int]", handle.readinto)  # type: ignore[attr-defined]  # missing in the stub
    while True:
        count = read(buffer)
        if not count:
            return digest.hexdigest(), size
        digest.update(view[:count])
        size += count
        told(size)
