# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does what next: files, stretches of files, pauses, and the end of it all."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._download.job import Job
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import Clock, DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.origins import Origins
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

# Files that wait for their server hold a descriptor each; more than these are not begun meanwhile.
_PARKED = 64


@dataclass(eq=False)
class Claim:
    """One piece of work: the stretch ``[at, stop)`` of a file, or (``stop`` 0) beginning the file.

    :param at: up to where it is done.
    :param epoch: the job's, when it was claimed.
    """

    job: Job
    at: int
    stop: int
    epoch: int


class Schedule:
    """The files of one call and the lock under which their jobs change.

    :param part_of: where the bytes of a digest grow.
    """

    def __init__(
        self,
        items: Sequence[Wanted],
        part_of: Callable[[str], PartFiles],
        *,
        limits: DownloadLimits,
        clock: Clock,
        origins: Origins,
    ) -> None:
        self.change = threading.Condition(threading.RLock())
        self.ended = threading.Event()
        self.failure: BaseException | None = None
        self.active: list[Job] = []
        self._pending = deque(items)
        self._part_of = part_of
        self._limits = limits
        self._clock = clock
        self._origins = origins
        requests = sum(max(1, -(-item.size // limits.range_size)) for item in items)
        self.threads = max(1, min(limits.connections, requests))
        """How many work; 1: everything happens in the caller's thread, one file after the other."""
        self._deadline = clock.monotonic() + limits.total_timeout if limits.total_timeout else float("inf")

    def next(self) -> Claim | None:
        """Wait for something to do; ``None`` when nothing is left."""
        with self.change:
            while not self.ended.is_set() and (self._pending or self.active):
                self.check_deadline()
                claim, wait = self._choose(self._clock.monotonic())
                if claim is not None:
                    claim.job.busy += 1
                    claim.job.fetching += 1
                    return claim
                if self.threads > 1:
                    self.change.wait(wait)
                elif wait is None:
                    raise RuntimeError("files are left, but nothing can be done for them")
                else:
                    self._clock.sleep(wait)
            return None

    def _choose(self, now: float) -> tuple[Claim | None, float | None]:
        """What is next, or how long nothing is (``None``: until something changes)."""
        waits = []
        parked = 0
        for job in sorted(self.active, key=lambda job: job.fetching):
            if not job.free or job.verdict is not None or not job.sources:
                continue
            if job.fetching == 0 or (job.split and not self._may_begin(parked)):
                ready = max(job.not_before, self._origins.ready_at(job.source))
                if ready <= now:
                    return Claim(job, *job.take(self._limits.range_size), epoch=job.epoch), None
                waits.append(ready - now)
                parked += job.fetching == 0
        if self._may_begin(parked):
            wanted = self._pending.popleft()
            job = Job(wanted=wanted, files=self._part_of(wanted.sha256))
            self.active.append(job)
            return Claim(job, 0, 0, epoch=0), None
        return None, min(waits) if waits else None

    def _may_begin(self, parked: int) -> bool:
        """Is there another file to begin, and somebody for it?"""
        if not self._pending:
            return False
        if self.threads == 1:
            return not self.active
        return len(self.active) - parked < self.threads and parked < _PARKED

    def wait_for_end(self) -> None:
        """Until every file is done, or one failed."""
        with self.change:
            while (self._pending or self.active) and self.failure is None:
                self.change.wait(1.0)
                self.check_deadline()

    def check_deadline(self) -> None:
        """End everything when it took longer than allowed."""
        if self._clock.monotonic() < self._deadline or self.ended.is_set():
            return
        self.fail(
            DrydockError(
                "stalled",
                f"The files were not complete within total_timeout ({self._limits.total_timeout:g} s). What was "
                "received stays for the next run; what serves now is untouched. "
                "Next step: run again, or give it more time.",
            )
        )

    def fail(self, error: BaseException) -> None:
        """The first failure ends everything."""
        with self.change:
            if self.failure is None:
                self.failure = error
            self.end()

    def end(self) -> None:
        """Let everybody stop as soon as they can."""
        with self.change:
            self.ended.set()
            for job in self.active:
                abort(job)
            self.change.notify_all()

    def judge(self, job: Job, verdict: Exception) -> None:
        """End this attempt at a file; who leaves it last acts on the first verdict."""
        with self.change:
            if job.verdict is None:
                job.verdict = verdict
                abort(job)

    def is_given_up(self, job: Job) -> bool:
        """Does nobody want what still comes for this attempt?"""
        self.check_deadline()
        return self.ended.is_set() or job.verdict is not None

    def done(self, job: Job) -> None:
        """This file needs nothing any more."""
        with self.change:
            job.part = None
            self.active.remove(job)
            self.change.notify_all()


def abort(job: Job) -> None:
    """Let everybody who works on this file notice that it ends."""
    for cut in list(job.cuts.values()):
        with contextlib.suppress(Exception):
            cut()
    if job.part is not None:
        job.part.wake()
