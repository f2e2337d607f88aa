# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``backup``: a copy of the components' data."""

from __future__ import annotations

import argparse
import json
import socket

from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.backing_up import (
    Order,
    all_backups,
    back_up,
    lines,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="only tell which there are, newest first")
    parser.add_argument("--json", action="store_true", help="the manifest, with --list all of them, as JSON")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for its manifest and the log of deployments")


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    if arguments.list:
        found = all_backups(stack)
        for line in [json.dumps(found, indent=2)] if arguments.json else lines(stack, found):
            caller.say(line)
        return 0
    order = Order(actor=caller.actor(), where=socket.gethostname(), reason=arguments.reason)

    def warn(text: str) -> None:
        caller.warn(stack.name, text)

    say = warn if arguments.json else caller.say
    made = back_up(stack, order, caller.this_host(say), say=say, warn=warn)
    if arguments.json:
        caller.say(json.dumps(next(item for item in all_backups(stack) if item["id"] == made.name), indent=2))
    else:
        caller.say(f"{made}: how to bring the data back is told in RESTORE.txt there.")
    return 0


VERB = Verb(
    summary="copy the data of the components",
    text="As a release does before it migrates: each copy is read back by the program that would restore it, and the\n"
    "directory has its name once all are on disk. The oldest ones are removed. Takes the stack as a release does.\n"
    "Needs root. RESTORE.txt beside the copies has the commands that bring the data back.",
    arguments=_arguments,
    run=_run,
)
