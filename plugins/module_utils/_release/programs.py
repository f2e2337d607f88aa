# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that are not trusted to end, to be brief or to clean up: bounded in time and in what is kept of their words.

Each runs in a process group of its own, which ends with it. One that is given an environment is also found by it, so
that a child which has left the group ends, too.

A run that is killed cannot end them. Then `timeout` does, a moment after the run would have; and a copy breaks off with
the pipe that it goes through, before it fills the disk. They do not hold the lease: the next run ends what it finds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Callable, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

OUTPUT = 64 * 1024  # bytes of its words that are kept: the last ones
TICK = 0.2  # seconds between two looks whether it has ended
SOON = 0.02  # the same for one that has closed its output: it is about to end
PATIENCE = 3.0  # seconds between asking it to end and ending it
LATER = 5.0  # seconds after its time at which `timeout` ends it; more than that takes
REST = 1024 * 1024  # bytes that are read of what a program had written when it ended
MARK = "DRYDOCK_RUN"
PROC = Path("/proc")
NOT_FOUND = 127
LOOKS = 100  # for what has left the group and does not end at once
PAUSE = 0.02  # seconds between two of them


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
        self, argv: Sequence[str], *, mark: str, environment: Mapping[str, str], timeout: float, given: bytes = b""
    ) -> Ended:
        """Run to the end, with ``given`` on standard input. ``end`` finds it by the mark in its environment."""

    def save(self, argv: Sequence[str], to: IO[bytes], *, timeout: float, watch: Callable[[], None]) -> Ended:
        """Have standard output written to a file. ``watch`` is called now and then; what it raises ends the program."""

    def feed(self, argv: Sequence[str], given: IO[bytes], *, timeout: float) -> Ended:
        """Run to the end, with a file on standard input."""

    def end(self, mark: str) -> bool:
        """End what an earlier run has left of a program with this mark; whether there was anything.

        :raises DrydockError: ``timed_out`` when it does not end.
        """


class HostPrograms:
    """Runs them for real."""

    def run(
        self, argv: Sequence[str], *, mark: str, environment: Mapping[str, str], timeout: float, given: bytes = b""
    ) -> Ended:
        # a file, so that one that does not read it holds nobody up; in memory, so that a full disk does not, either
        with os.fdopen(os.memfd_create("given"), "w+b") as source:
            source.write(given)
            source.seek(0)
            return _run(argv, stdin=source, mark=mark, environment=environment, timeout=timeout)

    def save(self, argv: Sequence[str], to: IO[bytes], *, timeout: float, watch: Callable[[], None]) -> Ended:
        return _run(argv, stdin=subprocess.DEVNULL, to=to, timeout=timeout, watch=watch)

    def feed(self, argv: Sequence[str], given: IO[bytes], *, timeout: float) -> Ended:
        return _run(argv, stdin=given, timeout=timeout)

    def end(self, mark: str) -> bool:
        found = _left(mark)
        if found and not _end_left(mark):
            numbers = ", ".join(map(str, _left(mark)))
            raise DrydockError(
                "timed_out",
                f"A program that an earlier run has left running does not end, not even killed: process {numbers}. It "
                "hangs in the kernel, most likely on a disk or a network file system: look at `ps -o pid,stat,wchan:30,"
                f"args --pid {numbers.replace(' ', '')}` and at `journalctl -k`. Nothing was begun beside it.",
                processes=_left(mark),
            )
        return bool(found)


def new_mark() -> str:
    """One that no other program has."""
    return secrets.token_hex(16)


def _run(
    argv: Sequence[str],
    *,
    stdin: Any,
    timeout: float,
    to: IO[bytes] | None = None,
    mark: str = "",
    environment: Mapping[str, str] | None = None,
    watch: Callable[[], None] = lambda: None,
) -> Ended:
    mark = mark or new_mark()
    said = _Tail()
    pipes = [_Pipe(said.add), *([] if to is None else [_Pipe(to.write)])]
    try:
        process = subprocess.Popen(
            ["timeout", "-k", f"{PATIENCE:g}", f"{timeout + LATER:g}", *argv],
            stdin=stdin,
            stdout=pipes[-1].writer,
            stderr=pipes[0].writer,
            env={**(os.environ if environment is None else environment), MARK: mark},
            start_new_session=True,
        )
    except OSError as error:
        for pipe in pipes:
            os.close(pipe.reader)
        return Ended(code=NOT_FOUND, output=f"timeout: {error.strerror}")
    finally:
        for pipe in pipes:
            os.close(pipe.writer)
    try:
        late = _follow(process, pipes, timeout, watch)
        if late:
            _ask_to_end(process, pipes)
        _drain(pipes)
    finally:  # also when ``watch`` has had enough
        _end(process, mark)
        for pipe in pipes:
            os.close(pipe.reader)
    return Ended(code=None if late else process.returncode, output=said.text)


class _Tail:
    """Keeps the end of what is said."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, chunk: bytes) -> None:
        self._kept += chunk
        del self._kept[:-OUTPUT]

    @property
    def text(self) -> str:
        return self._kept.decode("utf-8", "replace")


class _Pipe:
    """Hands on what comes through it."""

    def __init__(self, take: Callable[[bytes], Any]) -> None:
        self.reader, self.writer = os.pipe()
        self.open = True
        self._take = take
        os.set_blocking(self.reader, False)

    def read(self) -> bool:
        """What is there now; true when something was."""
        chunk = b""
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(self.reader, OUTPUT)
            self.open = bool(chunk)
        self._take(chunk)
        return bool(chunk)


def _read(pipes: Sequence[_Pipe], wait: float) -> bool:
    """What is there, waiting for it at most so many seconds; true when something was."""
    there = [pipe for pipe in pipes if pipe.open]
    if not there:
        time.sleep(min(wait, SOON))
        return False
    ready = select.select([pipe.reader for pipe in there], [], [], wait)[0]
    found = [pipe.read() for pipe in there if pipe.reader in ready]
    return any(found)


def _drain(pipes: Sequence[_Pipe]) -> None:
    """What a program that has ended has left in its pipes, all of it. Who still holds their other end is not waited
    for, nor read for ever.
    """
    for _chunk in range(REST // OUTPUT):
        if not _read(pipes, 0):
            break


def _follow(
    process: subprocess.Popen[bytes], pipes: Sequence[_Pipe], timeout: float, watch: Callable[[], None]
) -> bool:
    """Until it has ended; true when its time was over before."""
    ends = time.monotonic() + timeout
    while not _has_ended(process):
        left = ends - time.monotonic()
        if left <= 0:
            return True
        _read(pipes, min(TICK, left))
        watch()
    return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Without taking notice of it: until then nobody else gets its number, nor that of its group."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _ask_to_end(process: subprocess.Popen[bytes], pipes: Sequence[_Pipe]) -> None:
    """`timeout` hands it on to the whole group."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    _follow(process, pipes, PATIENCE, lambda: None)


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """With everything that it started, also when it has ended and left something running."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _end_left(mark, process.pid)
    process.wait()


def _end_left(mark: str, session: int = 0) -> bool:
    """End what has left the group; false when something does not end. Each look may find children that were begun
    after the one before.
    """
    for _look in range(LOOKS):
        found = _left(mark, session)
        if not found:
            return True
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(PAUSE)
    return False


def _left(mark: str, session: int = 0) -> list[int]:
    """Processes with this mark in their environment, and those of their sessions: `sudo` takes the mark away.

    :param session: another one besides, that the caller has begun.
    """
    wanted = f"{MARK}={mark}".encode()
    sessions = {number: found for number in _processes() if (found := _session(number))}
    ours = {found for number, found in sessions.items() if wanted in _environment(number)} | {session} - {0}
    return [number for number, found in sessions.items() if found in ours]


def _processes() -> list[int]:
    return [int(item.name) for item in PROC.iterdir() if item.name.isdigit()]


def _session(process: int) -> int:
    """The session of a process that lives; 0 where it has ended, or is the kernel's."""
    try:
        told = (PROC / str(process) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(told[3]) if told[0] not in "ZX" else 0


def _environment(process: int) -> bytes:
    try:
        return (PROC / str(process) / "environ").read_bytes()
    except OSError:  # it has ended, or is the kernel's
        return b""
