# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far polling is, in a few words for a line of progress. Nothing that a target has answered is in them."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.drydock.serving.plugins.module_utils._health.state import TargetState
from ansible_collections.drydock.serving.plugins.module_utils._health.target import Target

SHOWN = 5  # targets that are named


def waits_for(states: Sequence[TargetState], seconds: float, limit: float) -> str:
    """Such as ``1 of 3 healthy, waits for api, worker: 12 s of 300 s``; empty when all are healthy.

    :param seconds: since polling began.
    :param limit: seconds for everything.
    """
    waiting = [state for state in states if not state.healthy]
    if not waiting:
        return ""
    names = list(dict.fromkeys(_named(state) for state in waiting))
    more = [f"{len(names) - SHOWN} more"] if len(names) > SHOWN else []
    budgets = [state.target.budget for state in waiting if state.target.budget]
    ends = min([limit, max(budgets)]) if len(budgets) == len(waiting) else limit
    listed = ", ".join([*names[:SHOWN], *more])
    done = len(states) - len(waiting)
    return f"{done} of {len(states)} healthy, waits for {listed}: {seconds:.0f} s of {ends:g} s"


def _named(state: TargetState) -> str:
    """A target's name, and its phase where that says something. Targets of a release have their path in the name."""
    name = state.target.name.partition(" http")[0]
    return name if state.target.phase == Target.phase else f"{name} ({state.target.phase})"
