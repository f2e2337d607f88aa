# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A look whether there is anything to do, before anything else is loaded or held: most runs have nothing to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.gate import MAINTENANCE, read_note
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import ALIVE, holder
from ansible_collections.drydock.serving.plugins.module_utils._release.plan import Plan, make_plan
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Runner
from ansible_collections.drydock.serving.plugins.module_utils._release.trouble import host_error


def look_at(
    desired: Desired,
    given: Mapping[str, str],
    engine: Engine,
    *,
    runner: Runner,
    controller: str,
    now: str,
    result: dict[str, Any],
) -> None:
    """Say whether there is something to do (``pending``), and which run does just that (``running``).

    :param controller: where the operator runs Ansible.
    :raises DrydockError: ``engine_missing``, ``engine_unreachable``, and the kinds of ``make_plan``.
    """
    try:
        tell_maintenance(result, desired)
        plan = make_plan(desired, given, engine, may_write=False, now=now)
        tell(result, plan)
        if plan.changed:
            result["changed"] = False  # until something is
            require_engine(plan)
            result.update(pending=True, running=_running(desired, controller))
        if desired.layout.probation.exists():
            from ansible_collections.drydock.serving.plugins.module_utils._release.following import unwatched  # noqa: PLC0415 - hardly ever needed

            result["pending"] = unwatched(desired, runner) or result.get("pending", False)
    except OSError as error:
        raise host_error(error, "prepare") from error


def tell_maintenance(result: dict[str, Any], desired: Desired) -> None:
    """Maintenance is for people to end; a release only says that it is still on."""
    closed = read_note(desired.layout).causes.get(MAINTENANCE)
    if closed is not None:
        result["maintenance"] = closed.as_dict()
        result.setdefault("warnings", []).append(
            f"The edge is closed for maintenance {closed.said}. It stays so: clients are answered 503 until somebody "
            f"runs `{desired.name} maintenance off` on the host."
        )


def _running(desired: Desired, controller: str) -> dict[str, Any] | None:
    """The note of a live run that was started from the same controller and wants the same; None without one."""
    found = holder(desired.layout)
    if found is None or found["state"] != ALIVE:
        return None
    same = (found.get("wish"), found.get("host")) == (desired.hash({}), controller)
    return found if same else None


def tell(result: dict[str, Any], plan: Plan) -> None:
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


def require_engine(plan: Plan) -> None:
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
