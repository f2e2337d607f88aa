# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``restart``: containers of the release that serves, one after another."""

from __future__ import annotations

import argparse
import socket

from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.restarting import Order, restart
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("service", nargs="*", default=[], metavar="SERVICE", help="these services or components")
    which.add_argument("--all", action="store_true", help="everything that the release is made of, components first")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the log of deployments")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="that each may take to become healthy; default: what the release had, at least 300",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return value


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    order = Order(
        services=None if arguments.all else tuple(dict.fromkeys(arguments.service)),
        actor=caller.actor(),
        where=socket.gethostname(),
        reason=arguments.reason,
        limit=arguments.timeout,
    )
    host = caller.this_host(caller.say)
    restart(stack, order, host, say=caller.say, warn=lambda text: caller.warn(stack.name, text))
    return 0


VERB = Verb(
    summary="restart containers, one after another",
    text="Waits after each until it is healthy; when one does not become healthy, the others are not touched.\n"
    "A replica behind nginx is led past and drained before, so of a service with two or more no request is lost;\n"
    "one with a single container is away while that restarts. Takes the stack as a release does, so it is refused\n"
    "while one is under way. Needs root.",
    arguments=_arguments,
    run=_run,
)
