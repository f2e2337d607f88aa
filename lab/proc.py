# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs: argument lists, captured output, failures as one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError

LONGEST_LINE = 240

Result = subprocess.CompletedProcess[str]


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float = 600,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    purpose: str = "",
) -> Result:
    """Run a program to its end and return its output.

    :param check: raise LabError on a non-zero exit status.
    :param timeout: seconds after which the program is killed and LabError raised.
    :param env: variables added to this process's environment.
    :param purpose: what the program was to do, for the error message ("build the host image").
    """
    doing = purpose or f"run {argv[0]}"
    try:
        result = subprocess.run(
            list(argv),
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
    except FileNotFoundError as exc:
        raise LabError(
            f"Could not {doing}: the program '{argv[0]}' is not installed. Install it and try again."
        ) from exc
    except subprocess.TimeoutExpired as exc:
        raise LabError(f"Could not {doing}: '{' '.join(argv[:3])}' did not end within {timeout:.0f} s.") from exc
    if check and result.returncode != 0:
        raise LabError(f"Could not {doing}: {last_lines(result)}")
    return result


def last_lines(result: Result, count: int = 6) -> str:
    """The end of what a program said, for an error message."""
    text = (result.stderr.strip() or result.stdout.strip()).splitlines()
    said = " / ".join(line.strip()[:LONGEST_LINE] for line in text[-count:] if line.strip())
    return said or f"exit status {result.returncode}"


def root_prefix() -> list[str] | None:
    """What to put before a command that needs root: nothing, ``sudo -n``, or None where neither is possible."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") and run(["sudo", "-n", "true"], check=False, timeout=10).returncode == 0:
        return ["sudo", "-n"]
    return None
