# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine says has happened to a stack's containers. It remembers its last 256 events, of all containers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.engine import STACK_LABEL
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
# Those that say something about its life. Without them the looks of health checks would be most of what is told.
ACTIONS = ("create", "start", "restart", "die", "kill", "oom", "stop", "destroy", "health_status")


@dataclass(frozen=True)
class Event:
    """One event. ``container`` is the engine's identity of it; ``at`` is in seconds since 1970."""

    at: float
    action: str
    container: str
    name: str
    exit_code: int | None = None

    @property
    def said(self) -> str:
        """One line."""
        at = datetime.fromtimestamp(self.at, tz=timezone.utc)
        code = "" if self.exit_code is None else f", exit code {self.exit_code}"
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z  {self.name}  {self.action}{code}"


def events_of(runner: Runner, stack: str, *, since: str, until: str) -> list[Event]:
    """The events of a stack's containers, oldest first. What is not an event is left out.

    :param since: and ``until``: moments of UTC such as ``2026-11-21T04:15:00Z``. The engine is asked to the end of the
        second, which it waits for.
    """
    argv = ["docker", "events", "--since", since, "--until", _end(until), "--format", "{{json .}}"]
    argv += ["--filter", "type=container", "--filter", f"label={STACK_LABEL}={stack}"]
    argv += [word for action in ACTIONS for word in ("--filter", f"event={action}")]
    done = runner.run(argv, timeout=20.0)
    found = [_event(line) for line in done.out.splitlines()] if done.ok else []
    return [event for event in found if event is not None]


def _end(moment: str) -> str:
    return (datetime.strptime(moment, FORMAT) + timedelta(seconds=1)).strftime(FORMAT)  # noqa: DTZ007  # UTC, as written


def _event(line: str) -> Event | None:
    try:
        raw = json.loads(line)
        actor: Mapping[str, Any] = raw["Actor"]
        told = actor["Attributes"]
        code = told.get("exitCode")
        return Event(
            at=int(raw["timeNano"]) / 1e9,
            action=str(raw["Action"]),
            container=str(actor["ID"]),
            name=str(told["name"]),
            exit_code=None if code is None else int(code),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def of_container(events: Sequence[Event], identity: str) -> list[Event]:
    """Those of one container, and of none that had its name before."""
    return [event for event in events if identity and event.container == identity]
