# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart containers of the release that serves, under the lease that releases take.

A replica behind the edge is led past and drained before, and led to again when it is well. Until nginx has read that,
the file of its upstreams is not the one that the release wants: whatever kills the command, the next run of the tag
``stack`` sees the difference and has nginx read it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._health.http import load_requests
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release import log
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import BASE
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import retired_from
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import (
    Edge,
    closed_text,
    led_to,
    upstreams_text,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Live
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.record import (
    Record,
    closed,
    current_record,
    patience,
    read_journal,
    upstream_ports,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.record import services as services_of
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

WAIT = 300.0
STOP_EXTRA = 120.0  # seconds that the engine may take to stop a container, on top of the wait for its health
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What to restart, for whom and why.

    :param services: services and components by name; None for all.
    :param where: the host that the order comes from.
    :param limit: seconds that each may take to become healthy; None for what the release had, at least ``WAIT``.
    """

    services: tuple[str, ...] | None
    actor: str
    where: str
    reason: str
    limit: float | None

    @property
    def what(self) -> str:
        return "everything" if self.services is None else ", ".join(self.services)


def restart(stack: Stack, order: Order, host: Host, *, say: Say, warn: Say) -> None:
    """One after another, each healthy before the next, and those that are not well first.

    :raises DrydockError: ``not_permitted``, ``not_released``, ``locked``, ``unfinished``, ``unknown_service``,
        ``absent``, ``engine_missing``, ``engine_unreachable``, ``restart_failed``, ``unhealthy``, ``timed_out``,
        ``state_unreadable``, ``missing_library``, ``edge_invalid``, ``edge_failed``, ``edge_unconfirmed``.
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
        live = _look(stack, chosen, host)
        unwell = {item.name for item in live if not _well(item)}
        first = sorted(chosen, key=lambda name: (chosen[name]["part"] != BASE, chosen[name]["name"] not in unwell))
        limit = order.limit or max(WAIT, patience(record, "wait_timeout"))
        turn = _Turn(stack, order, host, record, held, say, limit)
        _logged(turn, {name: chosen[name] for name in first}, warn)


def _require(stack: Stack) -> None:
    layout = stack.layout
    barred = [path for path in (layout.state, layout.releases) if path.is_dir() and not os.access(path, os.W_OK)]
    if barred:
        raise DrydockError(
            "not_permitted",
            f"{barred[0]} cannot be written by this user. Run it as root: `sudo {stack.name} restart …`.",
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


def _look(stack: Stack, chosen: Mapping[str, Mapping[str, Any]], host: Host) -> list[Live]:
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
    return live


def _well(item: Live) -> bool:
    return item.state == "running" and not (item.unhealthy or item.starting)


@dataclass(frozen=True)
class _Turn:
    """What each restart needs."""

    stack: Stack
    order: Order
    host: Host
    record: Record
    held: Lease
    say: Say
    limit: float


def _logged(turn: _Turn, chosen: Mapping[str, Mapping[str, Any]], warn: Say) -> None:
    """Restart, and write down how it ended."""
    stack, order, host = turn.stack, turn.order, turn.host
    started, done = host.clock(), list[str]()
    failure: dict[str, Any] | None = {"kind": "bug", "step": None, "evidence": None}
    try:
        for name in chosen:
            done.append(name)
            _one(turn, name, untouched=[other for other in chosen if other not in done])
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
        log.append_or_warn(stack.layout, entry, warn)


def _one(turn: _Turn, name: str, *, untouched: Sequence[str]) -> None:
    item = turn.record.containers[name]
    turn.held.doing(f"restart {name}")
    turn.host.progress.step(f"restart {name}", 0, 0)
    rest = f"Look at `{turn.stack.name} logs {name}`." + (f" Not touched: {', '.join(untouched)}." if untouched else "")
    with _led_past(turn, name) as past:
        if past:
            rest += (
                " nginx is not led to it, the others answer; the next run of the tag `stack`, or this command again, "
                "leads it there when it is well."
            )
        turn.say(f"{name}: restarting {item['name']}")
        ended = turn.host.runner.run(["docker", "restart", item["name"]], timeout=turn.limit + STOP_EXTRA)
        if not ended.ok:
            said = f"{item['name']} could not be restarted: {ended.tail()}. {rest}"
            raise DrydockError("restart_failed", said, service=name)
        report = turn.host.waiter.wait_recorded({name: item}, limit=turn.limit)
        if not report.ok:
            error = report.error()
            raise DrydockError(error.kind, f"{error.message}\n{rest}", service=name)
    turn.say(f"{name}: healthy")


@contextlib.contextmanager
def _led_past(turn: _Turn, name: str) -> Iterator[bool]:
    """While nginx leads to the other replicas, when nobody asks this one any more; false where there is none to ask."""
    record, item = turn.record, turn.record.containers[name]
    if not (item.get("routes") and item.get("host_port")):
        yield False
        return
    names, edge = services_of(record), turn.host.edge(turn.stack.layout)
    written = (edge.read() or led_to(record)).decode("utf-8", "replace")
    well = {found.name for found in turn.host.engine.present(turn.stack.name) if _well(found)}
    others = {  # but for those that nginx is led past already
        int(each["host_port"]): each["name"] in well
        for other, each in record.containers.items()
        if names[other] == names[name] and other != name and f"127.0.0.1:{each.get('host_port')} " in written
    }
    if not any(others.values()):
        turn.say(
            f"{name}: no other container of {names[name]} is well, so requests fail until this one is ready. With two "
            f"replicas (`{turn.stack.name} scale {names[name]}=2`) none would."
        )
        yield False
        return
    without = _leading(record, names[name], others)
    again = _leading(record, names[name], {*others, int(item["host_port"])})
    workers = edge.workers()
    if edge.lead(without):
        try:
            edge.wait_left(workers, clock=turn.host.clock, sleep=turn.host.sleep)
            turn.say(f"{name}: nginx leads past it; requests under way are waited for")
            if turn.host.drainer(edge).drain([replace(retired_from(item), command=())]):
                turn.say(f"{name}: still has requests when its time to drain is over")
        except BaseException:  # it was not touched
            _lead(edge, again)
            raise
    yield True
    _lead(edge, again)


def _leading(record: Record, service: str, ports: Collection[int]) -> bytes:
    """What leads nginx to these replicas of a service, and to all else as ever."""
    return upstreams_text({**upstream_ports(record), service: sorted(ports)}) + closed_text(closed(record))


def _lead(edge: Edge, content: bytes) -> None:
    edge.lead(content + b"# nginx is about to read this.\n")
    edge.write(content)
