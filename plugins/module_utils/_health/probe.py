# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that knows which probe belongs to which kind of target."""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.grpc import probe_grpc
from ansible_collections.drydock.serving.plugins.module_utils._health.http import HttpAttempt
from ansible_collections.drydock.serving.plugins.module_utils._health.parking import Parked
from ansible_collections.drydock.serving.plugins.module_utils._health.postgres import probe_postgres
from ansible_collections.drydock.serving.plugins.module_utils._health.redis import probe_redis
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    CommandSpec,
    ContainerSpec,
    GrpcSpec,
    HttpSpec,
    Observation,
    PostgresSpec,
    RedisSpec,
    Target,
    TcpSpec,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.tcp import probe_tcp

ContainerProbe = Callable[[ContainerSpec, float], Observation]
CommandProbe = Callable[[CommandSpec, float], Observation]


def _no_commands(_spec: CommandSpec, _timeout: float) -> Observation:
    raise NotImplementedError("whoever polls commands says how they are run")


class Prober:
    """Looks once at a target of any kind. What needs an engine is given."""

    def __init__(self, container: ContainerProbe, command: CommandProbe = _no_commands) -> None:
        self._probes: dict[type, Callable[[Any, float], Observation | Parked]] = {
            HttpSpec: lambda spec, timeout: HttpAttempt(spec, timeout).begin(),
            TcpSpec: probe_tcp,
            GrpcSpec: probe_grpc,
            PostgresSpec: probe_postgres,
            RedisSpec: probe_redis,
            ContainerSpec: container,
            CommandSpec: command,
        }

    def __call__(self, target: Target, timeout: float) -> Observation | Parked:
        return self._probes[type(target.spec)](target.spec, timeout)
