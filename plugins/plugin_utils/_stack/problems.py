# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Violations, collected so that an operator sees all of them at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problems:
    """What is wrong, each with the path of the value it is about."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], None] = {}  # each once, in order

    def add(self, path: str, message: str) -> None:
        self._found[path, message] = None

    def reported(self, path: str) -> bool:
        """Whether something is known to be wrong with this very value already."""
        return any(found == path for found, _message in self._found)

    def __len__(self) -> int:
        return len(self._found)

    def lines(self) -> list[str]:
        """``path: message``, in the order they were found."""
        return [f"{path}: {message}" for path, message in self._found]


class StackError(ValueError):
    """The operator's input cannot be deployed. ``violations`` holds one line for each problem."""

    def __init__(self, violations: list[str]) -> None:
        self.violations = violations
        count = "1 problem" if len(violations) == 1 else f"{len(violations)} problems"
        super().__init__(f"The stack has {count}; nothing was touched:\n" + "\n".join(violations))


def suggestion(found: str, allowed: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` where something allowed is close to what was written, else nothing."""
    close = difflib.get_close_matches(found, sorted(allowed), n=1, cutoff=0.6)
    return f" Did you mean '{close[0]}'?" if close else ""


def listed(names: Iterable[str]) -> str:
    """Names for a message."""
    return ", ".join(sorted(names)) or "none"
