# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``rollback``: an earlier release serves again, as a whole."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.back import Way, go_back
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._release.transaction import Options
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.caller import (
    actor,
    now,
    say,
    this_host,
    warn,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "release",
        nargs="?",
        metavar="RELEASE",
        help="the release to go back to; default: the last good one before the one that serves",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record and the log of deployments")
    parser.add_argument(
        "--force", action="store_true", help="also across a migration that cannot be undone; know what you do"
    )
    parser.add_argument("--check", action="store_true", help="only say what would be done")


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    if os.geteuid() != 0:
        raise DrydockError("not_permitted", f"Only root can do this. Run `sudo {stack.name} rollback …`.")
    host = this_host(say)
    begun, told = host.clock(), {"switching": False}

    def on_step(step: str) -> None:
        if told["switching"] and step != "confirm":
            say(f"switched after {host.clock() - begun:.2f} s")
            told["switching"] = False
        told["switching"] = told["switching"] or step == "switch"
        say(f"{step} …")

    result = empty_result()
    try:
        go_back(
            stack.layout,
            Way(to=arguments.release, force=arguments.force),
            Options(
                identity="",
                stamp=f"{datetime.now(timezone.utc):%Y%m%dT%H%M%SZ}",
                started=now(),
                actor=actor(),
                controller=socket.gethostname(),
                reason=arguments.reason,
            ),
            replace(host, on_step=on_step),
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
    if result["rolled_back_to"] is None:
        return [f"{stack}: {result['release']} serves what was to be gone back to; nothing changed."]
    to, left = result["rolled_back_to"], result["rolled_back_from"]
    if check:
        return [f"{stack}: would go back from {left} to {to}:", *(f"  {item}" for item in result["actions"])]
    return [
        f"{stack}: went back from {left} to {to}, as {result['release']}.",
        "The next run of the tag `stack` releases what the inventory wants: put that right first.",
    ]


VERB = Verb(
    summary="go back to an earlier release",
    text="Images, rendered files, configuration, values of secrets and versions of models as one. Without a name it\n"
    "is the last good one before the one that serves, and never one that somebody went back from. It is a\n"
    "release like any other: healthy before it serves, recorded, and it can be gone back from. Needs root.",
    arguments=_arguments,
    run=_run,
)
