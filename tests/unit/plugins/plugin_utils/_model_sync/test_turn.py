# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two syncs in one store: the second one waits, says for whom, and gives up only when nothing moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Lost
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.turn import Turn, busy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot
from ansible_collections.drydock.serving.tests.unit.plugins.plugin_utils._job.stand_ins import Time, Told

BUSY = {"failed": True, "failure": {"kind": "busy", "path": "/x"}, "msg": "", "waited_for": "process 12 of root"}
PENDING = {"pending": True, "changed": False}
DONE = {"pending": False, "changed": False}


def at(second: float, done: int) -> Snapshot:
    return Snapshot(bytes_done=done, bytes_total=100, updated=second, pid=7)


class Store:
    def __init__(
        self, time: Time, status: Callable[[float], Snapshot | None], probe: Callable[[float], dict[str, Any]]
    ) -> None:
        self._time, self._status, self._probe = time, status, probe
        self.probes = 0

    def status(self) -> Snapshot | None:
        return self._status(self._time.now)

    def probe(self) -> dict[str, Any]:
        self.probes += 1
        return self._probe(self._time.now)


def test_nobody_is_there_so_nobody_is_waited_for() -> None:
    time, told = Time(), Told()
    store = Store(time, lambda _now: None, lambda _now: DONE)
    assert Turn(store, told, time.clock, timeout=300).wait(PENDING) is PENDING
    assert (time.pauses, told.notes, store.probes) == ([], [], 0)


def test_a_download_of_an_hour_is_waited_for_while_it_gets_further() -> None:
    time, told = Time(), Told()
    store = Store(time, lambda now: at(now, int(now)) if now < 3600 else None, lambda _now: DONE)
    assert Turn(store, told, time.clock, timeout=300).wait(PENDING) is DONE
    assert time.now >= 3600
    assert told.notes == ["waits for process 7, which works on the same store"]
    assert len(told.shown) > 1000
    assert store.probes == 1


def test_a_holder_that_gets_no_further_is_waited_for_only_so_long() -> None:
    time, told = Time(), Told()
    store = Store(time, lambda now: at(now, 5), lambda _now: DONE)
    given_up = Turn(store, told, time.clock, timeout=300).wait({**BUSY, "changed": False})
    assert 300 <= time.now < 310
    assert busy(given_up)
    assert "more than 300 s without getting further (process 12 of root)" in given_up["msg"]
    assert given_up["failure"] == {"kind": "busy", "path": "/x"}
    assert told.notes == ["waits for process 12 of root, which works on the same store"]


def test_a_holder_that_tells_nothing_is_waited_for_only_so_long() -> None:
    time, told = Time(), Told()
    store = Store(time, lambda _now: None, lambda _now: BUSY)
    assert busy(Turn(store, told, time.clock, timeout=30).wait(BUSY))
    assert 30 <= time.now < 34
    assert store.probes <= 14


def test_without_patience_the_first_word_is_the_last_but_for_one_more_try() -> None:
    time = Time()
    store = Store(time, lambda _now: None, lambda _now: BUSY)
    assert busy(Turn(store, Told(), time.clock, timeout=0).wait(BUSY))
    assert store.probes == 1


def test_the_holder_ends_and_it_is_this_runs_turn() -> None:
    time = Time()
    store = Store(time, lambda _now: None, lambda now: BUSY if now < 9 else PENDING)
    assert Turn(store, Told(), time.clock, timeout=300).wait(BUSY) is PENDING


def test_a_status_file_that_was_left_behind_is_not_waited_for() -> None:
    time = Time()
    store = Store(time, lambda _now: at(1, 5), lambda _now: DONE)
    assert Turn(store, Told(), time.clock, timeout=300).wait(PENDING) is PENDING
    assert 30 <= time.now < 35


def test_a_host_that_does_not_answer_is_asked_by_the_module() -> None:
    def lost(_now: float) -> Snapshot | None:
        raise Lost

    time = Time()
    assert Turn(Store(time, lost, lambda _now: DONE), Told(), time.clock, timeout=300).wait(BUSY) is DONE


def test_a_failure_of_another_kind_ends_the_waiting() -> None:
    time = Time()
    refused = {"failed": True, "failure": {"kind": "no_space"}}
    store = Store(time, lambda _now: None, lambda _now: refused)
    assert Turn(store, Told(), time.clock, timeout=300).wait(BUSY) is refused
