# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that runs on its host by itself, started and followed to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller, job
from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Clock, Died, GivenUp, Host, Look, Watch


@dataclass(frozen=True)
class Follower(Generic[R]):
    """Whoever waits for a job.

    :param host: as operators know it.
    :param status: the path of the job's status file there.
    :param patience: seconds for which the host may stay silent.
    :param on_look: called after each answer of the host. May raise ``Lost``.
    """

    action: Any
    variables: dict[str, Any]
    kind: Kind[R]
    host: str
    status: str
    patience: float
    reporter: Reporter
    on_look: Callable[[Look[R]], None] = lambda _look: None

    def run(
        self, module: str, arguments: Mapping[str, Any], *, alone: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Start the module and wait for its result.

        :param alone: the arguments where it can only run as long as its connection lives.
        :raises Died: it ended without one.
        :raises AnsibleConnectionFailure: the host does not answer any more.
        """
        started = job.start(self.action, module, arguments, self.variables)
        if isinstance(started, job.Started):
            running = job.Job(self.action, self.variables, started, kind=self.kind, status=self.status)
            try:
                return self.follow(running, f"job {started.job}", running.on_look)
            except Died:
                running.tidy()
                raise
        if not job.is_homeless(started):
            return started
        self.reporter.note(
            "cannot be watched, and ends with the connection: the user there has no home directory. "
            "Next step: set ansible_async_dir to a directory of that user"
        )
        found: dict[str, Any] = self.action._execute_module(
            module_name=module, module_args=dict(arguments if alone is None else alone), task_vars=self.variables
        )
        return found

    def follow(
        self, host: Host[R], called: str, first: Callable[[Look[R]], None] = lambda _look: None
    ) -> dict[str, Any]:
        """Wait for the result of what runs there.

        :param called: what it is called there.
        :param first: called after each answer, before ``on_look``.
        :raises Died: see :meth:`run`.
        :raises AnsibleConnectionFailure: see :meth:`run`.
        """

        def on_look(look: Look[R]) -> None:
            first(look)
            self.on_look(look)

        waiting = Watch(host, self.kind, self.reporter, clock(), patience=self.patience, on_look=on_look)
        try:
            return waiting.result()
        except GivenUp as error:
            raise AnsibleConnectionFailure(
                f"{self.host} has not answered for {self.patience:g} s. {self.kind.noun.capitalize()} goes on there by "
                f"itself ({called}); {self.kind.later}. {error}"
            ) from error
        except (Died, KeyboardInterrupt):
            raise
        except BaseException as error:  # the task's own timeout, for one
            why = "the task's time is over" if "Timeout" in type(error).__name__ else str(error)
            self.reporter.note(f"no longer watched ({why}); {self.kind.noun} goes on there by itself")
            raise


def host_of(action: Any, variables: Mapping[str, Any]) -> str:
    """The host's name, and the one the task is delegated to, as ansible-core writes it."""
    host = str(variables.get("inventory_hostname") or "the host")
    other = action._task.delegate_to
    return f"{host} -> {other}" if other and other != host else host


def clock() -> Clock:
    """The real time, for a worker that ends when its run was killed."""
    return Clock(monotonic=time.monotonic, sleep=_sleep)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)
    if controller.orphaned():
        os._exit(1)  # nobody takes a result any more
