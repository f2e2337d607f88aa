# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service is told by its environment.

======================  ==========================================================================================
``ECHO_RELEASE``        the label that every answer carries
``ECHO_PORT``           where to listen (8000)
``ECHO_GRACE``          seconds that open requests get after the stop signal (25)
``ECHO_FAULTS``         ``never_ready,crash_at_start,crash_later=5,wrong_golden,slow_start=10,error_rate=0.1``
``ECHO_QUEUE_HOST``     Redis, for tasks; none: tasks are refused
``ECHO_QUEUE_SECRET``   the file with Redis' password (/run/secrets/redis_password)
======================  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Faults:
    """How to misbehave. Durations in seconds.

    :param crash_later: end with status 3 that long after the start; none: never.
    :param slow_start: do not listen before.
    :param error_rate: the share of ``/v1/echo`` that is answered with 500, from 0 to 1.
    """

    never_ready: bool = False
    crash_at_start: bool = False
    wrong_golden: bool = False
    crash_later: float | None = None
    slow_start: float = 0.0
    error_rate: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read ``name`` and ``name=number``, separated by commas; ValueError for what is neither."""
        flags, numbers = ("never_ready", "crash_at_start", "wrong_golden"), ("crash_later", "slow_start", "error_rate")
        found: dict[str, bool | float] = {}
        for word in filter(None, (each.strip() for each in text.split(","))):
            name, equals, value = word.partition("=")
            if name in flags and not equals:
                found[name] = True
            elif name in numbers and equals:
                found[name] = float(value)
            else:
                known = ", ".join([*flags, *(f"{each}=NUMBER" for each in numbers)])
                raise ValueError(f"ECHO_FAULTS: {word!r} is no fault; known are {known}")
        return cls(**found)  # type: ignore[arg-type]  # the names decide the types, just above


@dataclass(frozen=True)
class Settings:
    """Everything the service is told."""

    release: str = "unnamed"
    host: str = "0.0.0.0"  # noqa: S104 - in a container; what is reachable is decided outside
    port: int = 8000
    grace: float = 25.0
    queue_host: str = ""
    queue_secret: Path = Path("/run/secrets/redis_password")
    faults: Faults = Faults()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read ``ECHO_*``."""
        given = {name: environment.get(f"ECHO_{name}", "") for name in ("RELEASE", "HOST", "PORT", "GRACE")}
        return cls(
            release=given["RELEASE"] or cls.release,
            host=given["HOST"] or cls.host,
            port=int(given["PORT"] or cls.port),
            grace=float(given["GRACE"] or cls.grace),
            queue_host=environment.get("ECHO_QUEUE_HOST", ""),
            queue_secret=Path(environment.get("ECHO_QUEUE_SECRET") or cls.queue_secret),
            faults=Faults.parse(environment.get("ECHO_FAULTS", "")),
        )
