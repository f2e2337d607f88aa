# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is this container healthy? ``python3 -m ocr.healthcheck api`` or ``worker``; exit status 0 or 1.

Needs no network tools; standard library only, because it runs every few seconds.
"""

from __future__ import annotations

import http.client
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

HEARTBEAT = "heartbeat"
HEARTBEAT_AGE = 30.0
TIMEOUT = 4.0


def reader_mark(state_dir: Path, pid: int) -> Path:
    """The file that says: this process has loaded the models and they read right."""
    return state_dir / f"reader-{pid}"


def api_problem(port: int) -> str:
    """What is wrong with the API; empty when it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = answer.read(1000).decode(errors="replace")
    except (OSError, http.client.HTTPException) as exc:
        return f"/health/ready on port {port} does not answer: {exc}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"/health/ready answers {answer.status}: {body}"


def worker_problem(state_dir: Path, now: float) -> str:
    """What is wrong with the worker; empty when its main loop beats and a process of it can read.

    :param now: seconds since the epoch.
    """
    try:
        age = now - (state_dir / HEARTBEAT).stat().st_mtime
    except OSError:
        return "the worker has not connected to the queue yet"
    if age > HEARTBEAT_AGE:
        return f"the worker's last heartbeat is {age:.0f} s old; is the queue reachable?"
    marks = [mark.name.partition("-")[2] for mark in state_dir.glob("reader-*")]
    if not any(Path("/proc", pid).exists() for pid in marks):
        return "no process of the worker has its models loaded yet"
    return ""


def main(arguments: Sequence[str]) -> int:
    """The command line."""
    roles = {
        "api": lambda: api_problem(int(os.environ.get("OCR_PORT", "8000"))),
        "worker": lambda: worker_problem(Path(os.environ.get("OCR_STATE_DIR", "/tmp/ocr")), time.time()),  # noqa: S108 - the container's own tmpfs
    }
    if len(arguments) != 1 or arguments[0] not in roles:
        sys.stderr.write("usage: python3 -m ocr.healthcheck api|worker\n")
        return 2
    problem = roles[arguments[0]]()
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
