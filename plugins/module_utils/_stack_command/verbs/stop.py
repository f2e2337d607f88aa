# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``stop``: what the stack's systemd unit runs before a shutdown. For people it is ``systemctl stop``."""

from __future__ import annotations

import argparse

from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.booting import shut_down
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _run(_arguments: argparse.Namespace, stack: Stack) -> int:
    shut_down(stack, caller.this_host(caller.say), say=caller.say)
    return 0


VERB = Verb(
    summary="finish requests and stop the stack",
    text="For its systemd unit: use `systemctl stop` with the stack's name. The edge answers 503, requests that are\n"
    "under way finish, then services end, then components.",
    arguments=lambda _parser: None,
    run=_run,
    hidden=True,
)
