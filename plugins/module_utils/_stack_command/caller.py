# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls the command, how it speaks to them, and the host as releases see it."""

from __future__ import annotations

import getpass
import os
import socket
import sys
import time
from datetime import datetime, timezone
from typing import Callable, TextIO

from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.pulling import telling
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.lines import Lines


def actor() -> str:
    """The person behind ``sudo``, at this host."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def now() -> str:
    """In UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(text: str) -> None:
    """One line, at once."""
    write(sys.stdout, f"{text}\n")


def warn(stack: str, text: str) -> None:
    """One line that is no result."""
    write(sys.stderr, f"{stack}: {text}\n")


def write(stream: TextIO, text: str) -> None:
    """What is done goes on when nobody reads it any more: a rollback must not end with a terminal."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        silence(stream)


def silence(stream: TextIO) -> None:
    """Whatever is written to it from now on goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def this_host(tell: Callable[[str], None] = lambda _text: None) -> Host:
    """Real programs and real time.

    :param tell: told how far a verb is, now and then.
    """
    runner = SubprocessRunner()
    progress = Progress(listen=Lines(tell, clock=time.monotonic))
    engine = Engine(runner, puller=telling(progress.tell))
    return Host(
        runner=runner,
        engine=engine,
        waiter=Waiter(engine, clock=time.monotonic, tell=progress.tell),
        now=now,
        clock=time.monotonic,
        progress=progress,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return str(os.getuid())
