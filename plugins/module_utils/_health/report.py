# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of polling: what is healthy, what is not and why, and what happened when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.state import TargetState
from ansible_collections.drydock.serving.plugins.module_utils._health.target import PHASES, Target

LINES = 100  # targets that a message tells one by one; the result tells all
TIMELINE = 1000  # entries


@dataclass
class Report:
    """The end of polling. ``budgets``: seconds by phase."""

    states: list[TargetState]
    elapsed: float
    timeout: float
    budgets: Mapping[str, float] = field(default_factory=dict)
    ok: bool = field(init=False)

    def __post_init__(self) -> None:
        self.ok = all(state.healthy for state in self.states)

    @property
    def phased(self) -> bool:
        """Whether phases are in use; a target of which nothing is said is in the phase ready."""
        return bool(self.budgets) or any(state.target.phase != Target.phase for state in self.states)

    def culprits(self) -> list[TargetState]:
        """The targets that the failure is about: those beyond hope, else all in a phase that began and is not over."""
        bad = [state for state in self.states if not state.healthy]
        return [state for state in bad if state.lost] or [state for state in bad if state.opened is not None] or bad

    def as_list(self) -> list[dict[str, Any]]:
        """Every target with its last observation."""
        return [state.as_dict() for state in self.states]

    def timeline(self) -> tuple[list[dict[str, Any]], int]:
        """What changed, in order, with the seconds since polling began; and how many changes are left out."""
        found: list[dict[str, Any]] = [
            {
                "at": round(at, 2),
                "target": state.target.name,
                "phase": state.target.phase,
                "ok": seen.ok,
                "summary": seen.summary,
            }
            for state in self.states
            for at, seen in state.history.changes()
        ]
        found.sort(key=lambda change: (change["at"], PHASES.index(change["phase"])))
        left_out = sum(state.history.left_out for state in self.states) + max(0, len(found) - TIMELINE)
        if len(found) > TIMELINE:
            found = found[: TIMELINE // 2] + found[-TIMELINE // 2 :]
        return found, left_out

    def message(self) -> str:
        """What is not healthy and what was last seen of it, one line per target."""
        culprits = self.culprits()
        others = [state for state in self.states if not state.healthy and state not in culprits]
        lines = [f"{len(culprits)} of {len(self.states)} health targets {self._verdict(culprits)}:"]
        seen = [f"  {self._named(state)}: {_seen(state)}" for state in culprits]
        begun = [state for state in others if state.opened is not None]
        seen += [f"  {self._named(state)}, not waited for any longer: {_seen(state)}" for state in begun]
        lines += seen[:LINES]
        if len(seen) > LINES:
            lines.append(f"  and {len(seen) - LINES} more, which the result tells")
        blocked = [self._named(state) for state in others if state.opened is None]
        if blocked:
            more = [f"and {len(blocked) - LINES} more"] if len(blocked) > LINES else []
            named = ", ".join([*blocked[:LINES], *more])
            lines.append(f"  not looked at, as an earlier phase was not passed: {named}")
        return "\n".join(lines)

    def _named(self, state: TargetState) -> str:
        return f"{state.target.name} (phase {state.target.phase})" if self.phased else state.target.name

    def _verdict(self, culprits: Sequence[TargetState]) -> str:
        if any(state.lost and not state.late for state in culprits):
            return f"cannot become healthy, seen after {self.elapsed:.0f} s"
        late = [state for state in culprits if state.late]
        phases = {state.target.phase: self.budgets[state.target.phase] for state in late if self._of_phase(state)}
        if phases:
            spent = " or ".join(f"the {seconds:g} s of the phase {phase}" for phase, seconds in phases.items())
            return f"did not become healthy within {spent}"
        spans = {state.target.phase: state.target.span for state in late if _of_span(state)}
        if spans:
            spent = " or ".join(f"the {seconds:g} s of the phase {phase}" for phase, seconds in spans.items())
            return f"did not become healthy within {spent}"
        budgets = [state.target.budget for state in late if state.target.budget]
        return f"did not become healthy within {min([self.timeout, *budgets]):g} s"

    def _of_phase(self, state: TargetState) -> bool:
        """Whether the phase's budget ended it, and not its own."""
        budget = self.budgets.get(state.target.phase)
        return budget is not None and state.opened is not None and state.expires == state.opened + budget

    def error(self) -> DrydockError:
        """The failure of a run that needed all targets."""
        bad = [state.as_dict() for state in self.states if not state.healthy]
        return DrydockError("unhealthy", self.message(), targets=bad)


def _of_span(state: TargetState) -> bool:
    """Whether the time that it has in its phase ended it."""
    span = state.target.span
    return span is not None and state.opened is not None and state.expires == state.opened + span


def _seen(state: TargetState) -> str:
    unseen = "the first attempt did not end" if state.running else "was not looked at"
    seen = state.last.summary if state.last else unseen
    return seen + (f" ({state.streak} of {state.target.successes} successes in a row)" if state.streak else "")
