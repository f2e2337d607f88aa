# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Showing a module that runs on this very machine while its task waits for it: the status file is read beside it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter

INTERVAL = 1.0  # seconds between two looks


@contextlib.contextmanager
def shown_beside(status: Path, kind: Kind[R], reporter: Reporter) -> Iterator[None]:
    """Show what stands in the status file until the block ends."""
    over = threading.Event()

    thread = threading.Thread(target=look_until, args=(over.wait, status, kind, reporter), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def look_until(wait: Callable[[float], bool], status: Path, kind: Kind[R], reporter: Reporter) -> None:
    """Look and show until ``wait``, which takes seconds, says that it is over."""
    while not wait(INTERVAL):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            reading = kind.parse(status.read_text(encoding="utf-8"))
            if reading is not None:
                reporter.show(reading)
