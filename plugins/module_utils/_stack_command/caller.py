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

from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.host import Host
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._release.waiting import Waiter


def actor() -> str:
    """The person behind ``sudo``, at this host."""
    return f"{os.environ.get('SUDO_USER') or _user()}@{socket.gethostname()}"


def now() -> str:
    """In UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def say(text: str) -> None:
    """One line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def warn(stack: str, text: str) -> None:
    """One line that is no result."""
    sys.stderr.write(f"{stack}: {text}\n")


def this_host() -> Host:
    """Real programs and real time."""
    runner = SubprocessRunner()
    engine = Engine(runner)
    return Host(
        runner=runner,
        engine=engine,
        waiter=Waiter(engine, clock=time.monotonic),
        now=now,
        clock=time.monotonic,
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return str(os.getuid())
