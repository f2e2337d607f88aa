# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart containers of the release that serves, under the lease that releases take."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import load_requests
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release import log
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    current_record,
    read_journal,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import services as services_of
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

STOP_EXTRA = 120.0  # seconds that the engine may take to stop a container, on top of the wait for its health


@dataclass(frozen=True)
class Host:
    """Everything outside: programs, time, the terminal."""

    runner: Runner
    engine: Engine
    waiter: Waiter
    now: Callable[[], str]
    clock: Callable[[], float]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True)
class Order:
    """What to restart, for whom and why.

    :param services: services and components by name; None for all.
    :param where: the host that the order comes from.
    :param limit: seconds that each may take to become healthy.
    """

    services: tuple[str, ...] | None
    actor: str
    where: str
    reason: str
    limit: float

    @property
    def what(self) -> str:
        return "everything" if self.services is None else ", ".join(self.services)


def restart(stack: Stack, order: Order, host: Host) -> None:
    """One after another, each healthy before the next.

    :raises DrydockError: ``not_permitted``, ``not_released``, ``locked``, ``unfinished``, ``unknown_service``,
        ``absent``, ``engine_missing``, ``engine_unreachable``, ``restart_failed``, ``unhealthy``, ``timed_out``,
        ``state_unreadable``, ``missing_library``.
    """
    _require(stack)
    owner = {
        "actor": order.actor,
        "host": order.where,
        "since": host.now(),
        "reason": order.reason,
        "doing": f"restart {order.what}",
    }
    with lease(stack.layout, owner) as held, host.progress.shown(stack.layout.job, {}):
        record = _settled(stack)
        chosen = choose(record, order.services)
        _look(stack, chosen, host)
        _logged(stack, order, host, chosen=chosen, held=held)


def _require(stack: Stack) -> None:
    layout = stack.layout
    closed = [path for path in (layout.state, layout.releases) if path.is_dir() and not os.access(path, os.W_OK)]
    if closed:
        raise DrydockError(
            "not_permitted",
            f"{closed[0]} cannot be written by this user. Run it as root: `sudo {stack.name} restart …`.",
        )
    if not (layout.current.is_symlink() and layout.state.is_dir()):
        raise _not_released(layout)


def _not_released(layout: Layout) -> DrydockError:
    return DrydockError(
        "not_released", f"Nothing serves here, so there is nothing to restart: {layout.current} is not there."
    )


def _settled(stack: Stack) -> Record:
    """The record of what serves; nobody works on it, and nobody left it half done."""
    journal = read_journal(stack.layout)
    if journal is not None:
        raise DrydockError(
            "unfinished",
            f"The release {journal.release or '(unknown)'} was interrupted at the step {journal.step or '(unknown)'}, "
            "so which containers belong together is open. Nothing was restarted. The next run of the tag `stack` "
            "finishes or undoes it.",
        )
    record = current_record(stack.layout)
    if record is None:
        raise _not_released(stack.layout)
    return record


def choose(record: Record, services: Sequence[str] | None) -> dict[str, Mapping[str, Any]]:
    """The containers of the record to restart, components before services, and all replicas of a service.

    :raises DrydockError: ``unknown_service``.
    """
    known, names_of = record.containers, services_of(record)
    unknown = [name for name in services or () if name not in known]
    if unknown:
        raise DrydockError(
            "unknown_service",
            f"The release {record.identity} has no {', '.join(unknown)}. It has: {', '.join(sorted(known))}. Nothing "
            "was restarted.",
        )
    names = known if services is None else {name for name in known if {name, names_of[name]} & set(services)}
    return {name: known[name] for name in sorted(names, key=lambda name: (known[name]["part"] != BASE, name))}


def _look(stack: Stack, chosen: Mapping[str, Mapping[str, Any]], host: Host) -> None:
    """Before anything is touched: is all there that is needed?"""
    answer, live = host.engine.containers(stack.name)
    if answer != engines.OK:
        raise DrydockError(
            f"engine_{answer}",
            f"The Docker engine is {answer}, so nothing was restarted. Look at `systemctl status docker` and "
            "`journalctl -u docker`.",
        )
    there = {item.name for item in live}
    gone = [item["name"] for item in chosen.values() if item["name"] not in there]
    if gone:
        raise DrydockError(
            "absent",
            f"The stack has no container {', '.join(gone)} any more, though its release is made of it. Nothing was "
            "restarted. The next run of the tag `stack` brings it back.",
        )
    if any(item.get("url") for item in chosen.values()):
        load_requests()


def _logged(
    stack: Stack,
    order: Order,
    host: Host,
    *,
    chosen: Mapping[str, Mapping[str, Any]],
    held: Lease,
) -> None:
    """Restart, and write down how it ended."""
    started, done = host.clock(), list[str]()
    failure: dict[str, Any] | None = {"kind": "bug", "step": None, "evidence": None}
    try:
        _each(stack, order, host, chosen=chosen, held=held, done=done)
        failure = None
    except DrydockError as error:
        failure = {"kind": error.kind, "step": error.details.get("service"), "evidence": None}
        raise
    except KeyboardInterrupt:
        failure = {"kind": "interrupted", "step": None, "evidence": None}
        raise
    finally:
        entry = log.note_of(
            stack.layout,
            stack=stack.name,
            at=host.now(),
            actor=order.actor,
            reason=order.reason,
            outcome=log.RESTART_FAILED if failure else log.RESTARTED,
            duration=round(host.clock() - started, 2),
            services=done,
            failure=failure,
        )
        log.append_or_warn(stack.layout, entry, host.warn)


def _each(
    stack: Stack,
    order: Order,
    host: Host,
    *,
    chosen: Mapping[str, Mapping[str, Any]],
    held: Lease,
    done: list[str],
) -> None:
    for name, item in chosen.items():
        held.doing(f"restart {name}")
        host.progress.step(f"restart {name}", 0, 0)
        host.say(f"{name}: restarting {item['name']}")
        done.append(name)
        ended = host.runner.run(["docker", "restart", item["name"]], timeout=order.limit + STOP_EXTRA)
        if not ended.ok:
            raise DrydockError(
                "restart_failed",
                f"{item['name']} could not be restarted: {ended.tail()}. {_rest(stack, name, chosen, done)}",
                service=name,
            )
        report = host.waiter.wait_recorded({name: item}, limit=order.limit)
        if not report.ok:
            error = report.error()
            raise DrydockError(error.kind, f"{error.message}\n{_rest(stack, name, chosen, done)}", service=name)
        host.say(f"{name}: healthy")


def _rest(stack: Stack, failed: str, chosen: Mapping[str, Any], done: Sequence[str]) -> str:
    untouched = ", ".join(name for name in chosen if name not in done)
    return f"Look at `{stack.name} logs {failed}`." + (f" Not touched: {untouched}." if untouched else "")
