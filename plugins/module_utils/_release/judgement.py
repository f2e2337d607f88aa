# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a release on probation as good as it has to be? Counts of its answers against thresholds. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.access_log import Entry

RECENT = 60  # seconds: an error that comes late must not drown in an hour of good answers
LEAST_SLOWER = 0.05  # seconds: below that, some multiple of next to nothing is no trouble for anybody
CLIENT_GONE = 499  # nginx's status for a client that did not wait
SWITCHED = 101  # a websocket lasts as long as its client wants


@dataclass(frozen=True)
class Thresholds:
    """What a release may do for ``seconds`` after its switch; 0 seconds: there is no probation.

    :param error_rate: share of answers that are errors of the server (5xx).
    :param latency_seconds: that 95 of 100 answers may take at most; None: not looked at.
    :param latency_factor: the same, as a multiple of what it was before the switch.
    :param min_requests: fewer answers of a service are not judged.
    :param restarts: of one container.
    :param interval: seconds between two looks.
    """

    seconds: float = 0.0
    error_rate: float = 0.05
    latency_seconds: float | None = None
    latency_factor: float | None = None
    min_requests: int = 20
    restarts: int = 0
    interval: float = 1.0

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def thresholds_from(raw: Mapping[str, Any]) -> Thresholds:
    """From the stack model, or from what ``as_dict`` gave. What is not said is as by default.

    :raises TypeError, ValueError: it is something else.
    """
    given = {key: raw[key] for key in vars(Thresholds()) if raw.get(key) is not None}
    kinds = {"min_requests": int, "restarts": int}
    found: dict[str, Any] = {key: kinds.get(key, float)(value) for key, value in given.items()}
    return Thresholds(**found)


@dataclass
class Counts:
    """Answers of one service. ``times`` has seconds with three digits, so that it stays small; ``waited`` has those of
    clients that went away.
    """

    requests: int = 0
    errors: int = 0
    gone: int = 0
    times: Counter[float] = field(default_factory=Counter)
    waited: Counter[float] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        if entry.status == CLIENT_GONE:
            self.gone += 1
            if entry.seconds is not None:
                self.waited[float(f"{entry.seconds:.3g}")] += 1
            return
        self.requests += 1
        if entry.status >= 500:
            self.errors += 1
        elif entry.seconds is not None and entry.status != SWITCHED:
            self.times[float(f"{entry.seconds:.3g}")] += 1

    def take(self, more: Counts) -> None:
        self.requests += more.requests
        self.errors += more.errors
        self.gone += more.gone
        self.times.update(more.times)
        self.waited.update(more.waited)

    @property
    def rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def timed(self) -> int:
        return sum(self.times.values())

    @property
    def p95(self) -> float | None:
        """95 of 100 answers took no longer than these seconds; None without an answer."""
        return _p95(self.times)

    def held_against(self, limit: float) -> Counter[float]:
        """The times, with those of clients that waited for longer and went away: their answers would have taken more.
        One that went away sooner tells nothing.
        """
        return self.times + Counter({seconds: count for seconds, count in self.waited.items() if seconds > limit})

    def figures(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "errors": self.errors,
            "error_rate": round(self.rate, 4),
            "clients_gone": self.gone,
            "p95": self.p95,
        }


def _p95(times: Counter[float]) -> float | None:
    rank = math.ceil(0.95 * sum(times.values()))
    for seconds in sorted(times):
        rank -= times[seconds]
        if rank <= 0:
            return seconds
    return None


class Window:
    """What the services of a release have answered: since the switch, and in the last minute of the log."""

    def __init__(self, services: Mapping[str, str]) -> None:
        """:param services: the address that the edge reaches a container by -> the name of its service."""
        self._services = services
        self._whole: dict[str, Counts] = {name: Counts() for name in services.values()}
        self._seconds: dict[int, dict[str, Counts]] = {}
        self._newest = 0

    def add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            name = self._services.get(entry.upstream)
            if name is None:
                continue
            self._whole[name].add(entry)
            second = int(entry.at)
            self._newest = max(self._newest, second)
            if second > self._newest - RECENT:
                self._seconds.setdefault(second, {}).setdefault(name, Counts()).add(entry)
        for second in [item for item in self._seconds if item <= self._newest - RECENT]:
            del self._seconds[second]

    def whole(self) -> dict[str, Counts]:
        """By service, since the switch."""
        return dict(self._whole)

    def recent(self) -> dict[str, Counts]:
        """By service, in the last minute."""
        found = {name: Counts() for name in self._whole}
        for second in self._seconds.values():
            for name, counts in second.items():
                found[name].take(counts)
        return found


@dataclass(frozen=True)
class Baseline:
    """What a service answered before the switch, as far as the log tells it."""

    requests: int = 0
    error_rate: float = 0.0
    timed: int = 0
    p95: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def baseline_of(counts: Counts) -> Baseline:
    return Baseline(requests=counts.requests, error_rate=round(counts.rate, 4), timed=counts.timed, p95=counts.p95)


@dataclass(frozen=True)
class Look:
    """A container as it was last seen, against how it was when the probation began."""

    name: str
    restarts: int
    killed: bool = False  # for want of memory
    exit_code: int | None = None


@dataclass(frozen=True)
class Breach:
    """A threshold that is passed. ``about`` is error_rate, latency or restarts."""

    about: str
    subject: str  # the service or container
    said: str
    found: float
    allowed: float

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def breaches(
    window: Window, looks: Iterable[Look], thresholds: Thresholds, before: Mapping[str, Baseline]
) -> list[Breach]:
    """Every threshold that is passed, each told once: of since the switch and the last minute, what is worse.

    :param before: by service.
    """
    found = [item for look in looks for item in _container(look, thresholds)]
    whole, recent = window.whole(), window.recent()
    for name in sorted(whole):
        baseline = before.get(name, Baseline())
        stretches = ((whole[name], "since the switch"), (recent[name], f"in the last {RECENT} s"))
        found += _worst(_errors(name, counts, when, thresholds, baseline) for counts, when in stretches)
        found += _worst(_latency(name, counts, when, thresholds, baseline) for counts, when in stretches)
    return found


def _worst(given: Iterable[Breach | None]) -> list[Breach]:
    found = [item for item in given if item is not None]
    return [max(found, key=lambda item: item.found)] if found else []


def _errors(name: str, counts: Counts, when: str, allowed: Thresholds, before: Baseline) -> Breach | None:
    if counts.requests < max(1, allowed.min_requests) or counts.rate <= allowed.error_rate:
        return None
    told = f"{counts.errors} of {counts.requests} answers ({_percent(counts.rate)}) {when} were errors of the server"
    return Breach(
        about="error_rate",
        subject=name,
        said=f"{name}: {told}; allowed are {_percent(allowed.error_rate)}, before the switch it had "
        f"{_percent(before.error_rate)} of {before.requests}",
        found=round(counts.rate, 4),
        allowed=allowed.error_rate,
    )


def latency_limits(allowed: Thresholds, before: Baseline) -> Iterator[tuple[float, str]]:
    """Seconds and words of each limit that there is for a service."""
    if allowed.latency_seconds is not None:
        yield allowed.latency_seconds, f"{allowed.latency_seconds:g} s"
    if allowed.latency_factor is not None and before.p95 is not None and before.timed >= allowed.min_requests:
        limit = max(before.p95 * allowed.latency_factor, before.p95 + LEAST_SLOWER)
        yield round(limit, 3), f"{limit:.3g} s, as it was {before.p95:g} s before the switch"


def _latency(name: str, counts: Counts, when: str, allowed: Thresholds, before: Baseline) -> Breach | None:
    limits = sorted(latency_limits(allowed, before))
    times = counts.held_against(limits[0][0]) if limits else Counter[float]()
    p95, timed = _p95(times), sum(times.values())
    if not limits or p95 is None or timed < allowed.min_requests or p95 <= limits[0][0]:
        return None
    left = timed - counts.timed
    gone = f", for {left} of them clients did not wait" if left else ""
    return Breach(
        about="latency",
        subject=name,
        said=f"{name}: 95 % of {timed} answers {when} took up to {p95:g} s{gone}; allowed are {limits[0][1]}",
        found=p95,
        allowed=limits[0][0],
    )


def _container(look: Look, allowed: Thresholds) -> Iterator[Breach]:
    if look.restarts <= allowed.restarts and not look.killed:
        return
    words = [f"{look.name} was started again by the engine: {look.restarts}, allowed are {allowed.restarts}"]
    if look.killed:
        words.append("it ran out of memory")
    if look.exit_code is not None:
        words.append(f"its last exit code is {look.exit_code}")
    yield Breach(
        about="restarts",
        subject=look.name,
        said="; ".join(words),
        found=look.restarts,
        allowed=allowed.restarts,
    )


def not_judged(window: Window, thresholds: Thresholds, before: Mapping[str, Baseline]) -> list[str]:
    """What a probation that is over could not judge, in words."""
    found = []
    for name, counts in sorted(window.whole().items()):
        if counts.requests < thresholds.min_requests:
            gone = f"; {counts.gone} clients went away before they had one" if counts.gone else ""
            found.append(
                f"{name}: {counts.requests} answers are too few to judge, wanted are {thresholds.min_requests}{gone}"
            )
        elif thresholds.latency_factor is not None and before.get(name, Baseline()).timed < thresholds.min_requests:
            found.append(f"{name}: too few answers before the switch to compare how long they take")
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
