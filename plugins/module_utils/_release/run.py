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
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import PARTS, Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import STOPPED
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Lease, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import PREPARED, DeploymentLog, serving
from ansible_collections.drydock.serving.plugins.module_utils._release.look import (
    require_engine,
    tell,
    tell_maintenance,
)
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
from ansible_collections.drydock.serving.plugins.module_utils._release.trouble import host_error
from ansible_collections.drydock.serving.plugins.module_utils._release.wish import Wanted, Wish


def run(
    desired: Desired,
    given: Mapping[str, str],
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
) -> None:
    """Bring the host to ``desired`` and fill ``result`` on the way, so that a failure still tells the plan.

    :raises DrydockError: with the kinds of the steps, ``locked``, ``engine_missing`` and ``engine_unreachable``.
    """
    run_wish(lambda: Wanted(desired, given), options, host, check_mode=check_mode, result=result)


def run_wish(
    wish: Wish,
    options: Options,
    host: Host,
    *,
    check_mode: bool,
    result: dict[str, Any],
    look_first: bool = True,
) -> None:
    """The same for what is only known when the host is looked at.

    :param look_first: whether to look without the lease whether there is something to do at all.
    :raises DrydockError: the same kinds, and those of the wish.
    """
    try:
        _run(wish, options, host, check_mode=check_mode, result=result, look_first=look_first)
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
) -> None:
    begun = host.clock()
    wanted = wish()
    desired = wanted.desired
    tell_maintenance(result, desired)
    same = desired.hash({})
    options = replace(options, wish=same, identity=options.identity or f"{options.stamp}-{same[:8]}")
    if look_first or check_mode:
        plan = _planned(wanted, host, may_write=False)  # nobody is kept from doing the same at this moment
        tell(result, plan)
        if check_mode or not plan.changed:
            return
        result["changed"] = False  # until something is
        require_engine(plan)
    _refuse_foreign(desired, host.engine)
    desired.layout.make()
    going_on = options.prepared not in ("", serving(desired.layout))
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
        tell(result, plan)
        require_engine(plan)
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
    tell(result, plan)
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
        step = str(error.details.get("step"))
        result["changed"] = not transaction.order.harmless(step)
        if transaction.order.proven(step):
            result.update(_serves(plan, transaction.outcome.identity))
        raise
    finally:
        noted.update(transaction.works.told())
        result.update(noted)
        if transaction.works.hooks.warnings:
            result.setdefault("warnings", []).extend(transaction.works.hooks.warnings)
    if options.until == READY and plan.kind == RELEASE and not options.prepared:
        result["prepared"] = outcome.identity
    else:
        result.update(_serves(plan, outcome.identity))
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


def _serves(plan: Plan, identity: str | None) -> dict[str, Any]:
    return {"release": identity, "directory": str(plan.desired.layout.release(identity or ""))}
