# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Close the edge for maintenance and open it again, under the lease that releases take."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import log
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import (
    MAINTENANCE,
    RETRY_AFTER,
    Closed,
    read_note,
    unsettled,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.lines import working
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack


@dataclass(frozen=True)
class Order:
    """Whether it shall be on, for whom and why. ``retry_after`` in seconds; without one it stays what it is."""

    on: bool
    actor: str
    where: str
    reason: str = ""
    retry_after: int | None = None

    @property
    def what(self) -> str:
        return f"maintenance {'on' if self.on else 'off'}"


def maintain(
    stack: Stack, order: Order, host: Host, *, say: Callable[[str], None], warn: Callable[[str], None]
) -> None:
    """Bring the edge to what is wanted; one that is so already is left alone.

    :raises DrydockError: ``not_permitted``, ``not_released``, ``locked``, ``edge_missing``, ``edge_invalid``,
        ``edge_failed``, ``state_unreadable``.
    """
    require(stack, order.what)
    owner = {
        "actor": order.actor,
        "host": order.where,
        "since": host.now(),
        "reason": order.reason,
        "doing": order.what,
    }
    with lease(stack.layout, owner) as held, host.progress.shown(stack.layout.job, {}):
        before = read_note(stack.layout).causes.get(MAINTENANCE)
        wanted = _wanted(order, before, host.now()) if order.on else None
        if wanted == before and not unsettled(stack.layout):
            say(f"Nothing to do: {_state(before)}.")
            return
        tell = working(say, held, host.progress)
        tell(
            "closing the edge: nginx reads its files anew"
            if order.on
            else "opening the edge: nginx reads its files anew"
        )
        _become(stack, before, wanted, host)
        _log(stack, order, host, warn)
        say(f"Done: {_state(wanted)}.")


def require(stack: Stack, what: str) -> None:
    """Only root changes a stack, and only one that is there.

    :raises DrydockError: ``not_permitted``, ``not_released``.
    """
    layout = stack.layout
    places = (layout.state, layout.upstreams.parent)
    closed = [
        path for path in (layout.state, layout.upstreams.parent) if path.is_dir() and not os.access(path, os.W_OK)
    ]
    if closed:
        raise DrydockError(
            "not_permitted",
            f"{closed[0]} cannot be written by this user. Run it as root: `sudo {stack.name} {what}`.",
        )
    if not all(path.is_dir() for path in places):
        raise DrydockError(
            "not_released", f"Nothing was released here yet: {layout.state} is not there. Nothing was done."
        )


def _wanted(order: Order, before: Closed | None, now: str) -> Closed:
    """Ordered again, it is on since the first time; only what was said anew is another."""
    fresh = Closed(cause=MAINTENANCE, since=now, by=order.actor, reason=order.reason)
    closed = fresh if before is None else replace(before, reason=order.reason or before.reason)
    usual = closed.retry_after if before else RETRY_AFTER
    return replace(closed, retry_after=usual if order.retry_after is None else order.retry_after)


def _become(stack: Stack, before: Closed | None, wanted: Closed | None, host: Host) -> None:
    gate = host.gate(stack.layout)
    if wanted is None:
        gate.open(MAINTENANCE)
    elif not gate.close(wanted):
        gate.close(before) if before else gate.open(MAINTENANCE)
        raise DrydockError(
            "edge_missing",
            f"nginx does not run on this host, or it does not read {stack.layout.gate}, so clients would not be told. "
            "Nothing was changed. Look at `systemctl status nginx`; a run of the tag `edge` has nginx read that file.",
        )


def _state(closed: Closed | None) -> str:
    if closed is None:
        return "maintenance is off, requests are let through"
    return f"maintenance is on {closed.said}; every request is answered 503, Retry-After {closed.retry_after} s"


def _log(stack: Stack, order: Order, host: Host, warn: Callable[[str], None]) -> None:
    entry = log.note_of(
        stack.layout,
        stack=stack.name,
        at=host.now(),
        actor=order.actor,
        reason=order.reason,
        outcome=log.MAINTENANCE_ON if order.on else log.MAINTENANCE_OFF,
    )
    log.append_or_warn(stack.layout, entry, warn)


def sentence(layout: Layout) -> str:
    """The state for people."""
    text = _state(read_note(layout).causes.get(MAINTENANCE))
    return f"{text[0].upper()}{text[1:]}."
