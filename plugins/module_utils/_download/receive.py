# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receiving one answer into a part file, at most so fast, and not for ever."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.drydock.serving.plugins.module_utils._download.answers import (
    WrongContentError,
    is_chunked,
    too_short,
)
from ansible_collections.drydock.serving.plugins.module_utils._download.bucket import Bucket
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import Clock, DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.part import Part, StoppedError
from ansible_collections.drydock.serving.plugins.module_utils._download.schedule import Claim
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, Source, SourceError

# What is asked of a connection at once; it gives what is there.
PIECE = 1024 * 1024


class Pace:
    """Judges one connection: it counts as stalled when it brings less than the minimum rate over the stall timeout.

    Only time spent waiting for the server counts, not what a bandwidth limit or the disk takes.
    """

    def __init__(self, limits: DownloadLimits, source: Source) -> None:
        self._limits = limits
        self._source = source
        self._waited = 0.0
        self._came = 0

    def took(self, seconds: float, count: int) -> None:
        """So many bytes came after so long. :raises SourceError: the connection is too slow."""
        self._waited += seconds
        self._came += count
        if self._waited < self._limits.stall_timeout:
            return
        if self._came < self._limits.minimum_rate * self._waited:
            raise SourceError(
                "stalled",
                f"{self._source.shown} sent {self._came} bytes in {self._waited:.0f} s, less than "
                f"{self._limits.minimum_rate} bytes per second",
                retryable=True,
            )
        self._waited, self._came = 0.0, 0


class Receiver:
    """Takes bodies in. One for all threads.

    :param pause: waits some seconds, or less when everything ends.
    :param flush: told of a part when much of it waits for the disk.
    """

    def __init__(
        self,
        limits: DownloadLimits,
        clock: Clock,
        *,
        pause: Callable[[float], None],
        flush: Callable[[Part], None],
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._bucket = Bucket(limits.bandwidth, monotonic=clock.monotonic)
        self._pause = pause
        self._flush = flush

    def receive(
        self,
        answer: Answer,
        claim: Claim,
        part: Part,
        *,
        source: Source,
        inline: bool,
        given_up: Callable[[], bool],
        received: Callable[[int], None],
    ) -> None:
        """Write the body into the claimed stretch; ``claim.at`` moves on with what is recorded, also on failures.

        :param inline: hash here; else somebody follows.
        :param given_up: true when nobody wants the rest.
        :param received: told of every count of bytes that came.
        :raises SourceError: it ended early, or was no good.
        :raises StoppedError: it was given up.
        """
        pace = Pace(self._limits, source)
        at = claim.at
        try:
            while at < claim.stop:
                if given_up():
                    raise StoppedError
                data = self._read(answer, pace, min(PIECE, claim.stop - at))
                if not data:
                    raise _ended(answer, source, part.wanted, at)
                received(len(data))
                part.write(at, data)
                if inline:
                    part.feed(at, data)
                at += len(data)
                if at - claim.at >= self._limits.step and at < claim.stop:
                    self._record(claim, part, at)
                self._wait(len(data))
            more = _behind(answer)
            if more:
                received(len(more))
                raise WrongContentError("size_mismatch", _too_long(source, part.wanted))
        except WrongContentError:
            raise
        except (SourceError, StoppedError):
            self._record(claim, part, at)
            raise
        self._record(claim, part, at)

    def _wait(self, count: int) -> None:
        seconds = self._bucket.take(count)
        if seconds:
            self._pause(seconds)

    def _read(self, answer: Answer, pace: Pace, most: int) -> bytes:
        started = self._clock.monotonic()
        data = answer.read(self._bucket.portion(most))
        pace.took(self._clock.monotonic() - started, len(data))
        return data

    def _record(self, claim: Claim, part: Part, at: int) -> None:
        due = part.record(claim.at, at)
        claim.at = at
        if due:
            self._flush(part)


def _behind(answer: Answer) -> bytes:
    """What comes behind the last byte: nothing, or the server sends something else than it said.

    Only what was read to its end leaves the connection for the next request. One that breaks here has brought all.
    """
    try:
        return answer.read(1)
    except SourceError:
        return b""


def _too_long(source: Source, wanted: Wanted) -> str:
    return f"{source.shown}: expected {wanted.size} bytes, found more"


def _ended(answer: Answer, source: Source, wanted: Wanted, at: int) -> SourceError:
    if is_chunked(answer) and answer.status == 200:
        return WrongContentError("size_mismatch", too_short(answer, source, wanted, at))
    return SourceError(
        "interrupted", f"{source.shown}: the connection ended after {at} of {wanted.size} bytes", retryable=True
    )
