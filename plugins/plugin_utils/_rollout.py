# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the hosts of a rollout have come, from what the release told of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

RESULT = "stack_released"  # what the role stack registers
GIVEN_UP = "stack_given_up"
WENT_BACK = "stack_went_back"

DONE = "done"  # serves what is wanted
READY = "ready"  # waits to be switched
FAILED = "failed"
SILENT = "silent"  # nothing was heard: not reached, or the connection was lost
UNKNOWN = "unknown"
LONGEST = 160  # characters of a message in the table
Told = Mapping[str, Any]


@dataclass(frozen=True)
class HostState:
    """One host of a rollout. ``release`` is what serves there, as far as it was told."""

    name: str
    state: str
    release: str | None
    said: str

    def line(self, width: int) -> str:
        release = UNKNOWN if self.state == SILENT else self.release or "none"
        return f"{self.name:<{width}}  {release:<25}  {self.said}".rstrip()


def rollout(names: Sequence[str], hostvars: Mapping[str, Any]) -> dict[str, Any]:
    """Where a rollout stands.

    :param names: the hosts that belong to it, in order.
    :param hostvars: Ansible's variable of that name.
    :raises DrydockError: ``invalid_input``.
    """
    if isinstance(names, (str, Mapping)) or not isinstance(names, Iterable):
        raise DrydockError("invalid_input", f"rollout expects a list of host names, found {type(names).__name__}.")
    told = {name: _told(name, hostvars) for name in names}  # Ansible gathers a host's variables anew for each look
    found = [_state(name, *told[name]) for name in names]
    width = max([len(item.name) for item in found], default=0)
    by = {state: [item.name for item in found if item.state == state] for state in (DONE, READY, FAILED, SILENT)}
    return {
        **by,
        "switched": [item.name for item in found if item.state == DONE and _switched(told[item.name][0] or {})],
        "behind": by[FAILED] + by[SILENT],
        "cause": _cause(found),
        "table": [item.line(width) for item in found],
    }


def _told(name: str, hostvars: Mapping[str, Any]) -> tuple[Told | None, Told | None, Told | None]:
    """What the release told, then the giving up and the going back; None for what was not asked for."""
    own = hostvars[name] if name in hostvars else {}  # noqa: SIM401 - Ansible's own has no default
    found = [own.get(which) for which in (RESULT, GIVEN_UP, WENT_BACK)]
    told, given_up, back = (item if isinstance(item, Mapping) and not item.get("skipped") else None for item in found)
    return told, given_up, back


def _state(name: str, told: Told | None, given_up: Told | None, back: Told | None) -> HostState:
    if told is None or told.get("unreachable"):
        return HostState(name, SILENT, None, "no answer: serves what it served, or what it was last told to")
    release = _release(told)
    if back is not None:
        return _went_back(name, release, back)
    if told.get("failed"):
        serves, said = _switched(told), _short(told.get("msg"))
        words = "serves, but is not finished" if serves else "failed"
        return HostState(name, DONE if serves else FAILED, release, f"{words}: {said}")
    ready = told.get("prepared")
    if ready and given_up is not None:
        failed = given_up.get("failed") or given_up.get("unreachable")
        said = f"could not give up {ready}: {_short(given_up.get('msg'))}" if failed else f"gave up {ready}"
        return HostState(name, FAILED if failed else READY, release, said)
    if ready:
        return HostState(name, READY, release, f"{ready} is ready and not switched")
    return HostState(name, DONE, release, _done(told))


def _done(told: Told) -> str:
    if not told.get("changed"):
        return "as it was"
    left, back_to = told.get("rolled_back_from"), told.get("rolled_back_to")
    if not back_to:
        return "changed"
    made = told.get("release")
    return f"{left} -> {back_to}{' (would be)' if made == left else f', as {made}'}"


def _release(told: Told) -> str | None:
    """What serves there, as far as it was told: a run that broke off tells nothing."""
    if "release" not in told or _kind(told) == "interrupted":
        return UNKNOWN
    return str(told["release"]) if told["release"] else None


def _kind(told: Told) -> str | None:
    """Why it failed."""
    failure = told.get("failure")
    return str(failure.get("kind")) if isinstance(failure, Mapping) else None


def _went_back(name: str, release: str | None, back: Told) -> HostState:
    if back.get("failed") or back.get("unreachable"):
        return HostState(name, FAILED, release, f"could not go back: {_short(back.get('msg'))}")
    return HostState(name, READY, back.get("release") or None, f"went back from {release}")


def _switched(told: Told) -> bool:
    """Whether this run led the host to another release, which serves there, also where it failed after that."""
    if told.get("failed") and (
        _kind(told) == "probation_failed" or told.get("release") in (None, told.get("previous"))
    ):
        return False
    return bool(told.get("changed")) and told.get("kind") == "release"


def _cause(found: Iterable[HostState]) -> str:
    """Why a rollout does not go on, in one line: the first host that failed, else the first that was not heard of."""
    for state in (FAILED, SILENT):
        for item in found:
            if item.state == state:
                return f"{item.name}: {item.said.removeprefix('failed: ')}"
    return ""


def _short(text: Any) -> str:
    line = " ".join(str(text or "").split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
