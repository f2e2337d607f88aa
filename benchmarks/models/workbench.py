# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every case uses: a process that is timed, contenders that take turns, and rows that are judged."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1024 * 1024
GIB = 1024 * MIB
# No contender takes this long; one that does hangs.
PATIENCE = 600.0


class CannotRunError(Exception):
    """A case or a contender cannot run here; the text says why, and what would help."""


def say(text: str) -> None:
    """Progress, for who waits. The table goes to standard output, this does not."""
    print(f"  {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Ended:
    """A process that has ended: seconds from start to end, most memory it held in bytes, what it printed."""

    returncode: int
    seconds: float
    peak_bytes: int
    output: str


class Process:
    """A process of its own group. Its memory is the kernel's own count, taken when it has ended.

    The kernel starts that count at what the starting process holds, so this one stays small: it never has a file's
    content in memory, and the servers run in processes of their own.
    """

    def __init__(self, argv: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self._output = folder / f"output-{time.monotonic_ns()}"
        with self._output.open("wb") as handle:
            self._started = time.monotonic()
            self._process = subprocess.Popen(
                list(argv),
                cwd=folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        """Whether it has not ended. Does not reap it, as the count of its memory comes with that."""
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def kill(self) -> Ended:
        """End it as a power cut would, with all it started."""
        os.killpg(self._process.pid, signal.SIGKILL)
        return self.wait()

    def wait(self) -> Ended:
        """Wait until it has ended."""
        alarm = time.monotonic() + PATIENCE
        try:
            while self.running:
                if time.monotonic() > alarm:
                    os.killpg(self._process.pid, signal.SIGKILL)
                time.sleep(0.005)
        except BaseException:
            os.killpg(self._process.pid, signal.SIGKILL)  # interrupted: leave nothing behind
            raise
        seconds = time.monotonic() - self._started
        _pid, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        output = self._output.read_text(encoding="utf-8", errors="replace")
        self._output.unlink()
        return Ended(self._process.returncode, seconds, usage.ru_maxrss * 1024, output)


def run(argv: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a process that must succeed.

    :raises CannotRunError: it failed.
    """
    ended = Process(argv, folder=folder, environment=environment).wait()
    if ended.returncode != 0:
        raise CannotRunError(f"{Path(argv[0]).name} ended with {ended.returncode}: {ended.output.strip()[-600:]}")
    return ended


def remove(path: Path) -> None:
    """Remove a tree, also one whose directories were made read-only."""
    if not path.exists():
        return
    for folder, _folders, _files in os.walk(path):
        Path(folder).chmod(0o700)
    shutil.rmtree(path)


@dataclass
class Series:
    """The same thing measured several times; ``why`` it could not be, where it could not."""

    values: list[float] = field(default_factory=list)
    why: str = ""

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    @property
    def text(self) -> str:
        """For the table."""
        return f"{self.median:.2f} ({min(self.values):.2f} to {max(self.values):.2f})" if self.measured else "-"

    @property
    def measured(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.values) and not self.why


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, Series]:
    """Measure all contenders once, then all again: whatever else the machine does meets them alike.

    One that cannot run is left out from then on.
    """
    found = {name: Series() for name in contenders}
    for number in range(rounds):
        for name, measure in contenders.items():
            series = found[name]
            if series.why:
                continue
            try:
                value = measure()
            except CannotRunError as error:
                series.why = f"{name}: {error}"
                say(series.why)
                continue
            series.values.append(value)
            say(f"round {number + 1} of {rounds}: {name:<34} {value:8.2f}")
    return found


@dataclass(frozen=True)
class Bar:
    """What must be reached: ``peer / ours`` at least, ``ours / peer`` at most, or ``ours`` at most."""

    of: str
    limit: float

    @property
    def text(self) -> str:
        """In words, for the table."""
        return {"faster": f"≥ {self.limit:g} x", "within": f"≤ {self.limit:g} x", "most": f"≤ {self.limit:g}"}[self.of]


@dataclass(frozen=True)
class Row:
    """One line of the table. A row without a bar is there to be compared with."""

    case: str
    unit: str
    ours: Series
    against: str = ""
    peer: Series = field(default_factory=Series)
    bar: Bar | None = None

    @property
    def why(self) -> str:
        """Why it could not be measured."""
        return self.ours.why or self.peer.why

    @property
    def ratio(self) -> float | None:
        """``peer / ours`` where more is better, ``ours / peer`` where less is."""
        if not self.ours.measured or not self.peer.measured:
            return None
        if self.bar is not None and self.bar.of == "within":
            return self.ours.median / self.peer.median
        return self.peer.median / self.ours.median

    @property
    def ok(self) -> bool:
        """Whether the bar is reached; never for a row that could not be measured."""
        if self.bar is None:
            return self.ours.measured
        if self.bar.of == "most":
            return self.ours.measured and max(self.ours.values) <= self.bar.limit
        if self.ratio is None:
            return False
        return self.ratio >= self.bar.limit if self.bar.of == "faster" else self.ratio <= self.bar.limit

    def as_json(self) -> dict[str, Any]:
        """The row in the format of every benchmark here."""
        value: dict[str, Any] = {"case": self.case, "against": self.against, "unit": self.unit, "ok": self.ok}
        for name, series in (("ours", self.ours), ("peer", self.peer)):
            value[name] = round(series.median, 3) if series.measured else None
            value[f"{name}_min"] = round(min(series.values), 3) if series.measured else None
            value[f"{name}_max"] = round(max(series.values), 3) if series.measured else None
        value["ratio"] = None if self.ratio is None else round(self.ratio, 2)
        value["bar"] = None if self.bar is None else self.bar.limit
        value["rule"] = None if self.bar is None else self.bar.text
        return value if not self.why else {**value, "why": self.why}


def table(rows: Sequence[Row]) -> str:
    """All rows for people."""
    head = ("case", "ours, median (min to max)", "peer, median (min to max)", "unit", "ratio", "bar", "")
    lines = [head]
    for row in rows:
        verdict = ("ok" if row.ok else "MISSED") if row.bar is not None else ""
        lines.append(
            (
                f"{row.case} / {row.against}" if row.against else row.case,
                row.ours.text,
                row.peer.text,
                row.unit,
                "-" if row.ratio is None else f"{row.ratio:.2f}",
                "" if row.bar is None else row.bar.text,
                "could not run" if row.why else verdict,
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([*text, *dict.fromkeys(f"{row.case}: {row.why}" for row in rows if row.why)])


@dataclass(frozen=True)
class Bench:
    """Where a case works and how often it measures."""

    folder: Path
    rounds: int

    def within(self, name: str) -> Bench:
        """The same, in an empty directory of its own."""
        folder = self.folder / name
        remove(folder)
        folder.mkdir()
        return dataclasses.replace(self, folder=folder)
