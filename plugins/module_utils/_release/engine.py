# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to, and orders for, the Docker engine outside of Compose."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import pulling
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import on_loopback, registry_of
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import NOT_FOUND, Completed, Runner

STACK_LABEL = "drydock.stack"
FORMAT = "\t".join(
    [
        "{{.Names}}",
        "{{.State}}",
        "{{.Status}}",
        '{{.Label "com.docker.compose.project"}}',
        '{{.Label "com.docker.compose.service"}}',
        '{{.Label "com.docker.compose.config-hash"}}',
        "{{.Networks}}",
        '{{.Label "drydock.unit"}}',
    ]
)
PULL_ATTEMPTS = 3
PULL_DELAY = 3.0
LOOK_TIMEOUT = 30.0  # seconds that a registry may take to tell what an image is made of
CONTAINERD_ROOT = "/var/lib/containerd"

OK = "ok"
MISSING = "missing"
UNREACHABLE = "unreachable"

# kind, what the engine says (lower case), what it means and what to do
PULL_FAILURES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    (
        "no_space",
        ("no space left",),
        "There is no room on the host's disk for the image {image}. Make room where the engine keeps its images "
        "(`docker system df` shows what is used), then run again.",
    ),
    (
        "image_architecture",
        ("no matching manifest for",),
        "The registry {registry} has the image {image} for other kinds of machines than this host. Build it for this "
        "one as well (`docker buildx build --platform …`), or correct its digest or tag in the stack, then run again.",
    ),
    (
        "registry_denied",
        ("unauthorized", "denied", "authentication required", "no basic auth"),
        "The registry {registry} does not give out the image {image} {login}. Check the repository's name, and give "
        "the name and password of an account that may read it in stack_registries, or pull it on the host by hand; "
        "then run again.",
    ),
    (
        "image_missing",
        ("manifest unknown", "name unknown", "does not exist", "not found"),
        "The image {image} is not in the registry {registry}. Push it, or correct its digest or tag in the stack, then "
        "run again.",
    ),
    (
        "registry_unreachable",
        (
            "no such host",
            "connection refused",
            "i/o timeout",
            "timeout exceeded",
            "network is unreachable",
            "no route to host",
            "connection reset",
            "server misbehaving",
            "tls:",
            "x509:",
            "eof",
        ),
        "The registry {registry} does not answer the host, so the image {image} could not be pulled. Check the "
        "registry's name, the host's DNS and network, and that the host trusts the registry's certificate.",
    ),
)


@dataclass(frozen=True)
class Live:
    """A container of the stack as the engine knows it now."""

    name: str
    state: str
    status: str
    project: str
    service: str
    config_hash: str
    networks: tuple[str, ...] = ()
    unit: str = ""  # the service that it is a replica of, or the component

    @property
    def running(self) -> bool:
        """Or could at any moment; not one that was stopped or has ended for good."""
        return self.state not in {"exited", "dead"}

    @property
    def unhealthy(self) -> bool:
        return "(unhealthy)" in self.status

    @property
    def starting(self) -> bool:
        """Its health check has not said anything yet."""
        return "(health: starting)" in self.status


def _live(row: Sequence[str]) -> Live:
    name, state, status, project, service, config_hash, attached, unit = row
    networks = tuple(attached.split(","))
    return Live(name, state, status, project, service, config_hash, networks=networks, unit=unit or service)


class Engine:
    """The Docker engine of this host, through its command."""

    def __init__(
        self,
        runner: Runner,
        *,
        sleep: Callable[[float], None] = time.sleep,
        puller: pulling.Puller = pulling.pull,
    ) -> None:
        self._runner = runner
        self._sleep = sleep
        self._puller = puller

    def containers(self, stack: str) -> tuple[str, list[Live]]:
        """Whether an engine answers (``ok``, ``missing``, ``unreachable``), and the stack's containers, stopped too."""
        done = self._runner.run(
            ["docker", "ps", "--all", "--no-trunc", "--filter", f"label={STACK_LABEL}={stack}", "--format", FORMAT]
        )
        if done.code == NOT_FOUND:
            return MISSING, []
        if not done.ok:
            return UNREACHABLE, []
        rows = [line.split("\t") for line in done.out.splitlines() if line.strip()]
        return OK, [_live(row) for row in rows if len(row) == 8]

    def present(self, stack: str) -> list[Live]:
        """The stack's containers, where an engine has to answer: one that does not is not one without containers.

        :raises DrydockError: ``engine_missing``, ``engine_unreachable``.
        """
        answer, live = self.containers(stack)
        if answer != OK:
            raise _silent(answer)
        return live

    def foreign(self, stack: str, projects: Iterable[str]) -> list[str]:
        """Containers in these Compose projects that are not the stack's. Compose would replace or remove them."""
        form = f'{{{{.Names}}}}\t{{{{.Label "com.docker.compose.project"}}}}\t{{{{.Label "{STACK_LABEL}"}}}}'
        done = self._runner.run(
            ["docker", "ps", "--all", "--filter", "label=com.docker.compose.project", "--format", form]
        )
        rows = [line.split("\t") for line in done.out.splitlines() if line.count("\t") == 2]
        wanted = set(projects)
        return sorted(name for name, project, label in rows if project in wanted and label != stack)

    def inspect(self, container: str) -> Mapping[str, Any] | None:
        """Everything about one container; None when there is none of that name.

        :raises DrydockError: ``engine_unreachable``.
        """
        return self.inspect_all([container]).get(container)

    def inspect_all(self, containers: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The same of several in one call, by name, without those that are not there.

        :raises DrydockError: ``engine_unreachable``.
        """
        done = self._runner.run(["docker", "inspect", "--type", "container", *containers])
        if not done.ok:
            _refuse_silence(done)
        return {str(item["Name"]).lstrip("/"): item for item in json.loads(done.out or "[]")}

    def images(self, references: Iterable[str]) -> dict[str, dict[str, Any]]:
        """The images that are on the host: reference -> {id, digests, platform}, the last like ``linux/amd64``."""
        wanted = sorted(set(references))
        found = self._inspect_images(wanted) if len(wanted) > 1 else None  # one call where all of them are there
        if found is not None:
            return found
        each = {reference: self._inspect_images([reference]) for reference in wanted}
        return {reference: one[reference] for reference, one in each.items() if one is not None}

    def _inspect_images(self, references: Sequence[str]) -> dict[str, dict[str, Any]] | None:
        """None where one of them is not there."""
        form = "{{.Id}}\t{{json .RepoDigests}}\t{{.Os}}/{{.Architecture}}"
        done = self._runner.run(["docker", "image", "inspect", "--format", form, *references])
        lines = done.out.splitlines()
        if not done.ok or len(lines) != len(references):
            return None
        rows = {name: [*line.strip().split("\t"), "", ""] for name, line in zip(references, lines)}
        return {
            name: {"id": row[0], "digests": json.loads(row[1] or "[]") or [], "platform": row[2]}
            for name, row in rows.items()
        }

    def platform(self) -> str:
        """What the engine runs, like ``linux/amd64``; empty when it does not say."""
        done = self._runner.run(["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])
        return done.out.strip() if done.ok else ""

    def data_root(self) -> str:
        """Where the engine keeps images: with containerd's store that is not the engine's own directory."""
        done = self._runner.run(["docker", "info", "--format", "{{.DockerRootDir}}\t{{json .DriverStatus}}"])
        root, _tab, driver = done.out.strip().partition("\t") if done.ok else ("", "", "")
        if "io.containerd.snapshotter" in driver and Path(CONTAINERD_ROOT).is_dir():
            return CONTAINERD_ROOT
        return root or "/var/lib/docker"

    def manifest(self, reference: str, *, config: Path | None = None) -> Mapping[str, Any] | None:
        """What the registry says an image is made of; None when it cannot be had. A missing or refused image is told
        by the pull, which asks through the engine and its proxies.

        :param config: a directory with the logins to use, instead of the host's own.
        :raises DrydockError: ``timed_out``.
        """
        plain = ["--insecure"] if on_loopback(registry_of(reference)) else []  # elsewhere no login goes without TLS
        done = self._runner.run([*_docker(config), "manifest", "inspect", *plain, reference], timeout=LOOK_TIMEOUT)
        try:
            raw = json.loads(done.out) if done.ok else None
        except ValueError:
            raw = None
        return raw if isinstance(raw, dict) else None

    def in_use(self, reference: str) -> bool:
        """Is there a container, stopped or not, of this image or of one that was made from it?"""
        done = self._runner.run(["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={reference}"])
        return not done.ok or bool(done.out.strip())

    def remove_image(self, reference: str) -> bool:
        """Remove an image that nothing uses; the engine refuses one that a container uses. True when it is gone."""
        return self._runner.run(["docker", "image", "rm", reference], timeout=120.0).ok

    def pull(self, reference: str, *, timeout: float, config: Path | None = None) -> None:
        """Bring an image over; a registry that does not answer is asked again.

        :param config: a directory with the logins to use, instead of the host's own.
        :raises DrydockError: ``image_architecture``, ``image_missing``, ``registry_denied``, ``registry_unreachable``,
            ``no_space`` or ``pull_failed``.
        """
        for attempt in range(1, PULL_ATTEMPTS + 1):
            done = self._puller(self._runner, _docker(config), reference, timeout)
            if done.ok:
                return
            error = pull_error(reference, done, given=config is not None)
            if error.kind != "registry_unreachable" or attempt == PULL_ATTEMPTS:
                raise error
            self._sleep(PULL_DELAY * attempt)

    def process(self, container: str) -> int:
        """The host's number of a container's first process; 0 when it does not run.

        :raises DrydockError: ``engine_unreachable``.
        """
        done = self._runner.run(["docker", "inspect", "--type", "container", "--format", "{{.State.Pid}}", container])
        if not done.ok:
            _refuse_silence(done)
            return 0
        return int(done.out.strip() or 0)

    def execute(self, container: str, command: Iterable[str], *, timeout: float) -> Completed:
        """Run a command in a container."""
        return self._runner.run(["docker", "exec", container, *command], timeout=timeout)

    def logs(self, container: str, *, lines: int) -> str:
        """The last lines that a container wrote, each with its time, in that order."""
        done = self._runner.run(["docker", "logs", "--timestamps", "--tail", str(lines), container])
        return "\n".join(sorted([*done.out.splitlines(), *done.err.splitlines()])) if done.ok else ""

    def stop(self, containers: Iterable[str], *, timeout: float) -> None:
        """Stop containers by their own signal and grace period, all at once. They are kept.

        :raises DrydockError: ``up_failed``.
        """
        self._each("stop", containers, timeout)

    def start(self, containers: Iterable[str], *, timeout: float) -> None:
        """Start containers as they were made.

        :raises DrydockError: ``up_failed``.
        """
        self._each("start", containers, timeout)

    def remove(self, containers: Iterable[str], *, timeout: float = 60.0) -> None:
        """Remove containers, also running ones. Data lies outside of them.

        :raises DrydockError: ``up_failed``.
        """
        self._each("rm", containers, timeout, "--force")

    def _each(self, verb: str, containers: Iterable[str], timeout: float, *options: str) -> None:
        names = sorted(containers)
        if not names:
            return
        done = self._runner.run(["docker", verb, *options, *names], timeout=timeout)
        errors = [line for line in done.err.splitlines() if line.strip() and "no such container" not in line.lower()]
        if not done.ok and errors:
            raise DrydockError("up_failed", f"`docker {verb}` of {', '.join(names)} failed: {' '.join(errors[-3:])}")

    def connect(self, network: str, container: str, *, alias: str) -> None:
        """Have a container reached by a name in a network; one that is in it already stays as it is.

        :raises DrydockError: ``up_failed``.
        """
        done = self._runner.run(["docker", "network", "connect", "--alias", alias, network, container])
        if not done.ok and "already exists in network" not in done.err:
            raise DrydockError(
                "up_failed", f"The container {container} could not be put into the network {network}: {done.tail()}"
            )

    def disconnect(self, network: str, container: str) -> None:
        """Take a container out of a network. One that is not in it, or gone, is no trouble."""
        self._runner.run(["docker", "network", "disconnect", network, container])

    def ensure_network(self, name: str, stack: str) -> bool:
        """Make a network of the stack; true when it was not there.

        :raises DrydockError: ``network_foreign`` when a network of this name is not the stack's.
        """
        done = self._runner.run(
            ["docker", "network", "inspect", "--format", f'{{{{index .Labels "{STACK_LABEL}"}}}}', name]
        )
        if done.ok:
            if done.out.strip() != stack:
                raise DrydockError(
                    "network_foreign",
                    f"A Docker network named {name} exists and does not belong to this stack (it lacks the label "
                    f"{STACK_LABEL}={stack}). Rename the stack, or remove that network with `docker network rm {name}` "
                    "when nothing uses it.",
                    network=name,
                )
            return False
        made = self._runner.run(["docker", "network", "create", "--label", f"{STACK_LABEL}={stack}", name])
        if not made.ok:
            raise DrydockError("up_failed", f"The Docker network {name} could not be created: {made.tail()}")
        return True


def _silent(answer: str) -> DrydockError:
    return DrydockError(
        f"engine_{answer}",
        f"The Docker engine is {answer}, so nothing is known of the containers. Look at `systemctl status docker` and "
        "`journalctl -u docker`.",
    )


def _refuse_silence(done: Completed) -> None:
    """An engine that does not answer does not say that there is no such container."""
    if "no such" not in done.err.lower():
        raise _silent(UNREACHABLE)


def _docker(config: Path | None) -> list[str]:
    return ["docker"] if config is None else ["docker", "--config", str(config)]


def pull_error(reference: str, done: Completed, *, given: bool = False) -> DrydockError:
    """What a failed pull means. ``given``: a login for the registry was given."""
    said = done.tail(3)
    registry = registry_of(reference)
    kind, meaning = next(
        ((kind, text) for kind, words, text in PULL_FAILURES if any(word in said.lower() for word in words)),
        ("pull_failed", "The image {image} could not be pulled. Read what the engine said, then run again."),
    )
    login = "to the account that was given" if given else "without a login from stack_registries"
    meaning = meaning.format(image=reference, registry=registry, login=login)
    return DrydockError(
        kind,
        f"{meaning} What runs now was not touched. The engine said: {said}",
        image=reference,
        registry=registry,
    )
