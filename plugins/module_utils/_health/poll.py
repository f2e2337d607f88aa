# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Poll many targets at once until each was healthy often enough, one cannot become healthy, or the time is over.

Time and threads come in from outside: the logic runs under a fake clock in tests.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Observation, Target

Clock = Callable[[], float]
Probe = Callable[[Target, float], Observation]
MAX_WORKERS = 64
WATCH_PACE = 3  # what is healthy already is looked at this many times less often


class Pool(Protocol):
    """Runs attempts beside each other."""

    def submit(self, index: int, attempt: Callable[[], Observation]) -> None:
        """Start (or queue) one attempt."""

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        """What has ended; blocks for the first one, but no longer than ``seconds``."""

    def close(self) -> None:
        """No further attempts."""


class ThreadPool:
    """A bounded number of threads. They are daemons: an attempt that hangs does not keep the process alive."""

    def __init__(self, workers: int) -> None:
        self._tasks: queue.SimpleQueue[tuple[int, Callable[[], Observation]] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers = workers
        for _number in range(workers):
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            if task is None:
                return
            index, attempt = task
            try:
                self._results.put((index, attempt()))
            except Exception as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
                self._results.put((index, error))

    def submit(self, index: int, attempt: Callable[[], Observation]) -> None:
        self._tasks.put((index, attempt))

    def wait(self, seconds: float) -> list[tuple[int, Observation]]:
        ended: list[tuple[int, Observation]] = []
        try:
            ended.append(self._checked(self._results.get(timeout=max(0.0, seconds))))
            while True:
                ended.append(self._checked(self._results.get_nowait()))
        except queue.Empty:
            return ended

    @staticmethod
    def _checked(item: tuple[int, Any]) -> tuple[int, Observation]:
        if isinstance(item[1], Exception):
            raise item[1]
        return item

    def close(self) -> None:
        for _number in range(self._workers):
            self._tasks.put(None)


@dataclass
class TargetState:
    """How far one target has come."""

    target: Target
    due: float
    attempts: int = 0
    streak: int = 0
    running: bool = False
    last: Observation | None = None
    late: bool = False
    healthy_after: float | None = None

    @property
    def healthy(self) -> bool:
        return self.healthy_after is not None

    @property
    def lost(self) -> bool:
        return not self.healthy and (self.late or (self.last is not None and self.last.final))

    def take(self, observation: Observation, *, now: float, started: float) -> None:
        """Count one attempt."""
        self.running = False
        self.attempts += 1
        self.last = observation
        self.streak = self.streak + 1 if observation.ok else 0
        self.due = now + self.target.interval * (WATCH_PACE if self.healthy else 1)
        if not observation.ok:
            self.healthy_after = None  # a container that crashes while others are waited for
        if self.streak >= self.target.successes:
            self.healthy_after = now - started if self.healthy_after is None else self.healthy_after
        elif self.target.budget is not None and now - started >= self.target.budget:
            self.late = True

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a module's result and in a release record."""
        return {
            "name": self.target.name,
            "ok": self.healthy,
            "attempts": self.attempts,
            "elapsed": None if self.healthy_after is None else round(self.healthy_after, 2),
            "last": None if self.last is None else self.last.as_dict(),
        }


@dataclass
class Report:
    """The end of polling."""

    states: list[TargetState]
    elapsed: float
    timeout: float
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        self.ok = all(state.healthy for state in self.states)

    def culprits(self) -> list[TargetState]:
        """The targets that the failure is about: those beyond hope, else all that are not healthy."""
        bad = [state for state in self.states if not state.healthy]
        return [state for state in bad if state.lost] or bad

    def as_list(self) -> list[dict[str, Any]]:
        """Every target with its last observation."""
        return [state.as_dict() for state in self.states]

    def message(self) -> str:
        """What is not healthy and what was last seen of it, one line per target."""
        culprits = self.culprits()
        waiting = [state.target.name for state in self.states if not state.healthy and state not in culprits]
        lines = [f"{len(culprits)} of {len(self.states)} health targets {self._verdict(culprits)}:"]
        for state in culprits:
            unseen = "the first attempt did not end" if state.running else "was not looked at"
            seen = state.last.summary if state.last else unseen
            streak = f" ({state.streak} of {state.target.successes} successes in a row)" if state.streak else ""
            lines.append(f"  {state.target.name}: {seen}{streak}")
        if waiting:
            lines.append(f"  not waited for any longer: {', '.join(waiting)}")
        return "\n".join(lines)

    def _verdict(self, culprits: Sequence[TargetState]) -> str:
        if any(state.lost and not state.late for state in culprits):
            return f"cannot become healthy, seen after {self.elapsed:.0f} s"
        budgets = [state.target.budget for state in culprits if state.late and state.target.budget]
        return f"did not become healthy within {min([self.timeout, *budgets]):g} s"

    def error(self) -> DrydockError:
        """The failure of a run that needed all targets."""
        bad = [state.as_dict() for state in self.states if not state.healthy]
        return DrydockError("unhealthy", self.message(), targets=bad)


def poll(
    targets: Sequence[Target], probe: Probe, *, timeout: float, clock: Clock, pool: Pool, delay: float = 0.0
) -> Report:
    """Poll until all are healthy, one is lost (every other one has then been seen at least once), or time is over.

    :param timeout: seconds for everything, the delay included.
    :param delay: seconds before the first attempt.
    """
    started = clock()
    deadline = started + timeout
    states = [TargetState(target=target, due=started + delay) for target in targets]
    while True:
        now = clock()
        if now >= deadline or all(state.healthy for state in states) or _hopeless(states):
            break
        for index, state in enumerate(states):
            if _idle(state) and state.due <= now:
                state.running = True
                pool.submit(index, _attempt(state.target, probe, deadline=deadline, clock=clock))
        upcoming = [state.due for state in states if _idle(state)]
        for index, observation in pool.wait(min([deadline, *upcoming]) - now):
            states[index].take(observation, now=clock(), started=started)
    pool.close()
    return Report(states=states, elapsed=clock() - started, timeout=timeout)


def _idle(state: TargetState) -> bool:
    return not (state.running or state.lost or (state.healthy and not state.target.watched))


def _hopeless(states: Sequence[TargetState]) -> bool:
    return any(state.lost for state in states) and all(state.attempts for state in states)


def _attempt(target: Target, probe: Probe, *, deadline: float, clock: Clock) -> Callable[[], Observation]:
    def attempt() -> Observation:
        return probe(target, max(0.1, min(target.timeout, deadline - clock())))

    return attempt


def workers_for(targets: int) -> int:
    """How many threads a number of targets gets."""
    return max(1, min(targets, MAX_WORKERS))
