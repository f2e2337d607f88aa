# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge to other programs: everything a release does to the engine goes through one small protocol."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Callable, Protocol

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
    """Runs programs for real.

    They inherit the descriptor of the lease, so a stack stays taken while a program of a killed run still works on it.
    A program that takes too long ends with its children: `docker compose` is a child of `docker`.
    """

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        process = _start(argv)
        if process is None:
            return Completed(argv=tuple(argv), code=NOT_FOUND, err=f"{argv[0]}: not found")
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise _timed_out(argv, timeout) from error
        return _completed(argv, process.returncode, out, err)

    def stream(self, argv: Sequence[str], on_line: Callable[[str], None], *, timeout: float) -> Completed:
        """The same, and each line of its standard output is handed on when it comes.

        :raises DrydockError: ``timed_out``.
        """
        process = _start(argv)
        if process is None:
            return Completed(argv=tuple(argv), code=NOT_FOUND, err=f"{argv[0]}: not found")
        out, err = list[bytes](), list[bytes]()
        readers = [
            threading.Thread(target=_read, args=(process.stdout, out, on_line), name="output", daemon=True),
            threading.Thread(target=_read, args=(process.stderr, err, _ignore), name="errors", daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            process.wait(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise _timed_out(argv, timeout) from error
        for reader in readers:
            reader.join()
        return _completed(argv, process.returncode, b"".join(out), b"".join(err))


def _start(argv: Sequence[str]) -> subprocess.Popen[bytes] | None:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
            close_fds=False,  # Python's own descriptors are not inheritable; the lease's is, on purpose
        )
    except FileNotFoundError:
        return None


def _read(stream: IO[bytes] | None, kept: list[bytes], on_line: Callable[[str], None]) -> None:
    with contextlib.suppress(ValueError):  # closed by who ends the program
        for line in stream or ():
            kept.append(line)
            on_line(line.decode("utf-8", "replace").rstrip("\r\n"))


def _ignore(_line: str) -> None:
    return


def _completed(argv: Sequence[str], code: int, out: bytes, err: bytes) -> Completed:
    return Completed(
        argv=tuple(argv), code=code, out=out.decode("utf-8", "replace"), err=err.decode("utf-8", "replace")
    )


def _timed_out(argv: Sequence[str], timeout: float) -> DrydockError:
    return DrydockError(
        "timed_out",
        f"`{' '.join(argv[:6])} …` did not end within {timeout:g} s and was stopped. The engine may be "
        "overloaded or hanging: look at `systemctl status docker` and `journalctl -u docker`, then run again.",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
