# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Poll many targets at once until each was healthy often enough, one cannot become healthy, or the time is over.

Time, threads and chance come in from outside: the logic runs under a fake clock in tests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable, Union

from ansible_collections.drydock.serving.plugins.module_utils._health.parking import Parked
from ansible_collections.drydock.serving.plugins.module_utils._health.pool import (
    MAX_WORKERS,
    Pool,
    Step,
    ThreadPool,
    workers_for,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.report import Report
from ansible_collections.drydock.serving.plugins.module_utils._health.state import TargetState
from ansible_collections.drydock.serving.plugins.module_utils._health.target import PHASES, Observation, Target

__all__ = [
    "MAX_WORKERS",
    "Clock",
    "Pool",
    "Probe",
    "Report",
    "TargetState",
    "ThreadPool",
    "nobody_looks",
    "poll",
    "workers_for",
]

Clock = Callable[[], float]
Probe = Callable[[Target, float], Union[Observation, Parked]]
SHORTEST = 0.1  # seconds an attempt gets even at the very end
TOLD = 1.0  # seconds after which whoever looks on is told again, also where all attempts take their time


def _even() -> float:
    return 0.5


def nobody_looks(_states: Sequence[TargetState], _seconds: float) -> None:
    """For whoever only waits for the end."""


def poll(
    targets: Sequence[Target],
    probe: Probe,
    *,
    timeout: float,
    clock: Clock,
    pool: Pool,
    delay: float = 0.0,
    budgets: Mapping[str, float] | None = None,
    jitter: float = 0.0,
    chance: Callable[[], float] = _even,
    on_look: Callable[[Sequence[TargetState], float], None] = nobody_looks,
) -> Report:
    """Poll until all are healthy, one is lost (every other one has then been seen at least once), or time is over.

    :param timeout: seconds for everything, the delay included.
    :param delay: seconds before the first attempt.
    :param budgets: seconds that a phase may last from the moment when the earlier ones were passed.
    :param jitter: every pause is longer or shorter by up to this part of it.
    :param chance: a number from 0 to 1, another one each time.
    :param on_look: told how far the targets are, and after how many seconds; once a second at least.
    """
    started = clock()
    deadline = started + timeout
    budgets = dict(budgets or {})
    states = [TargetState(target=target, due=started + delay) for target in targets]
    while True:
        now = clock()
        _open_phases(states, budgets, now=now, started=started, delay=delay)
        for state in states:
            state.expire(now)
        if now >= deadline or all(state.healthy for state in states) or _hopeless(states):
            break
        due = [index for index, state in enumerate(states) if state.idle and state.due <= now]
        for index in due:
            states[index].running = True
            pool.submit(index, _attempt(states[index], probe, deadline=deadline, clock=clock))
        for index, observation in pool.wait(min(TOLD, _next(states, deadline) - now)):
            state, spread = states[index], jitter * (2 * chance() - 1)
            if _cut_short(state, observation, now=clock(), deadline=deadline):
                state.drop()
            else:
                state.take(observation, now=clock(), started=started, spread=spread)
        on_look(states, clock() - started)
    pool.close()
    return Report(states=states, elapsed=clock() - started, timeout=timeout, budgets=budgets)


def _open_phases(
    states: Sequence[TargetState], budgets: Mapping[str, float], *, now: float, started: float, delay: float
) -> None:
    """Let each group's targets of the next phase be looked at, where all of its earlier phases are passed."""
    closed = [state for state in states if state.opened is None]
    if not closed:
        return  # most of the time, and there may be hundreds
    reached: dict[str, int] = {}
    for state in states:
        if not state.healthy:
            rank = PHASES.index(state.target.phase)
            reached[state.target.group] = min(rank, reached.get(state.target.group, rank))
    for state in closed:
        if PHASES.index(state.target.phase) <= reached.get(state.target.group, -1):
            begins = max(now, started + delay)
            state.open(begins, started=started, budget=budgets.get(state.target.phase))


def _next(states: Sequence[TargetState], deadline: float) -> float:
    """When there is something to do at the latest."""
    due = [state.due for state in states if state.idle]
    ends = [state.expires for state in states if state.expires is not None and not (state.healthy or state.lost)]
    return min([deadline, *due, *ends])


def _cut_short(state: TargetState, seen: Observation, *, now: float, deadline: float) -> bool:
    """Whether it failed as there was no more time for it. What was seen before says more about the target."""
    ends = deadline if state.expires is None else min(deadline, state.expires)
    failed = not (seen.ok or seen.final or state.healthy)
    return failed and state.last is not None and now >= ends - SHORTEST


def _hopeless(states: Sequence[TargetState]) -> bool:
    lost = any(state.lost for state in states)
    return lost and all(state.attempts or state.opened is None or state.late for state in states)


def _attempt(state: TargetState, probe: Probe, *, deadline: float, clock: Clock) -> Step:
    target = state.target
    # a container that is only watched any more has all the time that is left
    ends = deadline if state.healthy or state.expires is None else min(deadline, state.expires)

    def attempt() -> Observation | Parked:
        return probe(target, max(SHORTEST, min(target.timeout, ends - clock())))

    return attempt
