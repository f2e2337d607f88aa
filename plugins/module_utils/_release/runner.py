# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge to other programs: everything a release does to the engine goes through one small protocol."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

NOT_FOUND = 127
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "COMPOSE_ANSI": "never", "COMPOSE_PROGRESS": "plain", "DOCKER_CLI_HINTS": "false"}


@dataclass(frozen=True)
class Completed:
    """How a program ended. ``code`` is 127 when there is no such program."""

    argv: tuple[str, ...]
    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0

    def error(self, lines: int = 4) -> str:
        """The lines that tell of an error, without the progress around them; else the last ones."""
        said = [line.strip() for line in self.err.splitlines() if "error" in line.lower()]
        return "\n".join(said[-lines:]) or self.tail(lines)

    def tail(self, lines: int = 6) -> str:
        """The last lines it said, standard error first."""
        said = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return "\n".join(said[-lines:])


class Runner(Protocol):
    """Runs a program and waits for it."""

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run to the end; ``timeout`` in seconds.

        :raises DrydockError: ``timed_out``.
        """


class SubprocessRunner:
    """Runs programs for real."""

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        try:
            done = subprocess.run(
                list(argv),
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                env={**os.environ, **ENVIRONMENT},
            )
        except FileNotFoundError:
            return Completed(argv=tuple(argv), code=NOT_FOUND, err=f"{argv[0]}: not found")
        except subprocess.TimeoutExpired as error:
            raise DrydockError(
                "timed_out",
                f"`{' '.join(argv[:6])} …` did not end within {timeout:g} s and was stopped. The engine may be "
                "overloaded or hanging: look at `systemctl status docker` and `journalctl -u docker`, then run again.",
            ) from error
        return Completed(
            argv=tuple(argv),
            code=done.returncode,
            out=done.stdout.decode("utf-8", "replace"),
            err=done.stderr.decode("utf-8", "replace"),
        )
