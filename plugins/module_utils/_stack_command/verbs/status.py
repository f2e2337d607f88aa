# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``status``: what ``release_info`` tells, for a person."""

from __future__ import annotations

import argparse
import json
from datetime import datetime, timezone

from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.info import Look, empty_result, tell
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.caller import say
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.status_text import status_text
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

PROBLEM = 2
RESERVE = 512 * 1024 * 1024  # bytes, as a release wants them free
CERTIFICATE_DAYS = 14


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything that is known, as JSON")


def _run(arguments: argparse.Namespace, stack: Stack) -> int:
    runner = SubprocessRunner()
    now = datetime.now(timezone.utc)
    result = empty_result()
    look = Look(stack=stack.name, layout=stack.layout, runner=runner, engine=Engine(runner), now=now)
    tell(look, result, reserve=RESERVE, certificate_days=CERTIFICATE_DAYS)
    del result["changed"]  # says nothing here
    say(json.dumps(result, indent=2) if arguments.json else status_text(result).rstrip("\n"))
    return 0 if result["ok"] else PROBLEM


VERB = Verb(
    summary="tell what serves, and what is wrong",
    text="Only reads, and waits for nobody. Exit status 0: all is well; 2: something is wrong, and it says what.\n"
    "Root sees everything; who may use Docker sees the containers.",
    arguments=_arguments,
    run=_run,
)
