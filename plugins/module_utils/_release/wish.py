# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is asked for: from the controller, or from what lies on the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record


@dataclass(frozen=True)
class Back:
    """A release that goes back to an earlier one. ``left``: the release that it leaves."""

    to: Record
    left: Record

    def as_dict(self) -> dict[str, str]:
        return {"rolled_back_to": self.to.identity, "rolled_back_from": self.left.identity}


@dataclass(frozen=True)
class Wanted:
    """One wanted state, with values for its secrets.

    :param back: not None: this goes back, so nothing is migrated and nobody judges it afterwards.
    """

    desired: Desired
    given: Mapping[str, str] = field(default_factory=dict, repr=False)
    back: Back | None = None


# Asked under the lease, when what a killed run has left is settled: what serves may be another release than before.
Wish = Callable[[], Wanted]
