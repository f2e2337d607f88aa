# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a download is, in words. Pure: a status file's text goes in, lines come out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import human
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean, duration, number, shortened

LONGEST_SOURCE = 60
CARRIED = "drydock-carried-"  # how the names of files begin that the controller brought to the host
FETCHING = ("fetch", "place", "done")


@dataclass(frozen=True)
class Snapshot:
    """One reading of the status file that the module keeps on its host. Sizes in bytes, times in seconds.

    :param phase: ``wait``, ``fetch``, ``place`` or ``done``; ``start`` before the first reading.
    :param waiting_for: who holds the store, in phase ``wait``; which hosts are about to have its files, in ``fetch``.
    :param rate: bytes per second, lately.
    :param eta: seconds left; ``None`` when nobody knows.
    :param updated: when the host wrote it, by its own clock; only good for telling two readings apart.
    """

    phase: str = "fetch"
    waiting_for: str = ""
    bytes_done: int = 0
    bytes_total: int = 0
    files_done: int = 0
    files_total: int = 0
    rate: float = 0.0
    eta: float | None = None
    source: str = ""
    pid: int = 0
    updated: float = 0.0

    @property
    def percent(self) -> int:
        """Whole per cent, 100 only when the last byte is there."""
        if self.bytes_total <= 0:
            return 0
        return min(100, max(0, self.bytes_done) * 100 // self.bytes_total)

    @property
    def working(self) -> bool:
        """Not waiting for another sync."""
        return self.phase != "wait"

    @property
    def soon(self) -> float | None:
        """Seconds after which it may be over."""
        return self.eta if self.phase == "fetch" else None

    @property
    def tenths(self) -> int:
        """Tenths of the way."""
        return self.percent // 10

    @property
    def landmark(self) -> tuple[str, ...]:
        """Another phase, or another one to wait for."""
        return (self.phase, self.waiting_for)

    def describe(self) -> str:
        """See :func:`describe`."""
        return describe(self)

    def stored(self) -> dict[str, Any]:
        """As :func:`parse` reads it."""
        return asdict(self)


def parse(text: str) -> Snapshot | None:
    """Read a status file; ``None`` when there is none or it is not one. Nothing of it reaches a terminal unclean."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, Mapping) or not isinstance(found.get("phase"), str):
        return None
    eta = found.get("eta")
    return Snapshot(
        phase=clean(found["phase"]),
        waiting_for=clean(found.get("waiting_for") or ""),
        bytes_done=int(number(found.get("bytes_done"))),
        bytes_total=int(number(found.get("bytes_total"))),
        files_done=int(number(found.get("files_done"))),
        files_total=int(number(found.get("files_total"))),
        rate=number(found.get("rate")),
        eta=None if eta is None else number(eta),
        source=clean(found.get("source") or ""),
        pid=int(number(found.get("pid"))),
        updated=number(found.get("updated")),
    )


def describe(now: Snapshot) -> str:
    """One host in full: ``45 % of 2.1 GB, 105.0 MB/s, 12 s left, 1 of 3 files, from https://models.example.org``."""
    return ", ".join(_parts(now))


def _parts(now: Snapshot) -> list[str]:
    """What there is to say, what matters most first."""
    if now.phase == "wait":
        return [f"waits for {now.waiting_for or 'another sync'}"]
    if now.phase == "start" or now.bytes_total <= 0:
        return ["starts"]
    parts = [f"{now.percent} % of {human(now.bytes_total)}"]
    if _is_idle(now):
        parts.append(f"waits for {shortened(now.waiting_for, LONGEST_SOURCE)} to have the rest")
    elif now.phase == "fetch" and now.bytes_done < now.bytes_total:
        parts += [_pace(now), _left(now)]
    if now.files_total > 1:
        parts.append(f"{now.files_done} of {now.files_total} files")
    if now.phase != "fetch":
        parts.append("putting the files in place")
    elif now.source and not _is_idle(now):
        parts.append(f"from {shortened(_origin(now.source), LONGEST_SOURCE)}")
    return parts


def _is_idle(now: Snapshot) -> bool:
    """Nothing moves, because other hosts of the group are not as far yet."""
    return now.phase == "fetch" and bool(now.waiting_for) and now.rate < 1 and now.bytes_done < now.bytes_total


def _origin(source: str) -> str:
    """``https://host[:port]`` of an address; what has no host stays whole, as a bundle's path."""
    if f"/{CARRIED}" in source:
        return "the controller"
    scheme, mark, rest = source.partition("://")
    host = rest.partition("/")[0]
    return f"{scheme}{mark}{host}" if host else source


def _pace(now: Snapshot) -> str:
    return f"{human(int(now.rate))}/s" if now.rate >= 1 else "no bytes lately"


def _left(now: Snapshot) -> str:
    return "time left unknown" if now.eta is None else f"{duration(now.eta)} left"


def brief(now: Snapshot) -> str:
    """One host among many: ``45 % 105.0 MB/s``."""
    if now.phase in ("wait", "start"):
        return f"{now.phase}s"
    if _is_idle(now):
        return f"{now.percent} % waits for {now.waiting_for}"
    return f"{now.percent} % {human(int(now.rate))}/s" if now.phase == "fetch" else f"{now.percent} %"


def board(hosts: Mapping[str, Snapshot], *, width: int, turn: int = 0) -> str:
    """All hosts on one line of at most ``width`` letters: the sum, then as many hosts as there is room for.

    :param turn: which host comes first; counting it up shows all in turn.
    """
    if not hosts:
        return ""
    if len(hosts) == 1:
        ((name, only),) = hosts.items()
        parts = _parts(only)
        while len(parts) > 1 and len(f"{name}: {', '.join(parts)}") > width:
            parts.pop()
        return shortened(f"{name}: {', '.join(parts)}", width)
    line = _sum(list(hosts.values()))
    names = sorted(hosts)
    first = turn % len(names)
    for name in names[first:] + names[:first]:
        more = f"{line} | {name} {brief(hosts[name])}"
        if len(more) > width:
            break
        line = more
    return shortened(line, width)


def _sum(all_of_them: list[Snapshot]) -> str:
    moving = [one for one in all_of_them if one.phase in FETCHING]
    total = Snapshot(
        bytes_done=sum(one.bytes_done for one in moving),
        bytes_total=sum(one.bytes_total for one in moving),
        rate=sum(one.rate for one in moving if one.phase == "fetch"),
    )
    waiting = len(all_of_them) - len(moving)
    words = f"{len(all_of_them)} hosts: {total.percent} % of {human(total.bytes_total)}, {human(int(total.rate))}/s"
    return f"{words}, {waiting} waiting" if waiting else words
