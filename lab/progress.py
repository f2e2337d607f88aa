# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab says while it works: one line per step, with the seconds since the command began."""

from __future__ import annotations

import sys
import threading
import time

_STARTED = time.monotonic()
_LOCK = threading.Lock()


def elapsed() -> float:
    """Seconds since the command began."""
    return time.monotonic() - _STARTED


def say(message: str) -> None:
    """Print one progress line on standard error; standard output is left to results."""
    with _LOCK:
        print(f"[lab {elapsed():6.1f}s] {message}", file=sys.stderr, flush=True)
