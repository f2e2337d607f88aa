# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of health_poll: where it may take long, it is followed, and shown whom it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._health_job.kind import POLLING
from ansible_collections.drydock.serving.plugins.plugin_utils._health_job.names import FAREWELL, FOLDER
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller, job
from ansible_collections.drydock.serving.plugins.plugin_utils._job.beside import shown_beside
from ansible_collections.drydock.serving.plugins.plugin_utils._job.detached import Follower, host_of
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Reporter, closing
from ansible_collections.drydock.serving.plugins.plugin_utils._job.reporters import is_shown, reporter_for
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died

MODULE = "drydock.serving.health_poll"
TIMEOUT = 60.0  # as the module documents it
PATIENCE = 60.0  # seconds for which the host may stay silent

controller.prepare(constants.DEFAULT_LOCAL_TMP, FOLDER, FAREWELL)


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _supports_async = True
    _supports_check_mode = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        variables = task_vars or {}
        arguments = dict(self._task.args)
        wanted = "off" if self._task.no_log else arguments.get("progress")
        if not self._worth_a_job(arguments, wanted):
            wrap = bool(self._task.async_val) and not self._connection.has_native_async
            return self._call(arguments, variables, wrap_async=wrap)
        host = host_of(self, variables)
        with closing(
            reporter_for(host, POLLING, wanted=wanted, display=self._display, local_tmp=constants.DEFAULT_LOCAL_TMP)
        ) as reporter:
            return self._follow(arguments, variables, reporter, host)

    def _worth_a_job(self, arguments: Mapping[str, Any], wanted: Any) -> bool:
        """Whether it may take long, and somebody would see how far it is."""
        connection = self._connection
        if self._task.async_val or connection.has_native_async or connection.always_pipeline_modules:
            return False
        try:
            limit = float(arguments.get("timeout", TIMEOUT))
        except (TypeError, ValueError):
            return False  # the module refuses it
        return limit > POLLING.quiet and is_shown(wanted, self._display)

    def _follow(
        self, arguments: dict[str, Any], variables: dict[str, Any], reporter: Reporter, host: str
    ) -> dict[str, Any]:
        status = f"{job.folder_for(self)}/status.json"
        given = {**arguments, "status_file": status}
        if self._connection.transport == "local":  # no job is needed to look beside, and most are over in a moment
            with shown_beside(Path(status), POLLING, reporter):
                return _as_given(self._call(given, variables))
        follower = Follower(
            action=self,
            variables=variables,
            kind=POLLING,
            host=host,
            status=status,
            patience=PATIENCE,
            reporter=reporter,
        )
        try:
            return _as_given(follower.run(MODULE, given, alone=arguments))
        except Died as error:
            return {"changed": False, "failed": True, **_died(host, error).as_result()}

    def _call(self, arguments: Mapping[str, Any], variables: dict[str, Any], **how: Any) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args=dict(arguments), task_vars=variables, **how
        )
        return result


def _as_given(result: dict[str, Any]) -> dict[str, Any]:
    """With the arguments as the operator gave them."""
    shown = (result.get("invocation") or {}).get("module_args")
    if isinstance(shown, dict):
        shown["status_file"] = None
    return result


def _died(host: str, error: Died) -> DrydockError:
    return DrydockError(
        "interrupted",
        f"Polling on {host} broke off: {error}. Was it killed, is the host short of memory, or was it restarted? Run "
        "again.",
    )
