# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing one host's job: in place together with the others, as lines, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Reading
from ansible_collections.drydock.serving.plugins.plugin_utils._job.rhythm import Rhythm
from ansible_collections.drydock.serving.plugins.plugin_utils._job.screen import CLEAR, drawn
from ansible_collections.drydock.serving.plugins.plugin_utils._job.shared import Shared
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean


class Reporter(Protocol):
    """What the watch tells."""

    def show(self, reading: Reading) -> None:
        """A reading of the host's status."""

    def note(self, text: str) -> None:
        """Something happened that the operator should see now."""

    def close(self) -> None:
        """The job is over, one way or the other."""


class Silent:
    """Shows nothing; what goes wrong is in the result."""

    def show(self, reading: Reading) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Lines:
    """For logs.

    :param emit: prints one line.
    :param rhythm: says when a line is due.
    """

    def __init__(
        self, host: str, emit: Callable[[str], None], *, monotonic: Callable[[], float], rhythm: Rhythm
    ) -> None:
        self._host, self._emit, self._monotonic = clean(host), emit, monotonic
        self._rhythm = rhythm
        self._last: Reading | None = None
        self._shown: Reading | None = None

    def show(self, reading: Reading) -> None:
        self._last = reading
        if self._rhythm.due(reading, self._monotonic()):
            self._print(reading)

    def note(self, text: str) -> None:
        self._emit(f"progress: [{self._host}] {clean(text)}")

    def close(self) -> None:
        """The last reading, so that a log never ends in the middle."""
        if self._last is not None and self._last != self._shown and self._rhythm.awake:
            self._print(self._last)

    def _print(self, reading: Reading) -> None:
        self._shown = reading
        self.note(reading.describe())


class Place:
    """For terminals: one line for all hosts, drawn over and over below everything else.

    :param emit: writes control sequences and text, without a new line.
    :param lines: prints what must stay, and writes the log file when there is one.
    :param width: letters that the terminal shows in one line, now.
    """

    def __init__(
        self,
        shared: Shared[Any],
        emit: Callable[[str], None],
        *,
        lines: Lines,
        log: Lines | None,
        width: Callable[[], int],
    ) -> None:
        self._shared, self._emit, self._lines, self._log, self._width = shared, emit, lines, log, width
        self._turn = 0

    def show(self, reading: Reading) -> None:
        if self._log is not None:
            self._log.show(reading)
        if self._shared.may_draw():
            self._turn += 1
            self._emit(drawn(self._shared.board(width=self._width(), turn=self._turn)))

    def note(self, text: str) -> None:
        self._emit(CLEAR)
        self._lines.note(text)

    def close(self) -> None:
        self._emit(CLEAR)
        if self._log is not None:
            self._log.close()


class Known:
    """Lets the other processes of the run know of this host besides; how it is shown is up to the one inside."""

    def __init__(self, shared: Shared[Any], inside: Reporter) -> None:
        self._shared, self._inside = shared, inside
        shared.begin()

    def show(self, reading: Reading) -> None:
        self._shared.tell(reading)
        self._inside.show(reading)

    def note(self, text: str) -> None:
        self._inside.note(text)

    def close(self) -> None:
        self._shared.leave()
        self._inside.close()


@contextmanager
def closing(reporter: Reporter) -> Iterator[Reporter]:
    """Close it in the end, but not when the run is interrupted: then the first process says what goes on."""
    try:
        yield reporter
    except KeyboardInterrupt:
        raise
    except BaseException:
        reporter.close()
        raise
    reporter.close()
