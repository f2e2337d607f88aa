# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, then act: what ``model_sync`` does, without Ansible."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._lock import held
from ansible_collections.drydock.serving.plugins.module_utils._model_store.execute import Executor, as_failure, prepare
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import (
    Plan,
    Wishes,
    check_room,
    plan_sync,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.receipts import (
    Receipt,
    load_receipts,
    save_receipts,
)
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import describe, diff_of


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


class Sync:
    """One call. ``result`` holds what is true so far, also after a failure."""

    def __init__(
        self,
        layout: Layout,
        wishes: Wishes,
        limits: Limits,
        downloader: Downloader,
        clock: Clock,
        *,
        result: dict[str, Any],
        step: Callable[[str], None] = _no_step,
    ) -> None:
        self._layout = layout
        self._wishes = wishes
        self._limits = limits
        self._downloader = downloader
        self._clock = clock
        self._step = step
        self.result = result

    def run(self, *, check: bool) -> None:
        """Bring the store to what is wanted, or in check mode only say how.

        :raises DrydockError: with ``result`` telling what was done before.
        """
        try:
            self._run(check)
        except OSError as error:
            raise as_failure(error) from error

    def _run(self, check: bool) -> None:
        plan = self._plan(load_receipts(self._layout.receipts), full=self._wishes.full)
        free = check_room(self._layout, plan, reserve=self._limits.reserve)
        if check or not (plan.changed or plan.receipts_stale):
            self._tell(plan, free)
            return
        prepare(self._layout, self._wishes.ownership)
        with held(
            self._layout.lock, timeout=self._limits.lock_timeout, clock=self._clock.monotonic, sleep=self._clock.sleep
        ):
            # what was true before the lock may be done by now; hashes made above are not made again
            plan = self._plan(plan.receipts, full=False)
            free = check_room(self._layout, plan, reserve=self._limits.reserve)
            if plan.changed:
                self._execute(plan, free)
            else:
                save_receipts(self._layout.receipts, plan.receipts)
                self._tell(plan, free)

    def _plan(self, receipts: Mapping[str, Receipt], *, full: bool) -> Plan:
        wishes = Wishes(models=self._wishes.models, ownership=self._wishes.ownership, keep=self._wishes.keep, full=full)
        return plan_sync(self._layout, wishes, receipts=receipts, now=self._clock.now())

    def _execute(self, plan: Plan, free: int) -> None:
        executor = Executor(
            self._layout, self._wishes.ownership, self._downloader, now=self._clock.now, step=self._step
        )
        diff = diff_of(self._layout, plan, self._wishes.ownership)
        outcome = executor.outcome
        try:
            executor.run(plan)
            done = replace(plan, collection=outcome.collection)
            self.result.update(describe(self._layout, done, free=free), diff=diff)
        except BaseException:
            self.result.update(changed=outcome.changed)
            raise
        finally:
            self.result.update(
                bytes_fetched=self._downloader.received, bytes_freed=outcome.freed, quarantined=outcome.quarantined
            )

    def _tell(self, plan: Plan, free: int) -> None:
        self.result.update(
            describe(self._layout, plan, free=free), diff=diff_of(self._layout, plan, self._wishes.ownership)
        )
