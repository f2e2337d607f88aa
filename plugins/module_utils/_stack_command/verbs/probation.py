# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``probation``: watch the release that is on probation, and keep it or go back. What the unit of systemd runs."""

from __future__ import annotations

import argparse
import os
import socket

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.ending import Ending, watch_of
from ansible_collections.drydock.serving.plugins.module_utils._release.probation import read_note
from ansible_collections.drydock.serving.plugins.module_utils._release.watching import watch
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.caller import say, this_host
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb


def _arguments(_parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def _run(_arguments: argparse.Namespace, stack: Stack) -> int:
    layout = stack.layout
    if layout.state.is_dir() and not os.access(layout.state, os.W_OK):
        raise DrydockError(
            "not_permitted",
            f"{layout.state} cannot be written by this user. Run it as root: `sudo {stack.name} probation`.",
        )
    if not layout.state.is_dir() or read_note(layout) is None:
        say("nothing is on probation")
        return 0
    host, actor = this_host(), f"probation@{socket.gethostname()}"
    watch(watch_of(layout, host, actor=actor, say=say), Ending(stack.name, layout, host, actor=actor, say=say))
    return 0


VERB = Verb(
    summary="watch the release that is on probation",
    text="Reads the edge's access log and looks at the containers until the probation is over, then keeps the release\n"
    "or goes back to the one before it. Its unit is started by the release and after a reboot; a second one waits\n"
    "for the first. Needs root.",
    arguments=_arguments,
    run=_run,
    hidden=True,
)
