# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m echo api``, ``worker`` or ``alive`` (the worker's health check)."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from . import server, tasks
from .settings import Settings

USAGE = "usage: python3 -m echo api|worker|alive\n"


def main(arguments: Sequence[str]) -> int:
    """Run a role until told to stop."""
    settings = Settings.from_environment(os.environ)
    if settings.faults.crash_at_start:
        sys.stderr.write("told to crash at the start (ECHO_FAULTS)\n")
        return 3
    if arguments == ["api"]:
        return asyncio.run(server.serve(settings))
    if arguments == ["worker"]:
        return tasks.work(settings)
    if arguments == ["alive"]:
        return 0 if tasks.alive() else 1
    sys.stderr.write(USAGE)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
