# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``logs``: what the stack's containers say, of all colours, each line with its container."""

from __future__ import annotations

import argparse
import os
import re
import sys

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import engine as engines
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine, Live
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.streams import Wanted, read_logs
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

TAIL = "100"
_SINCE = re.compile(r"(\d+(\.\d+)?(ms|s|m|h))+|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
_TAIL = re.compile(r"[0-9]{1,9}|all")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="*", metavar="SERVICE", help="only of these; default: of all")
    parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C, or until the containers are gone")
    parser.add_argument("--since", type=_since, metavar="TIME", help="as 10m, 2h or 2026-11-21T04:15:00Z")
    parser.add_argument(
        "--tail",
        type=_tail,
        metavar="N",
        help=f"the last N lines of each container, or all; default: {TAIL}, and all with --since",
    )


def _since(text: str) -> str:
    if not _SINCE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no time: expected one as 10m, 2h or 2026-11-21T04:15:00Z")
    return text


def _tail(text: str) -> str:
    if not _TAIL.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines, nor 'all'")
    return text


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    answer, live = Engine(SubprocessRunner()).containers(stack.name)
    if answer != engines.OK:
        raise unanswered(stack.name, answer)
    chosen = choose(stack.name, live, arguments.service)
    tail = arguments.tail or ("all" if arguments.since else TAIL)
    wanted = Wanted(tail=tail, since=arguments.since, follow=arguments.follow)
    read_logs([item.name for item in chosen], wanted, sys.stdout)
    return 0


def choose(stack: str, live: list[Live], services: list[str]) -> list[Live]:
    """The containers of these services with their replicas, stopped ones too; of all without any.

    :raises DrydockError: ``unknown_service``, ``no_containers``.
    """
    there = sorted({item.service for item in live} | {item.unit for item in live})
    if not there:
        raise DrydockError(
            "no_containers", f"There are no containers of the stack {stack} on this host. `{stack} status` tells more."
        )
    unknown = [name for name in services if name not in there]
    if unknown:
        raise DrydockError(
            "unknown_service", f"There is no container of {', '.join(unknown)}. There are: {', '.join(there)}."
        )
    chosen = (item for item in live if not services or {item.service, item.unit} & set(services))
    return sorted(chosen, key=lambda item: item.name)


def unanswered(stack: str, answer: str) -> DrydockError:
    """Why the engine tells nothing, as ``containers`` answered."""
    if answer == engines.MISSING:
        return DrydockError("engine_missing", "There is no Docker engine here: the command `docker` was not found.")
    hint = "" if os.geteuid() == 0 else f" Only root, and who may use Docker, can ask it: try `sudo {stack} …`."
    return DrydockError(
        "engine_unreachable",
        f"The Docker engine does not answer.{hint} Look at `systemctl status docker` and `journalctl -u docker`.",
    )


VERB = Verb(
    summary="show what the containers say",
    text="Of all colours, stopped containers too, by time, each line with its container. A log is shown as the\n"
    "program wrote it: a secret that it wrote is not hidden.",
    arguments=_arguments,
    run=_run,
)
