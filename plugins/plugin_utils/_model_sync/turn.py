# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until another sync in the same store ends: an earlier run's download, for one, that goes on by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Clock, Lost
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot

FIRST_PAUSE, LONGEST_PAUSE, GROWTH = 1.0, 3.0, 1.3  # seconds, seconds, factor
LEFT_BEHIND = 30.0  # seconds without news, after which a status file is taken for a leftover


class Store(Protocol):
    """The store on its host."""

    def status(self) -> Snapshot | None:
        """The status of a sync that runs there now; ``None`` when none does. :class:`Lost` without an answer."""

    def probe(self) -> dict[str, Any]:
        """What the module says, run again without fetching and without waiting."""


def busy(result: Mapping[str, Any]) -> bool:
    """Whether the module found the store held by another run."""
    return bool(result.get("failed")) and (result.get("failure") or {}).get("kind") == "busy"


class Turn:
    """Waits while another sync gets further, and ``timeout`` seconds at most while it does not."""

    def __init__(self, store: Store, reporter: Reporter, clock: Clock, *, timeout: float) -> None:
        self._store, self._reporter, self._clock, self._timeout = store, reporter, clock, timeout
        self._pause = FIRST_PAUSE
        self._moved_at = self._news_at = clock.monotonic()
        self._last: Snapshot | None = None
        self._told = ""

    def wait(self, result: dict[str, Any]) -> dict[str, Any]:
        """The module's last word; ``pending`` in it: it is this run's turn to fetch.

        :param result: the module's first word: that the store is busy, or that something must be fetched, which the
            other one may be doing just now.
        """
        while busy(result) or result.get("pending"):
            now = self._status()
            if now is None and self._last is None and not busy(result):
                return result
            self._tell(result, now)
            if now is None:
                if self._last is None:
                    self._sleep()
                self._last = None
                result = self._store.probe()
            else:
                self._observe(now)
                if not busy(result) and self._clock.monotonic() - self._news_at >= LEFT_BEHIND:
                    return result
                self._sleep()
            if self._clock.monotonic() - self._moved_at >= self._timeout:
                return self._given_up(result)
        return result

    def _status(self) -> Snapshot | None:
        try:
            return self._store.status()
        except Lost:  # the next call of the module meets the same, and says so in Ansible's own words
            return None

    def _observe(self, now: Snapshot) -> None:
        at = self._clock.monotonic()
        if self._last is None or now.updated != self._last.updated:
            self._news_at = at
            self._reporter.show(now)
        if self._last is None or (now.phase, now.bytes_done) != (self._last.phase, self._last.bytes_done):
            self._moved_at = at
        self._last = now

    def _sleep(self) -> None:
        self._clock.sleep(self._pause)
        self._pause = min(LONGEST_PAUSE, self._pause * GROWTH)

    def _tell(self, result: Mapping[str, Any], now: Snapshot | None) -> None:
        if not self._told:
            self._told = str(result.get("waited_for") or (f"process {now.pid}" if now else "another process"))
            self._reporter.note(f"waits for {self._told}, which works on the same store")

    def _given_up(self, result: dict[str, Any]) -> dict[str, Any]:
        return {
            **result,
            "failed": True,
            "changed": False,
            "failure": {**(result.get("failure") or {}), "kind": "busy"},
            "msg": f"Another run has held the store for more than {self._timeout:g} s without getting further "
            f"({self._told}). Nothing was touched. Wait for it to end, then run again.",
        }
