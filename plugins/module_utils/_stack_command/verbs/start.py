# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``start``: what the stack's systemd unit runs after a boot. For people it is ``systemctl start``."""

from __future__ import annotations

import argparse

from ansible_collections.drydock.serving.plugins.module_utils._stack_command import caller
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.booting import boot
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _run(_arguments: argparse.Namespace, stack: Stack) -> int:
    boot(stack, caller.this_host(caller.say), say=caller.say)
    return 0


VERB = Verb(
    summary="bring the stack up as it is recorded",
    text="For its systemd unit: use `systemctl start` with the stack's name. Settles a release that was interrupted,\n"
    "then starts components, services and the edge, each when what it needs is healthy. What is well is left alone.",
    arguments=lambda _parser: None,
    run=_run,
    hidden=True,
)
