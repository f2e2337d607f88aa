# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command on the host: reads the arguments, runs the verb, and turns every end into an exit status."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import pkgutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import verbs
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.caller import say, silence, warn, write
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

FAILED = 1
INTERRUPTED = 130


def main(name: str, *, root: str, secrets: str, version: str, argv: Sequence[str] | None = None) -> int:
    """Run the command of one stack.

    :return: the exit status: the verb's; 1 when it could not be done, 130 when it was interrupted.
    """
    _standard_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` wants it
            signal.signal(number, _interrupt)
    stack = Stack(name=name, layout=Layout(root=Path(root), secrets=Path(secrets)), version=version)
    found = all_verbs()
    arguments = _parser(stack, found).parse_args(argv)
    try:
        status = found[arguments.verb].run(arguments, stack)
        sys.stdout.flush()
    except DrydockError as error:
        if getattr(arguments, "json", False):
            say(json.dumps(error.as_result(), indent=2, default=str))
        return _failed(stack, error.message)
    except BrokenPipeError:  # whoever read has enough, as `head` has
        silence(sys.stdout)
        return 0
    except OSError as error:
        message = f"{error.filename or 'The host'}: {error.strerror or error}."
        if isinstance(error, PermissionError) and os.geteuid() != 0:
            message += f" Run it as root: `sudo {name} {arguments.verb} …`."
        if getattr(arguments, "json", False):
            say(json.dumps(DrydockError("host_failed", message).as_result(), indent=2))
        return _failed(stack, message)
    except KeyboardInterrupt:
        write(sys.stderr, f"\n{name}: interrupted.{_half_done(stack)}\n")  # a terminal shows ^C before it
        return INTERRUPTED
    return status


def _standard_streams() -> None:
    """There, whoever calls. What is opened next must not take the place of one that was closed."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), "r+", encoding="utf-8"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a log line may hold what this terminal cannot show


def all_verbs() -> Mapping[str, Verb]:
    """By name, in the order of the alphabet."""
    names = sorted(item.name for item in pkgutil.iter_modules(verbs.__path__))
    return {name: importlib.import_module(f"{verbs.__name__}.{name}").VERB for name in names}


def _parser(stack: Stack, found: Mapping[str, Verb]) -> argparse.ArgumentParser:
    shown = {name: verb.summary for name, verb in found.items() if not verb.hidden}
    width = max(len(name) for name in shown)
    parser = argparse.ArgumentParser(
        prog=stack.name,
        description=f"Looks after the stack {stack.name} on this host, without Ansible.",
        epilog="verbs:\n"
        + "".join(f"    {name.ljust(width)}  {summary}\n" for name, summary in shown.items())
        + f"\n`{stack.name} VERB --help` tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"drydock.serving {stack.version}")
    listed = parser.add_subparsers(dest="verb", metavar="VERB", required=True, help="what to do, see below")
    for name, verb in found.items():
        verb.arguments(
            listed.add_parser(
                name,
                description=f"{verb.summary}.\n\n{verb.text}",
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )
        )
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _failed(stack: Stack, message: str) -> int:
    warn(stack.name, message)
    return FAILED


def _half_done(stack: Stack) -> str:
    """Where a release or a rollback was, the person has to know that it is."""
    try:
        begun = stack.layout.journal.exists()
    except OSError:  # only root sees it
        return ""
    told = " A release is half done. What serves goes on serving; the next run, of the tag `stack` or of `rollback`, "
    return f"{told}finishes or undoes it. `{stack.name} status` tells what serves." if begun else ""
