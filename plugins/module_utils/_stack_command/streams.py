# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs of several containers as one: by time when they end, as they come when they are followed."""

from __future__ import annotations

import contextlib
import heapq
import os
import queue
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import ENVIRONMENT

AHEAD = 1000  # lines that are read before they are written


@dataclass(frozen=True)
class Wanted:
    """Which lines. ``tail`` is a number or ``all``; ``since`` as Docker takes it."""

    tail: str
    since: str | None = None
    follow: bool = False

    def argv(self, container: str) -> list[str]:
        since = ["--since", self.since] if self.since else []
        follow = ["--follow"] if self.follow else []
        return ["docker", "logs", "--timestamps", "--tail", self.tail, *since, *follow, container]


def read_logs(containers: Sequence[str], wanted: Wanted, out: TextIO) -> None:
    """Write each line with its container's name before it.

    :raises DrydockError: ``logs_failed``: the log of a container could not be read, told after those of the others.
    """
    width = max(len(name) for name in containers)
    with contextlib.ExitStack() as stack:
        opened = [(name, stack.enter_context(_reading(wanted.argv(name)))) for name in containers]
        streams = [_lines(process, name.ljust(width)) for name, process in opened]
        for _time, line in _as_they_come(streams) if wanted.follow else heapq.merge(*streams):
            out.write(line)
            if wanted.follow:
                out.flush()
        failed = [name for name, process in opened if process.wait() != 0]
    if failed:
        raise DrydockError(
            "logs_failed",
            f"The log could not be read to its end: {', '.join(failed)}. It may have been removed meanwhile.",
        )


@contextlib.contextmanager
def _reading(argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ENVIRONMENT},
    )
    try:
        yield process
    finally:
        process.terminate()  # does nothing to one that has ended
        process.wait()


def _lines(process: subprocess.Popen[bytes], prefix: str) -> Iterator[tuple[str, str]]:
    """The time of each line, and the line as it is written."""
    for raw in process.stdout or ():
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        yield line.partition(" ")[0], f"{prefix} | {line}\n"


def _as_they_come(streams: Sequence[Iterator[tuple[str, str]]]) -> Iterator[tuple[str, str]]:
    lines: queue.Queue[tuple[str, str] | None] = queue.Queue(AHEAD)

    def feed(stream: Iterator[tuple[str, str]]) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    for stream in streams:
        threading.Thread(target=feed, args=(stream,), daemon=True).start()
    for _stream in streams:
        yield from iter(lines.get, None)
