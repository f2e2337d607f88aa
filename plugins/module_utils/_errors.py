# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one base error. Everything below a module raises it; the module's ``main`` turns it into ``fail_json`` once."""

from __future__ import annotations

from typing import Any


class DrydockError(Exception):
    """A failure an operator can act on.

    :param kind: a word from the closed list of the module that reports it (``no_space``, ``checksum_mismatch``, ...).
    :param message: what happened, what was expected, what was found, the likely cause and the next step; no secret.
    :param details: machine-readable facts that go into ``failure`` beside ``kind``.
    """

    def __init__(self, kind: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.details = details

    def as_result(self) -> dict[str, Any]:
        """The keyword arguments for ``fail_json``."""
        return {"msg": self.message, "failure": {"kind": self.kind, **self.details}}
