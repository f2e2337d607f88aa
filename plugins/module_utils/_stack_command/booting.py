# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the stack's systemd unit does when it starts and stops, under the lease that releases take."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release import hooks, log, migrating
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import RELOAD_DIRECTLY
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import STOPPED, Closed
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.record import current_record
from ansible_collections.drydock.serving.plugins.module_utils._release.recovery import recover
from ansible_collections.drydock.serving.plugins.module_utils._release.starting import Recorded, Starter, stop
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.lines import working
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

ACTOR = "systemd"
ENGINE = 300.0  # seconds that the engine may take to answer after a boot
PATIENCE = 120.0  # seconds that another run may still take; it is about to end, or to be ended by the shutdown
LOOK = 1.0
LIMIT = 600.0  # seconds that each wave of containers may take to become healthy
SOON = 30  # seconds after which clients are told to come back


def boot(stack: Stack, host: Host, *, say: Callable[[str], None]) -> None:
    """Bring back what is recorded, after what a run that died left is settled.

    :raises DrydockError: ``locked``, ``state_unreadable``, and those of ``Starter.start``.
    """
    if not stack.layout.current.is_symlink() and not stack.layout.journal.exists():
        say("Nothing is released here yet: nothing to start.")
        return
    _await_engine(stack, host, say)
    with patient(stack, host, "start the stack") as held:
        said, trouble = _settled(stack, host)
        for line in said:
            say(line)
        record = current_record(stack.layout)
        if record is None:
            say("Nothing is released here yet: nothing to start.")
            return
        recorded = Recorded(stack.name, stack.layout, record)
        starter = Starter(recorded, host, limit=LIMIT, tell=working(say, held, host.progress))
        begun, failure = host.clock(), _bug()
        try:
            starter.start()
            if trouble is not None:
                raise trouble
            failure = None
        except DrydockError as error:
            failure = {"kind": error.kind, "step": None, "evidence": None}
            raise
        finally:
            if failure or starter.started:
                outcome = log.START_FAILED if failure else log.STARTED
                _log(stack, host, say, outcome, begun, services=starter.started, failure=failure)
        say(f"The release {record.identity} serves.")


def _await_engine(stack: Stack, host: Host, say: Callable[[str], None]) -> None:
    """systemd starts the unit also when the engine's first try has failed, and starts it only once."""
    deadline, told = host.clock() + ENGINE, False
    while not _answers(stack, host) and host.clock() < deadline:
        if not told:
            say(f"The Docker engine does not answer yet: waiting for it, up to {ENGINE:g} s.")
        told = True
        host.sleep(LOOK)


def _answers(stack: Stack, host: Host) -> bool:
    try:
        return host.engine.containers(stack.name)[0] != engines.UNREACHABLE
    except DrydockError:  # it takes the question and does not answer
        return False


def _settled(stack: Stack, host: Host) -> tuple[list[str], DrydockError | None]:
    """What was done about what a run that died left; and why nginx does not let it be done, which is raised in the end
    and keeps nothing from its start.
    """
    said = hooks.settle(stack.layout, host.programs) + migrating.settle(host.engine, stack.name)
    try:
        said += _recovered(stack, host) + host.gate(stack.layout).settle()
    except DrydockError as error:
        if error.kind not in ("edge_invalid", "edge_failed"):
            raise
        return [*said, error.message], error
    return said, None


def _recovered(stack: Stack, host: Host) -> list[str]:
    """A release that waits to be switched is for those who made it; it serves nobody yet."""
    try:
        return recover(stack.layout, host.edge(stack.layout))
    except DrydockError as error:
        if error.kind != "prepared":
            raise
        return [error.message]


def shut_down(stack: Stack, host: Host, *, say: Callable[[str], None]) -> None:
    """Close the edge, finish what is under way, and stop the stack.

    :raises DrydockError: ``locked``, ``state_unreadable``, and those of ``stop``.
    """
    if not stack.layout.state.is_dir():
        say("Nothing is released here: nothing to stop.")
        return
    with patient(stack, host, "stop the stack") as held:
        record = current_record(stack.layout)
        if record is None:
            say("Nothing is released here: nothing to stop.")
            return
        begun = host.clock()
        closed = Closed(cause=STOPPED, since=host.now(), by=ACTOR, reason="the stack was stopped", retry_after=SOON)
        try:  # the unit is stopped before nginx is, so systemd would have nginx wait with a reload for this very stop
            host.gate(stack.layout, reloading=RELOAD_DIRECTLY).close(closed)
        except DrydockError as error:  # whatever nginx does, the stack ends as it was told to
            say(error.message)
        services = stop(Recorded(stack.name, stack.layout, record), host, tell=working(say, held, host.progress))
        _log(stack, host, say, log.STOPPED, begun, services=services)


@contextlib.contextmanager
def patient(stack: Stack, host: Host, what: str, *, patience: float = PATIENCE) -> Iterator[Lease]:
    """The lease, waited for: nobody runs a unit again by hand.

    :raises DrydockError: ``locked``.
    """
    owner = {"actor": ACTOR, "host": socket.gethostname(), "since": host.now(), "reason": "", "doing": what}
    deadline = host.clock() + patience
    with contextlib.ExitStack() as opened:
        while True:
            try:
                held = opened.enter_context(lease(stack.layout, owner))
                opened.enter_context(host.progress.shown(stack.layout.job, {}))
                break
            except DrydockError as error:
                if error.kind != "locked" or host.clock() >= deadline:
                    raise
            host.sleep(LOOK)
        yield held


def _bug() -> dict[str, Any] | None:
    return {"kind": "bug", "step": None, "evidence": None}


def _log(
    stack: Stack,
    host: Host,
    say: Callable[[str], None],
    outcome: str,
    begun: float,
    *,
    services: list[str],
    failure: Mapping[str, Any] | None = None,
) -> None:
    entry = log.note_of(
        stack.layout,
        stack=stack.name,
        at=host.now(),
        actor=ACTOR,
        reason="",
        outcome=outcome,
        duration=round(host.clock() - begun, 2),
        services=services,
        failure=failure,
    )
    log.append_or_warn(stack.layout, entry, say)
