# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``maintenance``: every request is answered 503 with a page, until it is over."""

from __future__ import annotations

import argparse
import socket

from ansible_collections.drydock.serving.plugins.module_utils._release.gate import RETRY_AFTER
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.maintaining import (
    Order,
    maintain,
    sentence,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

LONGEST = 7 * 24 * 3600


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("state", choices=("on", "off", "status"), help="close the edge, open it, or tell what it is")
    parser.add_argument(
        "--retry-after",
        type=_seconds,
        metavar="SECONDS",
        help=f"when clients are told to come back; default: {RETRY_AFTER}",
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the log and the status, not for clients")


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= LONGEST):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of seconds from 1 to {LONGEST}, a week")
    return int(text)


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    if arguments.state == "status":
        caller.say(sentence(stack.layout))
        return 0
    order = Order(
        on=arguments.state == "on",
        actor=caller.actor(),
        where=socket.gethostname(),
        reason=arguments.reason,
        retry_after=arguments.retry_after,
    )
    host = caller.this_host(caller.say)
    maintain(stack, order, host, say=caller.say, warn=lambda text: caller.warn(stack.name, text))
    return 0


VERB = Verb(
    summary="close the edge to clients, or open it again",
    text="on: every request is answered 503, with a page for browsers, JSON for others, and Retry-After. Requests\n"
    "that are under way finish, containers run on, and the edge's own health checks stay green. It lasts until off,\n"
    "also over releases and reboots. Needs root; status does not change anything.",
    arguments=_arguments,
    run=_run,
)
