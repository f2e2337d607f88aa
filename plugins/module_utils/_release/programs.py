# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are not trusted to end, to be brief or to clean up: bounded in time and in what is kept of their words.

Each runs in a process group of its own, which ends with it. One that is given an environment is also found by it, so
that a child which has left the group ends, too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Protocol

OUTPUT = 64 * 1024  # bytes of its words that are kept: the last ones
TICK = 0.2  # seconds between two looks whether it has ended
SOON = 0.02  # the same for one that has closed its output: it is about to end
PATIENCE = 3.0  # seconds between asking it to end and ending it
REST = 1024 * 1024  # bytes that are read of what a program had written when it ended
MARK = "DRYDOCK_RUN"
PROC = Path("/proc")
NOT_FOUND = 127


@dataclass(frozen=True)
class Ended:
    """How a program ended. ``code`` is None when its time was over. ``output`` is the end of what it said."""

    code: int | None
    output: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0

    def words(self, lines: int = 4) -> str:
        """The last lines that say something."""
        return "\n".join([line.strip() for line in self.output.splitlines() if line.strip()][-lines:])


class Programs(Protocol):
    """Runs programs; see ``HostPrograms``."""

    def run(
        self, argv: Sequence[str], *, given: bytes = b"", environment: Mapping[str, str] | None = None, timeout: float
    ) -> Ended:
        """Run to the end, with ``given`` on standard input."""

    def save(self, argv: Sequence[str], to: IO[bytes], *, timeout: float, watch: Callable[[], None]) -> Ended:
        """Have standard output written to a file. ``watch`` is called now and then; what it raises ends the program."""

    def feed(self, argv: Sequence[str], given: IO[bytes], *, timeout: float) -> Ended:
        """Run to the end, with a file on standard input."""


class HostPrograms:
    """Runs them for real. As with ``SubprocessRunner`` they inherit the lease: a stack stays taken while they work."""

    def run(
        self, argv: Sequence[str], *, given: bytes = b"", environment: Mapping[str, str] | None = None, timeout: float
    ) -> Ended:
        with tempfile.TemporaryFile() as source:  # a file: one that does not read it holds nobody up
            source.write(given)
            source.seek(0)
            return _run(argv, stdin=source, environment=environment, timeout=timeout)

    def save(self, argv: Sequence[str], to: IO[bytes], *, timeout: float, watch: Callable[[], None]) -> Ended:
        return _run(argv, stdin=subprocess.DEVNULL, to=to, timeout=timeout, watch=watch)

    def feed(self, argv: Sequence[str], given: IO[bytes], *, timeout: float) -> Ended:
        return _run(argv, stdin=given, timeout=timeout)


def _run(
    argv: Sequence[str],
    *,
    stdin: Any,
    to: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float,
    watch: Callable[[], None] = lambda: None,
) -> Ended:
    mark = secrets.token_hex(16)
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=writer if to is None else to,
            stderr=writer,
            env=None if environment is None else {**environment, MARK: mark},
            start_new_session=True,
            close_fds=False,  # Python's own descriptors are not inheritable; the lease's is, on purpose
        )
    except OSError as error:
        os.close(reader)
        return Ended(code=NOT_FOUND, output=f"{argv[0]}: {error.strerror}")
    finally:
        os.close(writer)
    said = _Tail(reader)
    try:
        late = _follow(process, said, timeout, watch)
        if late:
            _ask_to_end(process, said)
    finally:  # also when ``watch`` has had enough
        _end(process)
        if environment is not None:
            _end_marked(f"{MARK}={mark}".encode())
        said.close()
    return Ended(code=None if late else process.returncode, output=said.text)


class _Tail:
    """Reads a pipe and keeps the end."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._kept = bytearray()
        self._open = True
        os.set_blocking(reader, False)

    def read(self, wait: float) -> bool:
        """Read once what is there, waiting for it at most so many seconds; true when something was."""
        if not self._open:
            time.sleep(min(wait, SOON))
            return False
        if not select.select([self._reader], [], [], wait)[0]:
            return False
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self._reader, OUTPUT)
            self._open = bool(chunk)
        self._kept += chunk
        del self._kept[:-OUTPUT]
        return bool(chunk)

    def close(self) -> None:
        """Read what is still in the pipe. Whoever holds its other end is not waited for, nor read for ever."""
        for _chunk in range(REST // OUTPUT):
            if not self.read(0):
                break
        os.close(self._reader)

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


def _follow(process: subprocess.Popen[bytes], said: _Tail, timeout: float, watch: Callable[[], None]) -> bool:
    """Until it has ended; true when its time was over before."""
    ends = time.monotonic() + timeout
    while not _has_ended(process):
        left = ends - time.monotonic()
        if left <= 0:
            return True
        said.read(min(TICK, left))
        watch()
    return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without taking notice of it: until then nobody else gets its number, nor that of its group."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ask_to_end(process: subprocess.Popen[bytes], said: _Tail) -> None:
    _signal(process.pid, signal.SIGTERM)
    _follow(process, said, PATIENCE, lambda: None)


def _end(process: subprocess.Popen[bytes]) -> None:
    """With everything of its group, also when it has ended and left something running."""
    _signal(process.pid, signal.SIGKILL)
    process.wait()


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _end_marked(mark: bytes) -> None:
    """End what has left the group. Each look may find children that were begun after the one before."""
    for _look in range(20):
        found = [number for number in _processes() if mark in _environment(number)]
        if not found:
            return
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.01)


def _processes() -> list[int]:
    return [int(item.name) for item in PROC.iterdir() if item.name.isdigit()]


def _environment(process: int) -> bytes:
    try:
        return (PROC / str(process) / "environ").read_bytes()
    except OSError:  # it has ended, or is the kernel's
        return b""
