# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking the program that reads a file whether it accepts it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

# A sudo session of an ordinary user may lack the system directories, where most readers live.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_LIMIT = 4000


@dataclass(frozen=True)
class Verdict:
    """What a reader said. ``output`` is both streams."""

    rc: int
    output: str

    @property
    def said(self) -> str:
        """Its words for a message: the end when they are long."""
        return self.output if len(self.output) <= OUTPUT_LIMIT else "… " + self.output[-OUTPUT_LIMIT:]


Reader = Callable[[Sequence[str], float], Verdict]


def installed(program: str) -> bool:
    """Whether the program is there to be asked."""
    return shutil.which(program, path=_path()) is not None


def ask(argv: Sequence[str], timeout: float) -> Verdict:
    """Run one reader without a shell, in its own session, in the C locale.

    :raises DrydockError: ``validator_missing`` or ``validator_timeout``.
    """
    program = shutil.which(argv[0], path=_path())
    if program is None:
        raise DrydockError(
            "validator_missing",
            f"{argv[0]} is not installed, so it cannot check what it would read. Install it in an earlier task.",
            argv=list(argv),
        )
    with subprocess.Popen(
        [program, *argv[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        env={**os.environ, "PATH": _path(), "LC_ALL": "C", "LANG": "C"},
        start_new_session=True,
    ) as process:
        try:
            output, _unused = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Not waiting for the end of the output: a child in a session of its own may still hold it open.
            raise DrydockError(
                "validator_timeout", f"{' '.join(argv)} gave no answer in {timeout:g} s.", argv=list(argv)
            ) from error
    return Verdict(rc=process.returncode, output=output.decode("utf-8", "replace").strip())


def _path() -> str:
    inherited = os.environ.get("PATH", "")
    return f"{inherited}:{SEARCH_PATH}" if inherited else SEARCH_PATH
