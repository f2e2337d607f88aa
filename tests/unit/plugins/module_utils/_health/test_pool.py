# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts beside each other: threads when they are needed, and none for those that only wait for an answer."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.pool import FEW, LOOK, ThreadPool, workers_for
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation

from tests.unit.plugins.module_utils._health.fakes import FakeClock

GOOD = Observation(ok=True, summary="fine")


def all_of(pool: ThreadPool, number: int) -> list[int]:
    """The attempts, in the order in which they ended."""
    seen: list[int] = []
    while len(seen) < number:
        ended = pool.wait(30.0)
        assert ended, "an attempt was lost"
        seen += [index for index, _observation in ended]
    return seen


def test_a_bug_in_a_probe_is_not_swallowed_by_its_thread() -> None:
    pool = ThreadPool(1)

    def broken() -> Observation:
        raise ZeroDivisionError

    pool.submit(0, broken)
    with pytest.raises(ZeroDivisionError):
        pool.wait(5.0)
    pool.close()


def test_threads_hand_back_what_they_saw_under_the_target_s_number() -> None:
    pool = ThreadPool(2)
    pool.submit(7, lambda: GOOD)
    assert pool.wait(5.0) == [(7, GOOD)]
    pool.close()


def threads_that_the_system_starts(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    start, left = threading.Thread.start, iter(range(number))

    def limited(thread: threading.Thread) -> None:
        if next(left, None) is None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_where_the_system_has_no_more_threads_for_us_targets_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    threads_that_the_system_starts(monkeypatch, threads)
    pool = ThreadPool(5)
    for number in range(5):
        pool.submit(number, lambda: GOOD)
    assert sorted(all_of(pool, 5)) == [0, 1, 2, 3, 4]
    pool.close()


@pytest.mark.parametrize(("targets", "workers"), [(0, 1), (1, 1), (10, 10), (500, 500), (5000, 512)])
def test_the_number_of_threads_is_bounded(targets: int, workers: int) -> None:
    assert workers_for(targets) == workers


class Hanging:
    """Attempts that hang until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.free = threading.Event()

    def __call__(self) -> Observation:
        self.begun.release()
        self.free.wait()
        return GOOD

    def wait_for(self, number: int) -> None:
        for _attempt in range(number):
            assert self.begun.acquire(timeout=30)


def test_hundreds_of_attempts_begin_in_few_threads_and_get_more_where_those_hang() -> None:
    clock, hanging = FakeClock(), Hanging()
    pool = ThreadPool(200, clock, spent=lambda: 0.0)
    for number in range(100):
        pool.submit(number, hanging)
    hanging.wait_for(FEW)
    assert pool.wait(0) == []
    assert not hanging.begun.acquire(blocking=False), "no further thread before some time has passed"
    for more in (16, 32, 36):
        clock.now += 2 * LOOK
        pool.wait(0)
        hanging.wait_for(more)
    hanging.free.set()
    assert sorted(all_of(pool, 100)) == list(range(100))
    pool.close()


def test_threads_that_work_get_no_others_beside_them() -> None:
    clock, hanging = FakeClock(), Hanging()
    pool = ThreadPool(200, clock, spent=lambda: clock.now * 0.9)
    for number in range(100):
        pool.submit(number, hanging)
    hanging.wait_for(FEW)
    before = threading.active_count()
    clock.now += 2 * LOOK
    pool.wait(0)
    assert threading.active_count() == before
    hanging.free.set()
    assert sorted(all_of(pool, 100)) == list(range(100))
    pool.close()


class Waits:
    """An attempt that has asked."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.data: bytes | None = None
        self.closed = threading.Event()

    def __call__(self) -> Waits:
        return self

    def fileno(self) -> int:
        return self.ours.fileno()

    def heard(self) -> bool:
        try:
            self.data = self.ours.recv(100)
        except BlockingIOError:
            return False
        return self.data != b"a ticket"

    def finish(self) -> Observation:
        return Observation(ok=self.data == b"fine", summary=str(self.data))

    def close(self) -> None:
        self.ours.close()
        self.closed.set()


FAR = 3600.0


@pytest.fixture
def waits() -> Iterator[list[Waits]]:
    made = [Waits(time.monotonic() + FAR) for _number in range(40)]
    yield made
    for one in made:
        one.ours.close()
        one.theirs.close()


def test_attempts_that_wait_for_an_answer_need_no_thread_and_go_on_when_it_comes(waits: list[Waits]) -> None:
    before = threading.active_count()
    pool = ThreadPool(len(waits))
    for number, one in enumerate(waits):
        pool.submit(number, one)
    waits[7].theirs.send(b"fine")
    assert pool.wait(30.0) == [(7, Observation(ok=True, summary="b'fine'"))]
    assert threading.active_count() - before <= FEW + 1, "and one that waits for all"
    for one in waits[:7] + waits[8:]:
        one.theirs.close()
    assert sorted([7, *all_of(pool, len(waits) - 1)]) == list(range(len(waits)))
    pool.close()


def test_what_is_no_answer_does_not_wake_an_attempt(waits: list[Waits]) -> None:
    pool = ThreadPool(2)
    pool.submit(0, waits[0])
    waits[0].theirs.send(b"a ticket")
    pool.submit(1, waits[1])
    waits[1].theirs.send(b"fine")
    assert [index for index, _seen in pool.wait(30.0)] == [1]
    waits[0].theirs.send(b"fine")
    assert [index for index, _seen in pool.wait(30.0)] == [0]
    pool.close()


def test_an_attempt_that_hears_nothing_is_over_at_its_deadline(waits: list[Waits]) -> None:
    pool = ThreadPool(2)
    waits[1].deadline = time.monotonic()
    for number in range(2):
        pool.submit(number, waits[number])
    assert pool.wait(30.0) == [(1, Observation(ok=False, summary="None"))]
    pool.close()


def test_whoever_waits_when_all_is_over_is_let_go(waits: list[Waits]) -> None:
    pool = ThreadPool(3)
    for number in range(3):
        pool.submit(number, waits[number])
    waits[2].theirs.send(b"fine")
    assert [index for index, _seen in pool.wait(30.0)] == [2]
    pool.close()
    assert all(one.closed.wait(30.0) for one in waits[:2])


def test_whoever_comes_to_wait_when_all_is_over_is_let_go_too(waits: list[Waits]) -> None:
    hanging = Hanging()

    def late() -> Waits:
        hanging()
        return waits[0]

    pool = ThreadPool(1)
    pool.submit(0, late)
    hanging.wait_for(1)
    pool.close()
    hanging.free.set()
    assert waits[0].closed.wait(30.0)


def test_attempts_that_wait_count_among_those_that_may_be_under_way(waits: list[Waits]) -> None:
    pool = ThreadPool(2)
    begun: list[int] = []
    for number in range(2):
        pool.submit(number, waits[number])
    pool.submit(2, lambda: begun.append(2) or GOOD)  # type: ignore[func-returns-value]  # notes that it began
    assert pool.wait(0) == []
    assert begun == []
    waits[0].theirs.send(b"fine")
    assert all_of(pool, 2) == [0, 2]
    pool.close()


def test_without_a_thread_to_wait_for_all_each_waits_for_itself(
    waits: list[Waits], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_that_the_system_starts(monkeypatch, 1)
    waits[0].data = b"fine"
    pool = ThreadPool(1)
    pool.submit(0, waits[0])
    assert pool.wait(30.0) == [(0, Observation(ok=True, summary="b'fine'"))]
    pool.close()


def test_nothing_begins_any_more_when_all_is_over() -> None:
    hanging, begun = Hanging(), list[int]()
    pool = ThreadPool(FEW + 1)
    for number in range(FEW):
        pool.submit(number, hanging)
    hanging.wait_for(FEW)
    pool.submit(FEW, lambda: begun.append(1) or GOOD)  # type: ignore[func-returns-value]  # as above
    pool.close()
    hanging.free.set()
    assert sorted(all_of(pool, FEW)) == list(range(FEW))
    assert begun == []
