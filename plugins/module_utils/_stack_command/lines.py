# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a verb is, in lines for whoever waits for it. That a step begins is said by who takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress

SILENCE = 10.0  # seconds after which another line is due
WORTH = 1.0  # seconds that a step takes before its end is worth a line


class Lines:
    """Listens to the progress of a run: a line every ten seconds, and one for the end of a step that took a while.

    :param clock: seconds that never jump.
    """

    def __init__(self, say: Callable[[str], None], *, clock: Callable[[], float]) -> None:
        self._say, self._clock = say, clock
        self._step, self._begun, self._said = "", clock(), clock()

    def __call__(self, now: Mapping[str, Any]) -> None:
        if now["step"] != self._step:
            self.end()
            self._step, self._begun, self._said = str(now["step"]), self._clock(), self._clock()
        elif self._step and self._clock() - self._said >= SILENCE:
            self._said = self._clock()
            waits = f": {now['waiting_for']}" if now["waiting_for"] else ""
            self._say(f"{self._step} for {self._said - self._begun:.0f} s{waits}")

    def end(self) -> None:
        """The step is over."""
        taken = self._clock() - self._begun
        if self._step and taken >= WORTH:
            self._say(f"{self._step}: {taken:.1f} s")


def working(say: Callable[[str], None], held: Lease, progress: Progress) -> Callable[[str], None]:
    """Tells what is begun: whoever waits, whoever finds the stack taken, and the progress."""

    def tell(text: str) -> None:
        held.doing(text)
        say(text)
        progress.step(text, 0, 0)

    return tell
