# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files of a release: the arguments to run them with, and what a failure means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import compose_file
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed, Runner

VARIABLES = "host.env"
# what the docker command says about `docker compose --project-name …` where the plugin is missing
WITHOUT_PLUGIN = ("unknown flag: --project-name", "is not a docker command", "unknown command: docker compose")


def variables_text(values: Mapping[str, str]) -> bytes:
    """The file that Compose takes the host's values from."""
    return "".join(f"{key}={value}\n" for key, value in sorted(values.items())).encode("utf-8")


class Compose:
    """`docker compose` for one project of a stack: its components, or the services of one colour.

    :param release: the directory of the release. ``host.env`` of the part lies below it.
    """

    def __init__(self, runner: Runner, *, stack: str, part: str, release: Path) -> None:
        self._runner = runner
        self._project = f"{stack}-{part}"
        self._file = release / compose_file(part)
        self._folder = release / part

    def argv(self, *arguments: str) -> list[str]:
        """The whole command line; no secret can be in it, as secrets are files."""
        return [
            "docker",
            "compose",
            "--project-name",
            self._project,
            "--project-directory",
            str(self._folder),
            "--file",
            str(self._file),
            "--env-file",
            str(self._folder / VARIABLES),
            *arguments,
        ]

    def run(self, *arguments: str, timeout: float = 60.0) -> Completed:
        return self._runner.run(self.argv(*arguments), timeout=timeout)

    def check(self) -> None:
        """Have Compose read the file.

        :raises DrydockError: ``compose_invalid``, ``compose_missing``.
        """
        done = self.run("config", "--quiet")
        if any(words in done.err for words in WITHOUT_PLUGIN):
            raise DrydockError(
                "compose_missing",
                "The host has Docker without the Compose v2 plugin. What runs now was not touched. Install it (the tag "
                "`engine`; the package is docker-compose in Debian 13, docker-compose-plugin from Docker), then run "
                "again.",
            )
        if not done.ok:
            raise DrydockError(
                "compose_invalid",
                f"`docker compose config` refuses the rendered file of the project {self._project}: {done.tail()}. "
                "What runs now was not touched. Correct the template or the stack's settings, then run again.",
                project=self._project,
            )

    def up(self, names: Sequence[str], *, timeout: float) -> None:
        """Create, recreate and start these services, and none that they depend on: those may run in the other colour.

        Does not wait for health.

        :raises DrydockError: ``port_taken``, ``up_failed``.
        """
        done = self.run("up", "--detach", "--no-build", "--pull", "never", "--no-deps", *names, timeout=timeout)
        if done.ok:
            return
        said = done.error()
        if "port is already allocated" in said or "address already in use" in said:
            raise DrydockError(
                "port_taken",
                f"A port that the project {self._project} publishes is taken by another program on the host: {said}. "
                "Find it with `ss -lntup`, stop it or change the port in the stack, then run again.",
                project=self._project,
            )
        raise DrydockError(
            "up_failed",
            f"`docker compose up` of the project {self._project} failed: {said}",
            project=self._project,
        )

    def start_job(
        self,
        service: str,
        *,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        labels: Mapping[str, str],
        timeout: float,
    ) -> None:
        """Start a container of a service that does something else and ends. It has no ports and no service's name.

        :raises DrydockError: ``up_failed``.
        """
        options = [f"--label={key}={value}" for key, value in sorted(labels.items())]
        options += [f"--env={key}={value}" for key, value in sorted(environment.items())]
        done = self.run(
            "run", "--detach", "--no-deps", "--no-TTY", "--name", name, *options, service, *command, timeout=timeout
        )
        if not done.ok:
            raise DrydockError(
                "up_failed",
                f"`docker compose run` of the project {self._project} could not start {name}: {done.error()}",
                project=self._project,
            )

    def restart(self, services: Sequence[str], *, timeout: float) -> None:
        """Restart containers that run and are not healthy."""
        done = self.run("restart", *services, timeout=timeout)
        if not done.ok:
            raise DrydockError(
                "up_failed", f"{', '.join(services)} could not be restarted: {done.tail()}", project=self._project
            )
