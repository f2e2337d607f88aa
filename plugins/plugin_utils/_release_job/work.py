# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release on a host, from its start to its result: begun here, or begun by an earlier run and followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible import constants
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller
from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import Follower, host_of
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter, closing
from ansible_collections.drydock.serving.plugins.plugin_utils._job.reporters import reporter_for
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Question, Stage
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job import hooks
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.answers import Answers
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.follow import Other
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.kind import RELEASE

FOLLOWED = 3  # runs of others that are followed, one after the other
RECONNECT_TIMEOUT = 300.0  # as the module documents it


class Work:
    """What is left to be done on one host.

    :param look: what the module says when it only looks; None for what is done without a look.
    """

    def __init__(
        self,
        action: Any,
        module: str,
        arguments: Mapping[str, Any],
        variables: dict[str, Any],
        look: Callable[[], dict[str, Any]] | None,
    ) -> None:
        self._action, self._module, self._arguments = action, module, arguments
        self._variables, self._look = variables, look
        stack = arguments.get("stack")
        self._stack: Mapping[str, Any] = stack if isinstance(stack, Mapping) else {}  # the module refuses the rest
        root = (self._stack.get("paths") or {}).get("root") or f"/opt/{self._stack.get('name')}"
        self._folder = f"{root}/state/job"

    def run(self, found: dict[str, Any]) -> dict[str, Any]:
        """The module's result.

        :param found: what it said when it only looked.
        :raises DrydockError: ``interrupted``.
        """
        with closing(self._reporter()) as reporter:
            if self._look is None:
                return self._begin(reporter)
            return self._in_turn(found, self._look, reporter)

    def _in_turn(self, found: dict[str, Any], look: Callable[[], dict[str, Any]], reporter: Reporter) -> dict[str, Any]:
        """Follow whoever does the same already, then do what is left."""
        for _again in range(FOLLOWED):
            if found.get("running"):
                self._join(found["running"], reporter)
                found = look()
                if not found.get("pending"):
                    return found
                continue
            result = self._begin(reporter)
            if (result.get("failure") or {}).get("kind") != "locked":
                return result
            found = look()  # somebody was quicker; perhaps it is the same that is wanted
            if not found.get("running"):
                return result
        return self._begin(reporter)

    def _begin(self, reporter: Reporter) -> dict[str, Any]:
        """Start the release and follow it."""
        try:
            return self._follower(reporter).run(
                self._module, {**self._arguments, "job": "watched"}, alone=self._arguments
            )
        except Died as error:
            raise DrydockError(
                "interrupted",
                f"The release on {self._host} broke off: {error}. What served before serves on, or the "
                "new release does where it was proven already. The next run finishes or undoes what was begun. Was it "
                "killed, is the host short of memory, or was it restarted? Look at `journalctl -k` there, then run "
                "again.",
            ) from error

    def _join(self, running: Mapping[str, Any], reporter: Reporter) -> None:
        """Follow a release that an earlier run has begun, to its end."""
        reporter.note(
            f"follows a run of {running.get('actor')} that wants the same, since {running.get('since')}, "
            f"process {running.get('pid')}"
        )
        other = Other(self._action, self._status, int(running["pid"]))
        self._follower(reporter).follow(other, f"process {running['pid']}")

    def _follower(self, reporter: Reporter) -> Follower[Stage]:
        answers = Answers(self._action, self._stack, self._folder, reporter, self._hook)
        return Follower(
            action=self._action,
            variables=self._variables,
            kind=RELEASE,
            host=self._host,
            status=self._status,
            patience=_seconds(self._arguments.get("reconnect_timeout")),
            reporter=reporter,
            on_look=answers.on_look,
        )

    def _hook(self, hook: Mapping[str, Any], question: Question) -> hooks.Done:
        return hooks.run(
            hook,
            question.record,
            environment={
                "DRYDOCK_HOST": str(self._variables.get("inventory_hostname") or ""),
                "DRYDOCK_STACK": str(self._stack.get("name")),
                "DRYDOCK_RELEASE": str(question.record.get("id") or ""),
                "DRYDOCK_HOOK": question.name,
                "DRYDOCK_WHEN": question.when,
                "DRYDOCK_PHASE": question.phase,
            },
            folder=str(self._action._loader.get_basedir()),
            gone=controller.orphaned,
        )

    @property
    def _status(self) -> str:
        return f"{self._folder}/status.json"

    @property
    def _host(self) -> str:
        return host_of(self._action, self._variables)

    def _reporter(self) -> Reporter:
        return reporter_for(
            self._host,
            RELEASE,
            wanted="off" if self._action._task.no_log else self._arguments.get("progress"),
            display=self._action._display,
            local_tmp=constants.DEFAULT_LOCAL_TMP,
        )


def _seconds(value: Any) -> float:
    """The module has refused what is no number."""
    return RECONNECT_TIMEOUT if value is None else float(value)
