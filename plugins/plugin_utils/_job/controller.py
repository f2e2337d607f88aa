# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Ansible's first process can see and do. Its workers are forked from it and cut off from its terminal.

The action plugin is imported there when the playbook is read, before the first fork, and calls :func:`prepare`.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import multiprocessing
import os
import sys
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._job.screen import CLEAR

NARROW = 80


class Controller:
    """Facts about the first process, kept for its workers."""

    terminal = False
    tty: str | None = None
    pid = 0
    folders: set[str] = set()


def prepare(local_tmp: str, folder: str, farewell: str) -> None:
    """Look at the terminal, make lines appear in a log when they are written, and say good-bye when interrupted.

    Does nothing in a worker, which would only see that its own output leads nowhere.

    :param local_tmp: the run's temporary directory on the controller.
    :param folder: of a kind of job, see :class:`Kind`.
    :param farewell: what is said of jobs that go on when the run is interrupted, with ``{hosts}`` in it.
    """
    if multiprocessing.parent_process() is not None or folder in Controller.folders:
        return
    Controller.folders.add(folder)
    atexit.register(_say_what_goes_on, Path(local_tmp) / folder, farewell, os.getpid())
    if Controller.pid:
        return
    Controller.pid = os.getpid()
    if sys.stdout is not sys.__stdout__ or not isinstance(sys.stdout, io.TextIOWrapper):
        return
    with contextlib.suppress(OSError, ValueError):
        if sys.stdout.isatty():
            Controller.tty = os.ttyname(sys.stdout.fileno())
            Controller.terminal = os.environ.get("TERM", "dumb") != "dumb"
        else:  # into a file or pipe Python writes in blocks of 8 KiB; a line of progress would come too late
            sys.stdout.reconfigure(line_buffering=True)


def width() -> int:
    """Letters in a line of the terminal, as it is now, one less so that the cursor never wraps."""
    if Controller.tty is None:
        return NARROW - 1
    try:
        descriptor = os.open(Controller.tty, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return NARROW - 1
    try:
        return (os.get_terminal_size(descriptor).columns or NARROW) - 1  # some terminals say 0
    except OSError:
        return NARROW - 1
    finally:
        os.close(descriptor)


def orphaned() -> bool:
    """Whether the first process is gone, killed perhaps, and nobody waits for this worker any more."""
    return Controller.pid not in (0, os.getpid(), os.getppid())


def _say_what_goes_on(folder: Path, farewell: str, pid: int) -> None:
    """At the end of a run that was interrupted: on which hosts something goes on."""
    from ansible_collections.drydock.serving.plugins.plugin_utils._job.shared import names_in  # noqa: PLC0415 - an idle run does not need it

    if os.getpid() != pid or not folder.is_dir():
        return
    hosts = sorted(names_in(folder))
    if not hosts:
        return
    shown = ", ".join(hosts[:10]) + (f" and {len(hosts) - 10} more" if len(hosts) > 10 else "")
    clear = CLEAR if Controller.terminal else ""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"{clear}{farewell.format(hosts=shown)}\n")
