# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a container of a failed release ended, as far as the engine knows. Pure.

A container that is started again forgets how it ended, so the engine's events are read besides its state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._health.container import EXIT_HINTS
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._release.events import Event, of_container

MIB = 1024 * 1024
# Of the kernel; and of a shell, to which such a program is given then, and which takes it for a script.
WRONG_FORMAT = ("exec format error", "\x7felf")


@dataclass(frozen=True)
class Ending:
    """One container that did not stay. ``memory`` is its limit in bytes; 0: it has none."""

    service: str
    container: str
    state: str
    exit_code: int | None
    oom_killed: bool
    restarts: int
    memory: int = 0
    error: str = ""
    wrong_format: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def said(self) -> str:
        """One sentence, which is the first line of a failure."""
        again = f", {self.restarts} restarts" if self.restarts > 1 else ", 1 restart" if self.restarts else ""
        where = f"(container {self.container}{again})"
        if self.oom_killed:
            limit = f"its limit is {self.memory // MIB} MiB" if self.memory else "it has none, the host ran out"
            return f"The service {self.service} was killed for memory: {limit} {where}."
        if self.wrong_format:
            return (
                f"The service {self.service} cannot run on this host: its program is for another kind of processor "
                f"{where}."
            )
        hint = EXIT_HINTS.get(self.exit_code or 0)
        told = f"{self.exit_code}" + (f", {hint}" if hint else "") + (f": {self.error}" if self.error else "")
        return f"The service {self.service} ended with exit code {told} {where}."


def ending(service: str, inspection: Mapping[str, Any], events: Sequence[Event], *, log: str = "") -> Ending | None:
    """How this container ended; None where it has not.

    :param inspection: what the engine says of it now.
    :param events: what it said before, of any container.
    :param log: the end of what the container itself said.
    """
    state: Mapping[str, Any] = inspection.get("State") or {}
    own = of_container(events, str(inspection.get("Id", "")))
    died = [event for event in own if event.action == "die"]
    oom = bool(state.get("OOMKilled")) or any(event.action == "oom" for event in own)
    ended = str(state.get("Status")) in {"exited", "dead", "restarting"}
    if not (oom or ended or died):
        return None
    code = state.get("ExitCode") if ended or not died else died[-1].exit_code
    error = excerpt(str(state.get("Error") or ""))
    return Ending(
        service=service,
        container=str(inspection.get("Name", "")).lstrip("/"),
        state=str(state.get("Status")),
        exit_code=code if isinstance(code, int) else None,
        oom_killed=oom,
        restarts=int(inspection.get("RestartCount") or 0),
        memory=int((inspection.get("HostConfig") or {}).get("Memory") or 0),
        error=error,
        wrong_format=any(words in f"{error}\n{log}".lower() for words in WRONG_FORMAT),
    )
