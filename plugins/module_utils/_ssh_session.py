# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH session that the running module came in by, as the host's sshd sees it.

``sudo`` drops ``SSH_CONNECTION``, so it is read from the environment of the processes above this one, which root may.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_DEPTH = 64


@dataclass(frozen=True)
class Session:
    """One SSH connection. ``port`` is the one sshd listens on."""

    client: str
    port: int
    user: str = ""


def find_session(pid: int, environment: Mapping[str, str], proc: Path = Path("/proc")) -> Session | None:
    """The SSH session that process ``pid`` descends from; None when there is none (local connection, console)."""
    own = _parse(environment)
    if own is not None:
        return own
    for _step in range(MAX_DEPTH):
        if pid <= 1:
            return None
        session = _parse(_environment(proc / str(pid) / "environ"))
        if session is not None:
            return session
        pid = _parent(proc / str(pid) / "status")
    return None


def _parse(environment: Mapping[str, str]) -> Session | None:
    """``client port server port``, as sshd(8) exports it."""
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4 or not parts[3].isdigit():
        return None
    return Session(client=parts[0], port=int(parts[3]), user=environment.get("LOGNAME", ""))


def _environment(path: Path) -> dict[str, str]:
    try:
        entries = path.read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def _parent(path: Path) -> int:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("PPid:")), 0)
