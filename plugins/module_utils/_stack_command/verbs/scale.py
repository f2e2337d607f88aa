# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``scale``: another number of containers of a service."""

from __future__ import annotations

import argparse
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.replicas import MOST
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.scale import Scale, scale
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.caller import (
    actor,
    now,
    say,
    this_host,
    warn,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

_WANTED = re.compile(r"(?P<service>[a-z][a-z0-9-]*)=(?P<count>[0-9]{1,3})")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("wanted", nargs="+", type=_one, metavar="SERVICE=N", help="so many containers of this service")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record and the log of deployments")
    parser.add_argument("--force", action="store_true", help="also where their limits are more memory than there is")
    parser.add_argument("--check", action="store_true", help="only say what would be done")


def _one(text: str) -> tuple[str, int]:
    found = _WANTED.fullmatch(text)
    if found is None or not 1 <= int(found["count"]) <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r}: expected SERVICE=N with a number from 1 to {MOST}, as api=3")
    return found["service"], int(found["count"])


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    if os.geteuid() != 0:
        raise DrydockError("not_permitted", f"Only root can do this. Run `sudo {stack.name} scale …`.")
    result = empty_result()
    try:
        scale(
            stack.layout,
            Scale(dict(arguments.wanted), force=arguments.force),
            Options(
                identity="",
                stamp=f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}",
                started=now(),
                actor=actor(),
                controller=socket.gethostname(),
                reason=arguments.reason,
            ),
            replace(this_host(say), on_step=lambda step: say(f"{step} …")),
            check_mode=arguments.check,
            result=result,
        )
    finally:
        for text in result.get("warnings", ()):
            warn(stack.name, text)
    for line in report(stack.name, result, check=arguments.check):
        say(line)
    return 0


def report(stack: str, result: Mapping[str, Any], *, check: bool) -> list[str]:
    """What was done, or would be."""
    if not result["changed"]:
        return [f"{stack}: {result['release']} has these numbers already; nothing changed."]
    if check:
        return [f"{stack}: would be done:", *(f"  {item}" for item in result["actions"])]
    done = {"release": f"{result['release']} serves", "repair": f"{result['release']} was put right"}
    return [
        f"{stack}: {done.get(result['kind'], result['release'])}.",
        *(f"  {item}" for item in result["actions"]),
        *(f"  {name} still had requests when its time to drain was over" for name in result["cut"]),
        "The next run of the tag `stack` brings the inventory's numbers back: change them there, too.",
    ]


VERB = Verb(
    summary="change how many containers a service has",
    text="A release of the same files, images, secrets and models, made of what lies on the host. New containers are\n"
    "healthy before nginx is led to them, surplus ones are drained after it is not; those that stay are not\n"
    "touched. Up to replicas.max of the inventory. Needs root.",
    arguments=_arguments,
    run=_run,
)
