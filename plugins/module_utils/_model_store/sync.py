# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, then act: what ``model_sync`` does, without Ansible."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Optional, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import os_failure
from ansible_collections.drydock.serving.plugins.module_utils._lock import held
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Plan, Wishes, plan_sync
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import (
    Receipt,
    load_receipts,
    save_receipts,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import describe, diff_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import check_room
from ansible_collections.drydock.serving.plugins.module_utils._model_store.status import Status

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
    from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Progress
    from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
    from ansible_collections.drydock.serving.plugins.module_utils._model_store.execute import Finish, Judge
    from ansible_collections.drydock.serving.plugins.module_utils._source import Source

# The ordered sources of a file, asked just before it is fetched; None for the file's own.
Locate = Optional[Callable[["Wanted"], Sequence["Source"]]]


class Fetching(Protocol):
    """Where files come from; made only when something must be fetched."""

    @property
    def notices(self) -> Sequence[str]:
        """What did not work, although the files came."""

    @property
    def elsewhere(self) -> bool:
        """Files may come from somewhere else than their own sources."""

    @property
    def waiting_for(self) -> str:
        """The hosts that files are waited for just now, in words; empty when there are none."""

    def supply(self, layout: Layout, wanted: Sequence[Wanted]) -> AbstractContextManager[Locate]:
        """What else may hold the wanted files: other hosts of the group, an archive.

        Entered under the lock before the first file is fetched, left when the last one has its name or one failed. A
        process it forks must close what it inherits, or the lock of the store stays with it.
        """

    def downloader(self, progress: Progress) -> Downloader:
        """What fetches."""


@dataclass(frozen=True)
class Clock:
    """Time as arguments: seconds since the epoch, seconds that never jump, and a way to wait."""

    now: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


@dataclass(frozen=True)
class Limits:
    """Bounds of one sync.

    :param reserve: bytes that must stay free.
    :param lock_timeout: seconds to wait for another sync.
    """

    reserve: int
    lock_timeout: float


def _no_step(_name: str) -> None:
    pass


def _judge(*given: Any, **named: Any) -> str:
    from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import (  # noqa: PLC0415 - only when a file came; an idle run is free
        judge,
    )

    return judge(*given, **named)


@contextlib.contextmanager
def own_sources(_layout: Layout, _wanted: Sequence[Wanted]) -> Iterator[Locate]:
    """Nothing but the files' own sources."""
    yield None


class OwnSources:
    """Fetches from the files' own sources and from nowhere else.

    :param connect: makes the downloader.
    """

    elsewhere = False
    waiting_for = ""
    notices: Sequence[str] = ()

    def __init__(self, connect: Callable[[Progress], Downloader]) -> None:
        self._connect = connect

    def supply(self, layout: Layout, wanted: Sequence[Wanted]) -> AbstractContextManager[Locate]:
        """Nobody else is asked."""
        return own_sources(layout, wanted)

    def downloader(self, progress: Progress) -> Downloader:
        """What fetches."""
        return self._connect(progress)


class Sync:
    """One call. ``result`` holds what is true so far, also after a failure.

    :param fetching: where files come from; called only when something must be fetched.
    """

    def __init__(
        self,
        layout: Layout,
        wishes: Wishes,
        limits: Limits,
        fetching: Callable[[], Fetching],
        clock: Clock,
        *,
        result: dict[str, Any],
        judge: Judge = _judge,
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._layout = layout
        self._wishes = wishes
        self._limits = limits
        self._fetching = fetching
        self._clock = clock
        self._judge = judge
        self._step = step
        self._notices: Sequence[str] = ()
        self._status = Status(layout.status, now=clock.now)
        self.result = result

    def run(self, *, check: bool) -> None:
        """Bring the store to what is wanted, or in check mode only say how.

        :raises DrydockError: with ``result`` telling what was done before.
        """
        try:
            self._run(check)
        except OSError as error:
            raise os_failure(error, so_far="What serves now is untouched.") from error
        finally:
            self._status.end()

    def _run(self, check: bool) -> None:
        plan = self._plan(load_receipts(self._layout.receipts), full=self._wishes.full)
        free = check_room(self._layout, plan, reserve=self._limits.reserve)
        self.result["pending"] = bool(plan.fetch) and not self._wishes.fetch
        if check or self.result["pending"] or plan.settled:
            self._tell(plan, free, check=check)
            if self.result["pending"] and not check:
                self._remember(plan)
            return
        self._change(plan)

    def _change(self, plan: Plan) -> None:
        from ansible_collections.drydock.serving.plugins.module_utils._model_store.execute import (  # noqa: PLC0415 - an idle run loads nothing of it
            prepare,
        )

        prepare(self._layout, self._wishes.ownership)
        with self._locked():
            # what was true before the lock may be done by now; hashes made above are not made again
            plan = self._plan(plan.receipts, full=False)
            free = check_room(self._layout, plan, reserve=self._limits.reserve)
            if plan.changed:
                self._execute(plan, free)
            else:
                self._note(plan.receipts)
                self._tell(plan, free, check=False)

    def _note(self, receipts: Mapping[str, Receipt] | None) -> None:
        """Remember what costs time or a version when it is forgotten; a disk that is full stops nothing for that."""
        from ansible_collections.drydock.serving.plugins.module_utils._model_store.users import (  # noqa: PLC0415 - as above
            save_user,
        )

        try:
            if receipts is not None:
                save_receipts(self._layout.receipts, receipts)
            wanted = {model.name: model.version for model in self._wishes.models}
            save_user(self._layout, self._wishes.releases, wanted, now=self._clock.now())
        except OSError as error:
            self._notices = (
                *self._notices,
                f"{self._layout.state} cannot be written ({error.strerror}), so the next run does again what this one "
                "could not remember. Next step: make room on that file system.",
            )

    def _plan(self, receipts: Mapping[str, Receipt], *, full: bool) -> Plan:
        return plan_sync(self._layout, replace(self._wishes, full=full), receipts=receipts, now=self._clock.now())

    def _locked(self) -> AbstractContextManager[None]:
        def waiting(holder: str) -> None:
            self.result["waited_for"] = holder
            self._status.wait(holder)

        return held(
            self._layout.lock,
            timeout=self._limits.lock_timeout,
            clock=self._clock.monotonic,
            sleep=self._clock.sleep,
            waiting=waiting,
        )

    def _remember(self, plan: Plan) -> None:
        """Keep what hashing has shown, so that the call that may fetch does not hash again; never wait for that."""
        if not plan.receipts_stale or not self._layout.state.is_dir():
            return
        with contextlib.suppress(DrydockError), held(self._layout.lock, timeout=0):
            # another sync may have saved newer ones since; those of files that are gone or changed match nothing
            save_receipts(self._layout.receipts, {**load_receipts(self._layout.receipts), **plan.receipts})

    def _bring(self, wanted: Sequence[Wanted], finish: Finish) -> None:
        from ansible_collections.drydock.serving.plugins.module_utils._download.progress import (  # noqa: PLC0415 - an idle run loads nothing of it
            Meter,
        )

        fetching = self._fetching()
        lost = [] if fetching.elsewhere else [item.label for item in wanted if not item.sources]
        if lost:
            raise DrydockError(
                "invalid_input",
                f"{lost[0]} (and {len(lost) - 1} more) can only be fetched from hf, s3 or oci addresses, which this "
                "host cannot ask itself. Next step: run the task as drydock.serving.model_sync from a controller that "
                "has this collection, which resolves them.",
            )
        meter = Meter(
            monotonic=self._clock.monotonic, on_tick=lambda moved: self._status.fetch(moved, fetching.waiting_for)
        )
        downloader = fetching.downloader(meter)
        try:
            with fetching.supply(self._layout, wanted) as locate:  # noqa: SIM117  # pylint is against one line
                with meter:
                    downloader.fetch_all(wanted, part_of=self._layout.part, finish=finish, locate=locate)
        finally:
            self.result.update(bytes_fetched=downloader.received, sources=downloader.sources)
            self._notices = fetching.notices
        self._status.place()

    def _execute(self, plan: Plan, free: int) -> None:
        from ansible_collections.drydock.serving.plugins.module_utils._model_store.execute import (  # noqa: PLC0415 - an idle run loads nothing of it
            Executor,
        )

        executor = Executor(
            self._layout, self._wishes, bring=self._bring, judge=self._judge, now=self._clock.now, step=self._step
        )
        diff = diff_of(self._layout, plan, self._wishes.ownership)
        outcome = executor.outcome
        try:
            executor.run(plan)
            self._note(None)
            done = replace(plan, collection=outcome.collection)
            self.result.update(describe(self._layout, done, free=free, check=False), diff=diff)
        except BaseException:
            self.result.update(changed=outcome.changed)
            raise
        finally:
            self.result.update(
                bytes_freed=outcome.freed,
                quarantined=outcome.quarantined,
                notices=[*self.result["notices"], *self._notices],
            )

    def _tell(self, plan: Plan, free: int, *, check: bool) -> None:
        self.result.update(
            describe(self._layout, plan, free=free, check=check or self.result["pending"]),
            diff=diff_of(self._layout, plan, self._wishes.ownership),
        )
        self.result["notices"] += self._notices
        if self.result["pending"] and not check:
            self.result.update(changed=False, diff=[])
