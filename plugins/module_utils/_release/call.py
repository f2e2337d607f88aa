# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module was called for, on the real host: make a release, go back, or give up one that is ready."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.abandon import abandon
from ansible_collections.drydock.serving.plugins.module_utils._release.back import Way, go_back, layout_from
from ansible_collections.drydock.serving.plugins.module_utils._release.controller import NoController, Watcher
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import parse_desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.following import after
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.pulling import telling
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import Logins
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import cores, settle
from ansible_collections.drydock.serving.plugins.module_utils._release.run import run
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter

STAMP = re.compile(r"\d{8}T\d{6}Z")
OPTIONS = (
    "wait_timeout",
    "pull_timeout",
    "keep",
    "reserve",
    "prepared",
    "ready_timeout",
    "out_of_service",
    "reason",
    "revision",
)


def act(
    params: Mapping[str, Any],
    files: Sequence[Mapping[str, Any]],
    registries: Logins,
    *,
    check_mode: bool,
    result: dict[str, Any],
) -> None:
    """Do it, and fill ``result``.

    :param params: the module's.
    :raises DrydockError: with the kinds of the module.
    """
    started = datetime.now(timezone.utc)
    host = _host(watched=params["job"] == "watched")
    options = Options(
        identity="",
        stamp=_stamp(params["stamp"], started),
        started=f"{started:%Y-%m-%dT%H:%M:%SZ}",
        actor=params["actor"] or "unknown",
        controller=params["controller"] or "unknown",
        registries=registries,
        until=params["state"],
        **{key: params[key] for key in OPTIONS},
    )
    if params["state"] == "abandoned":
        name, layout = str(params["stack"].get("name")), layout_from(params["stack"])
        abandon(name, layout, options, host, check_mode=check_mode, result=result)
    elif params["rollback"]:
        way = Way(to=params["to"], force=params["force"])
        go_back(layout_from(params["stack"]), way, options, host, check_mode=check_mode, result=result)
    else:
        desired = parse_desired(settle(params["stack"], count=cores()), files)
        run(desired, params["secrets"], options, host, check_mode=check_mode, result=result)
        if not check_mode:
            after(desired, host, actor=options.actor, result=result)


def _stamp(given: str | None, started: datetime) -> str:
    """It becomes part of a directory's name."""
    if given and not STAMP.fullmatch(given):
        raise DrydockError(
            "invalid_input", f"stamp: {given!r} is no time such as 20261121T041500Z. Leave it out. Nothing was touched."
        )
    return given or f"{started:%Y%m%dT%H%M%SZ}"


def _host(*, watched: bool) -> Host:
    """Real programs and real time."""
    progress = Progress()
    engine = Engine(SubprocessRunner(), puller=telling(progress.tell))
    return Host(
        runner=SubprocessRunner(),
        engine=engine,
        waiter=Waiter(engine, clock=time.monotonic, tell=progress.tell),
        now=lambda: datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        clock=time.monotonic,
        progress=progress,
        controller=Watcher(progress) if watched else NoController(),
    )
