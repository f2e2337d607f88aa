# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a health target is, and what was seen when it was looked at. Values only, no input or output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Union

# In the order in which a service comes up. A target of a later phase is looked at once the earlier ones are passed.
PHASES = ("process", "port", "loading", "ready", "infers")
ANY = "any"  # whatever a container's health check says


@dataclass(frozen=True)
class Tls:
    """How a connection is encrypted and judged.

    :param ca_path: certificates to trust instead of the system's.
    :param name: the name the certificate has to be for.
    :param days: the certificate has to be good for at least so many more days.
    """

    name: str
    ca_path: str | None = None
    days: int | None = None


@dataclass(frozen=True)
class JsonTest:
    """One condition on the value at a dotted path of a JSON answer; ``test`` is one of ``predicates.TESTS``."""

    path: str
    test: str
    value: Any = None


@dataclass(frozen=True)
class HttpSpec:
    """An HTTP or HTTPS request and what its answer has to be.

    ``address`` is connected to instead of the URL's host; the certificate is still verified for the URL's host,
    and that host is what the request names. ``max_latency``: seconds to the end of the body.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    status: frozenset[int] = frozenset({200})
    json: Mapping[str, Any] = field(default_factory=dict)
    json_tests: tuple[JsonTest, ...] = ()
    contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()
    max_latency: float | None = None
    ca_path: str | None = None
    certificate_days: int | None = None
    address: str | None = None


@dataclass(frozen=True)
class TcpSpec:
    """A port that has to accept a connection."""

    host: str
    port: int


@dataclass(frozen=True)
class GrpcSpec:
    """A server with ``grpc.health.v1.Health``. ``service`` empty: the server as a whole."""

    host: str
    port: int
    service: str = ""
    tls: Tls | None = None


@dataclass(frozen=True)
class PostgresSpec:
    """A PostgreSQL server that has to take a client of this name, who does not log in."""

    host: str
    port: int
    user: str = "postgres"
    database: str | None = None
    tls: Tls | None = None


@dataclass(frozen=True)
class RedisSpec:
    """A Redis (or Valkey) server that has to answer PING, or to ask for a password."""

    host: str
    port: int
    tls: Tls | None = None


@dataclass(frozen=True)
class ContainerSpec:
    """A container and the state it has to be in.

    ``health`` None: looked at only where the container has a health check; ``ANY``: not looked at. ``exit_code`` not
    None: the container is a job that has to end with this code.
    """

    container: str
    state: str = "running"
    health: str | None = None
    exit_code: int | None = None
    max_restarts: int = 3


@dataclass(frozen=True)
class CommandSpec:
    """A command in a running container, by its arguments and without a shell, and how it has to end."""

    container: str
    command: tuple[str, ...]
    exit_code: int = 0
    contains: tuple[str, ...] = ()
    matches: tuple[str, ...] = ()


Spec = Union[HttpSpec, TcpSpec, GrpcSpec, PostgresSpec, RedisSpec, ContainerSpec, CommandSpec]


@dataclass(frozen=True)
class Target:
    """One thing to poll. ``interval`` and ``timeout`` (of one attempt) are seconds.

    :param budget: seconds from the start of polling after which this target is given up, whatever time others have.
    :param span: the same, from the moment when its phase began.
    :param phase: one of ``PHASES``.
    :param group: targets of one group go through the phases by themselves, whatever other groups do.
    :param backoff: every failure in a row makes the next pause so many times longer, up to ``max_interval``.
    """

    name: str
    spec: Spec
    interval: float = 2.0
    timeout: float = 5.0
    successes: int = 1
    budget: float | None = None
    span: float | None = None
    phase: str = "ready"
    group: str = ""
    backoff: float = 1.0
    max_interval: float = 30.0

    @property
    def watched(self) -> bool:
        """Looked at until the end, also when healthy: a container may crash while others are waited for."""
        return isinstance(self.spec, ContainerSpec) and self.spec.exit_code is None

    def pause(self, failures: int, *, spread: float = 0.0) -> float:
        """Seconds until the next attempt.

        :param failures: failed attempts in a row.
        :param spread: the pause is longer by this part of it, or shorter where it is negative.
        """
        longest = max(self.interval, self.max_interval)
        # far below what a float holds, and far above what any pause reaches
        longer = self.interval * self.backoff ** min(max(0, failures - 1), 64)
        return min(longer, longest) * (1 + spread)


@dataclass(frozen=True)
class Observation:
    """What one attempt saw. ``final``: waiting longer cannot help (a container that has exited)."""

    ok: bool
    summary: str
    final: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a module's result and in a release record."""
        return {"ok": self.ok, "summary": self.summary, "final": self.final, **self.facts}
