# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a job on a host: asking at growing pauses, over lost connections, until it ends or is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R, R_co
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import duration

GROWTH = 1.4  # of the pause between two looks
FIRST_RETRY, LONGEST_RETRY = 2.0, 20.0  # seconds between tries to reach a host that was lost
STALE = 20.0  # seconds without news, after which somebody looks whether the job still lives
MISSING = 3  # looks at a job without a result file, before it counts as gone


class Lost(Exception):  # noqa: N818 - an event, not an error of this program
    """The host did not answer."""


class GivenUp(Exception):  # noqa: N818 - as above
    """The host did not answer for as long as was allowed. The job goes on there, as far as anybody knows."""


class Died(Exception):  # noqa: N818 - as above
    """The job ended without a result: killed, or its host was started anew."""


@dataclass(frozen=True)
class Look(Generic[R_co]):
    """One answer of the host."""

    status: R_co | None
    job: Literal["running", "finished", "missing"]


class Host(Protocol[R_co]):
    """The host with the job. Every method raises :class:`Lost` when it does not answer."""

    def look(self) -> Look[R_co]:
        """The status file and how the job is."""

    def alive(self) -> bool:
        """Whether a process of the job lives."""

    def result(self) -> dict[str, Any]:
        """What the module returned, once the job has finished."""

    def reconnect(self) -> None:
        """Drop what is left of the connection, so that the next question makes a new one. Does not raise."""


@dataclass(frozen=True)
class Clock:
    """``monotonic`` in seconds that never jump, ``sleep`` for some."""

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


class Watch(Generic[R]):
    """Waits for one job.

    :param kind: what it is.
    :param patience: seconds for which a host may stay silent before it is given up.
    :param on_look: called after each answer, for what has to be done once the job is under way.
    """

    def __init__(
        self,
        host: Host[R],
        kind: Kind[R],
        reporter: Reporter,
        clock: Clock,
        *,
        patience: float,
        on_look: Callable[[Look[R]], None] = lambda _look: None,
    ) -> None:
        self._host, self._kind, self._reporter, self._clock = host, kind, reporter, clock
        self._patience, self._on_look = patience, on_look
        self._lost_at: float | None = None
        self._retry = FIRST_RETRY
        self._news = -1.0
        self._news_at = clock.monotonic()
        self._missing = 0
        self._soon = LONGEST_RETRY

    def result(self) -> dict[str, Any]:
        """The module's result.

        :raises GivenUp: the host does not answer.
        :raises Died: the job ended without one.
        """
        pause, longest = self._kind.pauses
        while True:
            self._clock.sleep(min(pause, self._soon))
            pause = min(longest, pause * GROWTH)
            try:
                result = self._ask()
            except Lost as error:
                pause = self._try_again(str(error))
                continue
            self._found_again()
            if result is not None:
                return result

    def _ask(self) -> dict[str, Any] | None:
        look = self._host.look()
        self._on_look(look)
        if look.status is not None and look.job == "running":
            self._reporter.show(look.status)
        self._soon = self._end_in_sight(look.status)
        if look.job == "finished":
            return self._host.result()
        self._judge(look)
        return None

    def _judge(self, look: Look[R]) -> None:
        """:raises Died: there is no job any more."""
        self._missing = self._missing + 1 if look.job == "missing" else 0
        if self._missing >= MISSING:
            raise Died("its result file is gone")
        now, news = self._clock.monotonic(), look.status.updated if look.status is not None else 0.0
        if news != self._news:
            self._news, self._news_at = news, now
        elif now - self._news_at >= STALE:
            self._news_at = now
            if not self._host.alive() and self._host.look().job == "running":
                raise Died("its process is gone")

    def _try_again(self, why: str) -> float:
        """How long to wait before the next try. :raises GivenUp: that was long enough."""
        now = self._clock.monotonic()
        if self._lost_at is None:
            self._lost_at, self._retry = now, FIRST_RETRY
        left = self._lost_at + self._patience - now
        if left <= 0:
            raise GivenUp(why)
        self._reporter.note(
            f"does not answer; {self._kind.noun} goes on there. Trying again for {duration(left)} more. {why}".rstrip()
        )
        self._host.reconnect()
        pause, self._retry = self._retry, min(LONGEST_RETRY, self._retry * 2)
        return min(pause, left)

    def _found_again(self) -> None:
        if self._lost_at is not None:
            away = self._clock.monotonic() - self._lost_at
            self._lost_at = None
            self._news_at = self._clock.monotonic()
            self._reporter.note(f"answers again after {duration(away)}")

    def _end_in_sight(self, status: R | None) -> float:
        """Seconds after which it is worth looking, because it may be over by then."""
        if status is None or status.soon is None:
            return LONGEST_RETRY
        return max(self._kind.pauses[0], status.soon)
