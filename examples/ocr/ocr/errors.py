# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two kinds of failure: the service cannot start, or one request cannot be served."""

from __future__ import annotations

from typing import Any

EX_CONFIG = 78  # sysexits.h: something is wrong in the configuration; starting again does not help


class CannotStartError(Exception):
    """The service must not start; the message says what is wrong and what to do. Ends the process with EX_CONFIG."""


class ServiceError(Exception):
    """One request cannot be served.

    :param kind: a word from a closed list that programs can act on.
    :param message: a sentence for people, without secrets.
    :param status: the HTTP status it becomes.
    :param details: further values for the answer, JSON-compatible.
    """

    def __init__(self, kind: str, message: str, *, status: int, **details: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.details = details

    def as_dict(self) -> dict[str, Any]:
        """The body of the answer."""
        return {"error": {"kind": self.kind, "message": self.message, **self.details}}


class StoreUnavailableError(ServiceError):
    """PostgreSQL does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "database_unavailable",
            "The result could not be stored or read because the database does not answer. Try again in a moment.",
            status=503,
        )
        self.reason = reason


class QueueUnavailableError(ServiceError):
    """Redis does not answer."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            "queue_unavailable",
            "The job could not be queued because the queue does not answer. Try again in a moment.",
            status=503,
        )
        self.reason = reason
