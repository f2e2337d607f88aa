# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inspection of a container says about its health. ``judge`` is pure; ``DockerInspector`` asks the engine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from ansible_collections.drydock.serving.plugins.module_utils._health.docker_client import DockerClient, load_docker
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt
from ansible_collections.drydock.serving.plugins.module_utils._health.target import ANY, ContainerSpec, Observation

EXIT_HINTS = {
    126: "the command cannot be executed",
    127: "the command was not found in the image",
    134: "aborted",
    137: "killed",
    139: "segmentation fault",
    143: "ended by a stop signal",
}
OUT_OF_MEMORY = "the kernel killed one of its processes for want of memory"


def judge(inspection: Mapping[str, Any], spec: ContainerSpec, *, restarts_before: int = 0) -> Observation:
    """Compare an inspection with what is wanted.

    :param inspection: what the engine's inspect call gives for one container.
    :param restarts_before: the restart count when watching began; only later restarts count as a crash loop.
    """
    state: Mapping[str, Any] = inspection.get("State") or {}
    status = str(state.get("Status", "unknown"))
    health = (state.get("Health") or {}).get("Status")
    health = None if health in {None, "", "none"} else str(health)
    restarts = int(inspection.get("RestartCount") or 0)
    facts = {
        "state": status,
        "health": health,
        "restarts": restarts,
        "exit_code": state.get("ExitCode"),
        "oom_killed": bool(state.get("OOMKilled")),
    }

    if spec.exit_code is not None:
        return _judge_job(state, spec, status=status, facts=facts)
    if restarts - restarts_before >= spec.max_restarts:
        return Observation(
            ok=False,
            final=True,
            summary=f"crash loop: {restarts - restarts_before} restarts, now {_described(status, state)}",
            facts=facts,
        )
    if status != spec.state:
        final = status in {"exited", "dead"} or (status == "restarting" and bool(state.get("OOMKilled")))
        return Observation(
            ok=False, final=final, summary=f"{_described(status, state)} instead of {spec.state}", facts=facts
        )
    if not _healthy(health, spec):
        return Observation(ok=False, summary=_health_summary(health, state, spec), facts=facts)
    return Observation(ok=True, summary=f"{status}{f', {health}' if health else ''}", facts=facts)


def absent(container: str) -> Observation:
    """There is no such container; it may still be created."""
    return Observation(ok=False, summary=f"there is no container {container}", facts={"state": "absent"})


def _judge_job(state: Mapping[str, Any], spec: ContainerSpec, *, status: str, facts: Mapping[str, Any]) -> Observation:
    if status not in {"exited", "dead"}:
        return Observation(ok=False, summary=f"{status}, not ended yet", facts=facts)
    if state.get("ExitCode") == spec.exit_code:
        return Observation(ok=True, summary=f"ended with exit code {spec.exit_code}", facts=facts)
    return Observation(
        ok=False, final=True, summary=f"{_ending(state)} instead of exit code {spec.exit_code}", facts=facts
    )


def _healthy(health: str | None, spec: ContainerSpec) -> bool:
    if spec.health is None:
        return health in {None, "healthy"}
    if spec.health == ANY:
        return True
    return health == spec.health


def _health_summary(health: str | None, state: Mapping[str, Any], spec: ContainerSpec) -> str:
    wanted = spec.health or "healthy"
    if health is None:
        return f"running, but the image and its settings have no health check to be {wanted} by"
    log = (state.get("Health") or {}).get("Log") or []
    output = excerpt(str(log[-1].get("Output", ""))) if log else ""
    return f"running, {health} instead of {wanted}{f'; the last check said: {output}' if output else ''}"


def _described(status: str, state: Mapping[str, Any]) -> str:
    return f"{status} ({_ending(state)})" if status in {"exited", "dead", "restarting"} else status


def _ending(state: Mapping[str, Any]) -> str:
    code = state.get("ExitCode")
    hint = "out of memory" if state.get("OOMKilled") else EXIT_HINTS.get(code if isinstance(code, int) else -1, "")
    error = excerpt(str(state.get("Error") or ""))
    return f"exit code {code}" + (f", {hint}" if hint else "") + (f": {error}" if error else "")


class _Seen(NamedTuple):
    """A container when it was first and last looked at."""

    identity: str
    first: int
    last: int
    killed: bool


class Watch:
    """Judges containers over time: remembers the restart count each had when it was first and last seen.

    A container that restarts faster than it is looked at would else seem to run at every look. The engine also keeps
    saying for as long as a container runs that one of its processes was killed for want of memory; what was so before
    the first look is not held against it.
    """

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}  # by container
        self._lock = threading.Lock()

    def judge(self, inspection: Mapping[str, Any], spec: ContainerSpec) -> Observation:
        """What is seen now; never healthy where it has restarted since the last look."""
        identity = str(inspection.get("Id", ""))
        restarts = int(inspection.get("RestartCount") or 0)
        killed = bool((inspection.get("State") or {}).get("OOMKilled"))
        with self._lock:
            known = self._seen.get(spec.container)
            if known is None or known.identity != identity:
                known = _Seen(identity, first=restarts, last=restarts, killed=killed)
            self._seen[spec.container] = known._replace(last=restarts, killed=known.killed and killed)
        seen = judge(inspection, spec, restarts_before=known.first)
        if seen.ok and killed and not known.killed:
            return Observation(ok=False, final=True, summary=f"{seen.summary}, but {OUT_OF_MEMORY}", facts=seen.facts)
        if seen.ok and restarts > known.last:
            again = f"has restarted (restart count {restarts}), {seen.summary} again"
            return Observation(ok=False, summary=again, facts=seen.facts)
        return seen


class DockerInspector:
    """Looks at containers through the Docker SDK."""

    def __init__(self, client: DockerClient) -> None:
        self._client = client
        self._watch = Watch()

    def probe(self, spec: ContainerSpec, _timeout: float) -> Observation:
        """Inspect once."""
        docker = load_docker()
        try:
            inspection = self._client.api().inspect_container(spec.container)
        except docker.errors.NotFound:
            return absent(spec.container)
        except (docker.errors.DockerException, OSError) as error:
            return Observation(ok=False, summary=f"the Docker engine does not answer: {excerpt(str(error))}")
        return self._watch.judge(inspection, spec)
