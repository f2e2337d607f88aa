# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the controller's log of releases: a JSON line for each host and attempt."""

from __future__ import annotations

DOCUMENTATION = r"""
name: deploy_log
type: notification
short_description: The controller's log of releases
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - Adds a JSON line to a file for each host on which M(drydock.serving.release) ran, with how it ended. What it did is
    told in names and versions; no file, diff or secret is.
  - A run in check mode, and a host on which nothing was to be done, are not logged.
  - Each host keeps a log of its own as well, which M(drydock.serving.release_info) tells.
requirements:
  - Enable it with C(callbacks_enabled = drydock.serving.deploy_log) in the section C([defaults]) of C(ansible.cfg).
options:
  path:
    description:
      - The file. Its folder is made when it is missing. Above 10 MiB the file is put aside with C(.1) added.
      - A relative path begins where Ansible was started.
    type: str
    default: reports/deployments.jsonl
    env:
      - name: DRYDOCK_DEPLOY_LOG
    ini:
      - section: callback_deploy_log
        key: path
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.drydock.serving.plugins.module_utils._release.log import (
    ABANDONED,
    FAILED,
    PREPARED,
    RELEASED,
    REPAIRED,
    ROLLED_BACK,
    append,
)

ACTIONS = frozenset({"drydock.serving.release", "release"})
UNREACHABLE = "unreachable"
CHANGED = "changed"


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core carries no types
    """Listens to the results of releases."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "drydock.serving.deploy_log"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._playbook = ""
        self._warned = False

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Remember what runs."""
        self._playbook = str(playbook._file_name)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A release, one that is ready or was given up, a repair, or nothing to do."""
        told = result._result
        if told.get("changed"):
            released = PREPARED if told.get("prepared") else ROLLED_BACK if told.get("rolled_back_to") else RELEASED
            kinds = {"release": released, "repair": REPAIRED}
            given_up = _arguments(result).get("state") == "abandoned"
            self._note(result, ABANDONED if given_up else kinds.get(str(told.get("kind")), CHANGED))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:  # noqa: ARG002 - Ansible's words
        """A release that failed, whatever the playbook makes of it."""
        self._note(result, FAILED)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """The connection was lost before or while the release ran. How it ended is in the host's own log."""
        self._note(result, UNREACHABLE)

    def _note(self, result: Any, outcome: str) -> None:
        if result._task.action not in ACTIONS or result._task_fields.get("check_mode"):
            return
        line = entry(
            result._result,
            _arguments(result),
            at=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}",
            host=result._host.get_name(),
            playbook=self._playbook,
            outcome=outcome,
        )
        path = Path(str(self.get_option("path"))).expanduser()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            append(path, line)
        except OSError as error:
            if not self._warned:
                self._display.warning(f"The log of releases {path} could not be written: {error}.")
            self._warned = True


def _arguments(result: Any) -> Mapping[str, Any]:
    """As the host got them: those of the task itself are as they were written, with variables in them."""
    fields = result._task_fields
    return {} if fields.get("no_log") else fields.get("args") or {}


def entry(
    result: Mapping[str, Any], arguments: Mapping[str, Any], *, at: str, host: str, playbook: str, outcome: str
) -> dict[str, Any]:
    """One line. Of a failure its kind, step and evidence: the message is on the host, without secrets."""
    failure = result.get("failure") if outcome == FAILED else None
    told = failure if isinstance(failure, Mapping) else {}
    stack = arguments.get("stack")
    durations = result.get("durations")
    return {
        "at": at,
        "host": host,
        "playbook": playbook,
        "stack": stack.get("name") if isinstance(stack, Mapping) else None,
        "outcome": outcome,
        "release": result.get("prepared") or result.get("release"),
        "previous": result.get("previous"),
        "reason": str(arguments.get("reason") or ""),
        "duration": round(sum(durations.values()), 2) if isinstance(durations, Mapping) else None,
        "actions": [str(action) for action in result.get("actions") or []],
        "failure": {key: told.get(key) for key in ("kind", "step", "evidence")} if outcome == FAILED else None,
    }
