# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the release module, from plan to result."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import backups, hooks, migrating
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import PARTS, Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import MAINTENANCE, STOPPED, read_note
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import ALIVE, Lease, holder, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import PREPARED, DeploymentLog
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import RELEASE, Plan, make_plan
from ansible_collections.drydock.serving.plugins.module_utils._release.prepared import Owner, forget_prepared
from ansible_collections.drydock.serving.plugins.module_utils._release.probation_log import settle, settled
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record
from ansible_collections.drydock.serving.plugins.module_utils._release.recovery import recover
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import READY
from ansible_collections.drydock.serving.plugins.module_utils._release.together import fetch
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import (
    Options,
    Outcome,
    Transaction,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.way_back import host_error
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Wanted, Wish


def empty_result() -> dict[str, Any]:
    """The unchanged result; every exit has these keys."""
    return {
        "changed": False,
        "release": None,
        "previous": None,
        "directory": None,
        "kind": "none",
        "actions": [],
        "engine": engines.OK,
        "health": [],
        "durations": {},
        "pruned": [],
        "moved": {},
        "cut": [],
        "pruned_images": [],
        "rolled_back_to": None,
        "rolled_back_from": None,
        "kept": [],
        "switched": None,
        "probation": None,
        "backup": None,
        "migrated": [],
        "hooks": [],
        "lease_taken_over": None,
        "prepared": None,
        "maintenance": None,
        "diff": [],
    }


def run(
    desired: Desired,
    given: Mapping[str, str],
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
    look: bool = False,
) -> None:
    """Bring the host to ``desired`` and fill ``result`` on the way, so that a failure still tells the plan.

    :param look: only say whether there is something to do (``pending``), and which run does just that (``running``).
    :raises DrydockError: with the kinds of the steps, ``locked``, ``engine_missing`` and ``engine_unreachable``.
    """
    run_wish(lambda: Wanted(desired, given), options, host, check_mode=check_mode, result=result, look=look)


def run_wish(
    wish: Wish,
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
    look_first: bool = True,
    look: bool = False,
) -> None:
    """The same for what is only known when the host is looked at.

    :param look_first: whether to look without the lease whether there is something to do at all.
    :param look: as in ``run``.
    :raises DrydockError: the same kinds, and those of the wish.
    """
    try:
        _run(wish, options, host, check_mode=check_mode, result=result, look_first=look_first, look=look)
    except OSError as error:  # outside of the transaction: making the skeleton, the lease, recovery
        result["changed"] = False
        raise host_error(error, "prepare") from error


def _run(
    wish: Wish,
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
    look_first: bool,
    look: bool,
) -> None:
    begun = host.clock()
    wanted = wish()
    desired = wanted.desired
    _tell_maintenance(result, desired)
    same = desired.hash({})
    options = replace(options, wish=same, identity=options.identity or f"{options.stamp}-{same[:8]}")
    if look_first or look or check_mode:
        plan = _planned(wanted, host, may_write=False)  # nobody is kept from doing the same at this moment
        _tell(result, plan)
        if check_mode or not plan.changed:
            return
        result["changed"] = False  # until something is
        _require_engine(plan)
        if look:
            result.update(pending=True, running=_running(desired.layout, options))
            return
    _refuse_foreign(desired, host.engine)
    desired.layout.make()
    going_on = options.prepared not in ("", result["release"])
    options = replace(options, identity=options.prepared) if going_on else options
    with lease(desired.layout, owner_of(options)) as held, host.progress.shown(desired.layout.job, _about(options)):
        result["lease_taken_over"] = held.taken_over
        if not going_on:
            options = replace(options, identity=_unused(desired, options.identity))
        log = log_of(desired.name, desired.layout, options, host, result)
        if going_on:
            _go_on(wanted, options, host, held=held, log=log, result=result, begun=begun)
            return
        gate = host.gate(desired.layout)
        done = hooks.settle(desired.layout, host.programs)
        done += migrating.settle(host.engine, desired.name)
        done += recover(desired.layout, host.edge(desired.layout), Owner(options.actor, options.controller))
        done += gate.settle()
        backups.forget_unfinished(desired.layout)
        if done:
            log.recovered(done)
        done += settle(desired.name, desired.layout, host, actor=options.actor)
        plan = _planned(wish(), host, may_write=True)
        _tell(result, plan)
        _require_engine(plan)
        result["actions"] = done + result["actions"]
        result["changed"] = bool(done) or plan.changed
        if plan.kind == RELEASE and options.until == READY:  # a repair leads to no other release: it is done at once
            with log.attempt(plan, PREPARED) as noted:
                _execute(plan, options, host, held, result=result, how=Transaction.make_ready, begun=begun, noted=noted)
        elif plan.changed:
            with log.attempt(plan) as noted, _probation(desired, host, options, result):
                _execute(plan, options, host, held, result=result, how=Transaction.run, begun=begun, noted=noted)
        if gate.closed(STOPPED):
            gate.open(STOPPED)


def _go_on(
    wanted: Wanted,
    options: Options,
    host: Host,
    *,
    held: Lease,
    log: DeploymentLog,
    result: dict[str, Any],
    begun: float,
) -> None:
    """What was made ready, to its end."""
    look = partial(_planned, wanted, host, may_write=True)
    plan, note = fetch(wanted.desired, look, host, identity=options.prepared, limit=options.wait_timeout)
    _tell(result, plan)
    forget_prepared(wanted.desired.layout)
    with log.attempt(plan) as noted, _probation(wanted.desired, host, options, result):
        _execute(plan, options, host, held, result=result, how=lambda it: it.go_on(note.lent), begun=begun, noted=noted)


def _probation(
    desired: Desired, host: Host, options: Options, result: dict[str, Any]
) -> contextlib.AbstractContextManager[None]:
    """What is done inside ends the probation of what served, when it serves then."""
    return settled(desired.name, desired.layout, host, actor=options.actor, said=result["actions"])


def _planned(wanted: Wanted, host: Host, *, may_write: bool, prepared: Record | None = None) -> Plan:
    return make_plan(
        wanted.desired,
        wanted.given,
        host.engine,
        may_write=may_write,
        now=host.now(),
        back=wanted.back,
        prepared=prepared,
        ready=host.ready,
    )


def _tell_maintenance(result: dict[str, Any], desired: Desired) -> None:
    """Maintenance is for people to end; a release only says that it is still on."""
    closed = read_note(desired.layout).causes.get(MAINTENANCE)
    if closed is not None:
        result["maintenance"] = closed.as_dict()
        result.setdefault("warnings", []).append(
            f"The edge is closed for maintenance {closed.said}. It stays so: clients are answered 503 until somebody "
            f"runs `{desired.name} maintenance off` on the host."
        )


def _unused(desired: Desired, identity: str) -> str:
    """A name that no release and no evidence on the host has: a clock that was set back tells a second twice."""
    layout, number, name = desired.layout, 2, identity
    while layout.release(name).exists() or (layout.failures / name).exists():
        name, number = f"{identity}-{number}", number + 1
    return name


def log_of(stack: str, layout: Layout, options: Options, host: Host, result: dict[str, Any]) -> DeploymentLog:
    """The log of deployments, with its warnings in the result."""

    def warn(text: str) -> None:
        result.setdefault("warnings", []).append(text)

    return DeploymentLog(stack, layout, options, now=host.now, clock=host.clock, warn=warn)


def owner_of(options: Options) -> dict[str, str]:
    """Who holds the lease, for whoever finds it taken."""
    return {
        "actor": options.actor,
        "host": options.controller,
        "since": options.started,
        "reason": options.reason,
        "doing": f"release {options.identity}",
        "wish": options.wish,
    }


def _about(options: Options) -> dict[str, str]:
    """What the status file of this run says all the time."""
    return {"release": options.identity, "wish": options.wish}


def _running(layout: Layout, options: Options) -> dict[str, Any] | None:
    """The note of a live run that was started from the same controller and wants the same; None without one."""
    found = holder(layout)
    if found is None or found["state"] != ALIVE or not options.wish:
        return None
    same = (found.get("wish"), found.get("host")) == (options.wish, options.controller)
    return found if same else None


def _refuse_foreign(desired: Desired, engine: Engine) -> None:
    found = engine.foreign(desired.name, [desired.project(part) for part in PARTS])
    if found:
        raise DrydockError(
            "project_foreign",
            f"Compose projects that this stack would use hold containers that are not its own: {', '.join(found)}. "
            "They were not touched. Rename the stack or that project, or remove those containers, then run again.",
            containers=found,
        )


def _execute(
    plan: Plan,
    options: Options,
    host: Host,
    held: Lease,
    *,
    result: dict[str, Any],
    how: Callable[[Transaction], Outcome],
    begun: float,
    noted: dict[str, Any],
) -> None:
    def on_step(step: str) -> None:
        held.doing(f"release {options.identity}, step {step}")
        steps = transaction.steps
        host.progress.step(step, steps.index(step) + 1, len(steps))
        if host.on_step is not None:
            host.on_step(step)

    transaction = Transaction(plan, options, replace(host, on_step=on_step), begun=begun)
    try:
        outcome = how(transaction)
    except DrydockError as error:
        result["changed"] = not transaction.order.harmless(str(error.details.get("step")))
        raise
    finally:
        noted.update(transaction.works.told())
        result.update(noted)
        if transaction.works.hooks.warnings:
            result.setdefault("warnings", []).extend(transaction.works.hooks.warnings)
    if options.until == READY and plan.kind == RELEASE and not options.prepared:
        result["prepared"] = outcome.identity
    else:
        result.update(release=outcome.identity, directory=str(plan.desired.layout.release(outcome.identity or "")))
    result.update(
        health=outcome.health,
        durations=outcome.durations,
        pruned=outcome.pruned,
        moved=outcome.moved,
        cut=outcome.cut,
        pruned_images=outcome.pruned_images,
        kept=outcome.kept,
        switched=outcome.switched,
    )


def _tell(result: dict[str, Any], plan: Plan) -> None:
    current = plan.current
    result.update(
        changed=plan.changed,
        kind=plan.kind,
        actions=plan.actions(),
        engine=plan.engine,
        release=current.identity if current else None,
        previous=current.identity if current else None,
        directory=str(plan.desired.layout.release(current.identity)) if current else None,
        diff=[change.as_diff() for change in plan.changes],
        **(plan.back.as_dict() if plan.back else {}),
    )


def _require_engine(plan: Plan) -> None:
    if plan.engine == engines.MISSING:
        raise DrydockError(
            "engine_missing",
            "The host has no Docker engine: the command `docker` was not found. Install it first (the tag `engine`), "
            "then run again.",
        )
    if plan.engine == engines.UNREACHABLE:
        raise DrydockError(
            "engine_unreachable",
            "The Docker engine on the host does not answer. Look at `systemctl status docker` and `journalctl -u "
            "docker`, then run again.",
        )
