# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that knows which probe belongs to which kind of target."""

from __future__ import annotations

from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.http import probe_http
from ansible_collections.drydock.serving.plugins.module_utils._health.target import (
    ContainerSpec,
    HttpSpec,
    Observation,
    Target,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.tcp import probe_tcp

ContainerProbe = Callable[[ContainerSpec, float], Observation]


class Prober:
    """Looks once at a target of any kind."""

    def __init__(self, container: ContainerProbe) -> None:
        self._container = container

    def __call__(self, target: Target, timeout: float) -> Observation:
        spec = target.spec
        if isinstance(spec, HttpSpec):
            return probe_http(spec, timeout)
        if isinstance(spec, ContainerSpec):
            return self._container(spec, timeout)
        return probe_tcp(spec, timeout)
