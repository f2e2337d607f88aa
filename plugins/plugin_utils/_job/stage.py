# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a release is, in words. Pure: a status file's text goes in, lines come out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean, duration, number, shortened

IDENTITY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Question:
    """A host asks for a hook to be run here. All of it but the number of the question is only the host's word."""

    identity: str
    name: str
    when: str
    phase: str
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One reading of the status file that a release keeps on its host.

    :param number: which of ``total`` steps it is.
    :param elapsed: seconds since the step began.
    :param waiting_for: what the step waits for; empty when nothing is known of that.
    """

    step: str = ""
    number: int = 0
    total: int = 0
    elapsed: float = 0.0
    waiting_for: str = ""
    pid: int = 0
    updated: float = 0.0
    question: Question | None = None

    @property
    def working(self) -> bool:
        """It has the stack, or there would be no status."""
        return bool(self.step)

    @property
    def soon(self) -> float | None:
        """Nobody knows when it is over."""
        return None

    @property
    def tenths(self) -> int:
        """Steps say more."""
        return 0

    @property
    def landmark(self) -> tuple[str, ...]:
        """Another step, or a hook to be run here."""
        return (self.step, self.question.identity if self.question else "")

    def describe(self) -> str:
        """Such as ``healthy (10 of 23) for 12 s: 1 of 3 healthy, waits for api, worker: 12 s of 300 s``."""
        if not self.step:
            return "starts"
        text = f"{self.step} ({self.number} of {self.total})" if self.number else self.step
        if self.elapsed >= 1:
            text += f" for {duration(self.elapsed)}"
        doing = f"the hook {self.question.name} on the controller" if self.question else self.waiting_for
        return f"{text}: {doing}" if doing else text

    def stored(self) -> dict[str, Any]:
        """As :func:`parse` reads it, without what only the process that follows needs."""
        return {**asdict(self), "question": None}


def parse(text: str) -> Stage | None:
    """Read a status file; ``None`` when there is none or it is not one. Nothing of it reaches a terminal unclean."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, Mapping) or not isinstance(found.get("step"), str):
        return None
    return Stage(
        step=clean(found["step"]),
        number=int(number(found.get("number"))),
        total=int(number(found.get("total"))),
        elapsed=number(found.get("elapsed")),
        waiting_for=clean(found.get("waiting_for") or ""),
        pid=int(number(found.get("pid"))),
        updated=number(found.get("updated")),
        question=_question(found.get("question")),
    )


def _question(found: Any) -> Question | None:
    if not isinstance(found, Mapping) or not IDENTITY.fullmatch(str(found.get("id"))):
        return None
    hook, record = found.get("hook"), found.get("record")
    if not isinstance(hook, Mapping):
        return None
    return Question(
        identity=str(found["id"]),
        name=clean(hook.get("name") or ""),
        when=clean(hook.get("when") or ""),
        phase=clean(hook.get("phase") or ""),
        record=record if isinstance(record, Mapping) else {},
    )


def board(hosts: Mapping[str, Stage], *, width: int, turn: int = 0) -> str:
    """All hosts on one line of at most ``width`` letters; of many each only its step.

    :param turn: which host comes first; counting it up shows all in turn.
    """
    if not hosts:
        return ""
    if len(hosts) == 1:
        ((name, only),) = hosts.items()
        return shortened(f"{name}: {only.describe()}", width)
    names = sorted(hosts)
    first = turn % len(names)
    line = f"{len(names)} hosts"
    for name in names[first:] + names[:first]:
        stage = hosts[name]
        more = f"{line} | {name} {stage.step or 'starts'} {duration(stage.elapsed)}"
        if len(more) > width:
            break
        line = more
    return shortened(line, width)
