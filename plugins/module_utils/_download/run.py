# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All files of one call: what is done for each, and what becomes of each failure."""

from __future__ import annotations

import contextlib
import errno
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from ansible_collections.drydock.serving.plugins.module_utils._download.answers import (
    Request,
    StartAgainError,
    WrongContentError,
    judge,
    strong_etag,
)
from ansible_collections.drydock.serving.plugins.module_utils._download.job import Job, after, explain, no_space
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import MIB
from ansible_collections.drydock.serving.plugins.module_utils._download.part import Part, StoppedError
from ansible_collections.drydock.serving.plugins.module_utils._download.receive import Receiver
from ansible_collections.drydock.serving.plugins.module_utils._download.schedule import Claim, Schedule
from ansible_collections.drydock.serving.plugins.module_utils._download.tools import Orders, Tools
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, SourceError

# So many threads keep the interpreter busy; more only stand in each other's way, unless the links are slow.
_ENOUGH = 3
# Faster than this together, in bytes per second, and no more are let in; asked again after so many seconds. So many
# times in a row they have to be slower: a disk may be busy for a moment.
_FAST = 256 * MIB
_LOOK = 0.5
_SURE = 2
# Who hangs in a connection attempt when everything ends is left behind after so many seconds.
_PATIENCE = 2.0


class Run:
    """One call. ``go`` returns when every file is finished, or raises the first failure."""

    def __init__(self, items: Sequence[Wanted], orders: Orders, tools: Tools) -> None:
        self._orders = orders
        self._tools = tools
        self._limits = tools.limits
        self._schedule = Schedule(items, orders.part_of, limits=tools.limits, clock=tools.clock, origins=tools.origins)
        self._change = self._schedule.change
        self._alone = self._schedule.threads == 1
        self._finishing = 0
        self._came = 0
        self._unsynced: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self._receiver = Receiver(tools.limits, tools.clock, pause=self._pause, flush=self._flush_soon)

    def go(self) -> None:
        """Fetch everything. :raises DrydockError: the first file that could not be fetched."""
        try:
            if self._alone:
                self._work()
            else:
                for number in range(self._schedule.threads):
                    work = self._work if number < _ENOUGH else self._join
                    self._start(work, f"drydock-fetch-{number}")
                self._start(self._flush, "drydock-flush")
                self._schedule.wait_for_end()
        finally:
            self._stop()
        if self._schedule.failure is not None:
            raise self._schedule.failure

    def _start(self, what: Callable[[], None], name: str) -> None:
        def guarded() -> None:
            try:
                what()
            except BaseException as error:  # noqa: BLE001  # raised again by ``go``
                self._schedule.fail(error)

        threading.Thread(target=guarded, name=name, daemon=True).start()

    def _stop(self) -> None:
        """End what still runs. Who hangs in the network is left behind; nobody touches a part file any more."""
        self._schedule.end()
        self._unsynced.put(None)
        failure = self._schedule.failure
        full = isinstance(failure, DrydockError) and failure.kind == "no_space"
        with self._change:
            if not self._alone:
                jobs = self._schedule.active
                self._change.wait_for(lambda: not any(job.busy for job in jobs), timeout=_PATIENCE)
                self._change.wait_for(lambda: not self._finishing)
            for job in self._schedule.active:
                if full:
                    job.files.drop()
                if job.part is not None:
                    job.part.close()

    def _join(self) -> None:
        """Work, too, once the others alone turn out to be slow: what waits for far servers costs no processor time."""
        slow = 0
        while slow < _SURE:
            before = self._came
            if self._schedule.ended.wait(_LOOK):
                return
            slow = slow + 1 if self._came - before < _FAST * _LOOK else 0
        self._work()

    def _work(self) -> None:
        while True:
            claim = self._schedule.next()
            if claim is None:
                return
            self._do(claim)

    def _pause(self, seconds: float) -> None:
        if self._alone:
            self._tools.clock.sleep(seconds)
        else:
            self._schedule.ended.wait(seconds)

    def _flush_soon(self, part: Part) -> None:
        if self._alone:
            part.flush()
        else:
            self._unsynced.put(part)

    def _flush(self) -> None:
        """Push what was received to the disk while more comes, so that little is left to wait for at the end."""
        while True:
            part = self._unsynced.get()
            if part is None:
                return
            with self._disk(part.wanted):
                part.flush()

    @contextlib.contextmanager
    def _disk(self, wanted: Wanted) -> Iterator[None]:
        """A full disk ends everything."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._schedule.fail(no_space(wanted, error.strerror or "no space left"))

    # One file

    def _do(self, claim: Claim) -> None:
        job = claim.job
        try:
            with self._disk(job.wanted):
                if claim.stop:
                    self._fetch(claim)
                else:
                    self._begin(job)
                with self._change:
                    job.fetching -= 1
                    self._change.notify_all()
                    complete = not job.free and not job.fetching and not self._schedule.is_given_up(job)
                if complete and self._is_inline(job):
                    self._conclude(job)
        finally:
            self._leave(job)

    @contextlib.contextmanager
    def _before_the_end(self) -> Iterator[bool]:
        """What the end of everything waits for, however long it takes; false where the end came first."""
        with self._change:
            wanted = not self._schedule.ended.is_set()
            self._finishing += wanted
        try:
            yield wanted
        finally:
            with self._change:
                self._finishing -= wanted
                self._change.notify_all()

    def _begin(self, job: Job) -> None:
        sources = self._tools.origins.in_order(self._orders.locate(job.wanted))
        with self._before_the_end() as wanted:
            if not wanted:
                return
            hashed = partial(self._tools.received, job.wanted, None, 0)
            part = Part(job.files, job.wanted, step=self._limits.step, on_hashed=hashed)
            if part.there:
                self._tools.received(job.wanted, None, part.there)
            with self._change:
                job.part, job.sources, job.mixed = part, sources, part.earlier
                if part.gaps() and not sources:
                    job.verdict = SourceError("not_found", "no source is known for it")
            self._attempt(job)

    def _attempt(self, job: Job) -> None:
        """Fetch what is missing from the current source. The caller is counted in ``busy``."""
        part = job.opened()
        if self._is_inline(job):
            part.hash_on()
        with self._change:
            big = job.wanted.size > self._limits.range_size
            job.split = None if big and not job.forgiven else False
            job.free = part.gaps()
            if job.sources:
                job.verdict = None
            if not self._is_inline(job):
                job.busy += 1
                self._start(lambda: self._follow(job), "drydock-hash")
            self._change.notify_all()

    def _is_inline(self, job: Job) -> bool:
        """Small files are hashed by who receives them; behind a big one somebody follows."""
        return self._alone or job.wanted.size <= self._limits.range_size

    def _follow(self, job: Job) -> None:
        try:
            with self._disk(job.wanted):
                if job.opened().follow(lambda: self._schedule.is_given_up(job)):
                    self._conclude(job)
        finally:
            self._leave(job)

    def _conclude(self, job: Job) -> None:
        """Every byte is there: judge them, make them durable, hand them over."""
        part = job.opened()
        part.hash_on()
        found = part.hexdigest()
        if found != job.wanted.sha256:
            whose = job.source.shown if job.sources else "what an earlier run left"
            text = f"{whose}: expected sha256:{job.wanted.sha256}, found sha256:{found}"
            self._schedule.judge(job, WrongContentError("checksum_mismatch", text))
            return
        part.flush()
        with self._before_the_end() as wanted:
            if wanted:
                part.close()
                self._orders.finish(job.wanted, job.files)
                self._tools.done(job.wanted)
                self._schedule.done(job)

    def _leave(self, job: Job) -> None:
        with self._change:
            # until the next attempt begins, the verdict stays and keeps others from working on this one
            verdict = job.verdict if job.busy == 1 and not self._schedule.ended.is_set() else None
            if verdict is None:
                job.busy -= 1
                self._close_if_left(job)
                self._change.notify_all()
                return
        try:
            with self._before_the_end() as wanted:
                if wanted:
                    self._settle(job, verdict)
        except BaseException as error:
            self._schedule.fail(error)
            raise
        finally:
            self._leave(job)

    def _close_if_left(self, job: Job) -> None:
        if self._schedule.ended.is_set() and not job.busy and job.part is not None:
            job.part.close()
            job.part = None

    def _settle(self, job: Job, verdict: Exception) -> None:
        """Nobody else works on this file: start it again, turn to the next source, or give it up."""
        if isinstance(verdict, (StartAgainError, WrongContentError)):
            again, mixed = isinstance(verdict, StartAgainError), job.mixed
            honest = isinstance(verdict, StartAgainError) and verdict.honest
            self._reset(job)
            if (again or mixed) and (honest or not job.forgiven) and job.sources:
                job.forgiven = True
                self._attempt(job)
                return
            job.wrong += not again
        if isinstance(verdict, StartAgainError):
            verdict = SourceError("bad_response", f"{job.source.shown} does not honour ranges consistently")
        if not isinstance(verdict, SourceError):
            raise verdict
        job.failures.append(verdict)
        if job.sources:
            self._tools.origins.gave_up(job.source, verdict.kind)
        if not job.sources or not job.next_source():
            if not job.opened().there:
                job.files.drop()
            raise explain(job.wanted, job.failures)
        job.sources = self._tools.origins.in_order(job.sources)
        self._attempt(job)

    def _reset(self, job: Job) -> None:
        part = job.opened()
        self._tools.received(job.wanted, None, -part.there)
        part.reset()
        job.mixed = False

    # One request

    def _fetch(self, claim: Claim) -> None:
        job = claim.job
        try:
            self._exchange(claim, job.opened())
        except StoppedError:
            pass
        except (StartAgainError, WrongContentError) as error:
            self._schedule.judge(job, error)
        except SourceError as error:
            self._source_failed(claim, error)
        finally:
            with self._change:
                job.give_back(claim.at, claim.stop)

    def _exchange(self, claim: Claim, part: Part) -> None:
        job, source = claim.job, claim.job.source
        bounded = job.split is not False or claim.stop < job.wanted.size
        request = Request(
            source=source, start=claim.at, stop=claim.stop, bounded=bounded, etag=part.validator(source.key)
        )
        answer = self._tools.transport.open(
            source,
            offset=request.start,
            until=request.stop if bounded else None,
            etag=request.etag if request.ranged else None,
        )
        with self._change:
            job.mixed = job.mixed or part.there > 0 or bool(job.cuts)
            job.cuts[id(answer)] = answer.abort
        try:
            self._receive(claim, part, answer, request)
        finally:
            with self._change:
                del job.cuts[id(answer)]
            answer.close()

    def _receive(self, claim: Claim, part: Part, answer: Answer, request: Request) -> None:
        job = claim.job
        start, stop = judge(answer, request, job.wanted)
        with self._change:
            if self._schedule.is_given_up(job):
                raise StoppedError
            if answer.status == 200 and request.ranged:
                self._take_whole(claim, part)
            elif job.split is None:
                job.split = True
            job.give_back(stop, claim.stop)
            claim.at, claim.stop = start, stop
            etag = strong_etag(answer)
            if etag:  # before others ask, who name it
                part.validate(request.source.key, etag)
            self._change.notify_all()
        if job.split:
            part.reserve(start, stop)

        def received(count: int) -> None:
            with self._change:
                job.since += count
                self._came += count
            self._tools.received(job.wanted, request.source, count)

        self._receiver.receive(
            answer,
            claim,
            part,
            source=request.source,
            inline=self._is_inline(job),
            given_up=lambda: self._schedule.is_given_up(job),
            received=received,
        )

    def _take_whole(self, claim: Claim, part: Part) -> None:
        """The whole file comes instead of a range: it is used where nobody else works on the file."""
        job = claim.job
        job.restarts += part.there > 0
        worn = job.restarts > self._tools.policy.retries
        if worn or job.fetching > 1 or (part.there and not self._is_inline(job)):
            raise StartAgainError(honest=job.split is False and not worn)
        if part.there:
            self._reset(job)
        job.split = False
        job.free = []

    def _source_failed(self, claim: Claim, error: SourceError) -> None:
        job, origins = claim.job, self._tools.origins
        with self._change:
            if job.verdict is not None or self._schedule.ended.is_set():
                return
            if error.retryable and claim.epoch < job.epoch:
                return  # it broke together with one that was counted
            pause = job.failed(error, self._tools.policy, hopeless=origins.is_ill(job.source))
            if pause is None:
                self._schedule.judge(job, after(error, job.tries))
                return
            until = self._tools.clock.monotonic() + pause
            if error.kind == "unreachable":
                origins.pause(job.source, until)
            else:
                job.not_before = until
