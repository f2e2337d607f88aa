# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes notes of what a run in check mode would change. Sleeps unless ``drift_report`` started the run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: drift
type: aggregate
short_description: Notes of what a run in check mode would change
version_added: 0.1.0
author:
  - drydock.serving contributors (@drydock-serving)
description:
  - The other half of M(drydock.serving.drift_report), which enables it for the run it starts. There is nothing to
    configure, and no need to enable it.
"""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from ansible.playbook.handler import Handler
from ansible.plugins.callback import CallbackBase
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.command import RECORD_VARIABLE
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.record import changes, merge, notes, problem


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core carries no types
    """Collects changes and problems per host and writes them as JSON when the run ends."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "drydock.serving.drift"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._path = os.environ.get(RECORD_VARIABLE, "")
        self.disabled = not self._path
        self._changes: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._problems: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._notes: dict[str, list[str]] = defaultdict(list)

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task that would change something. Handlers are its consequence, not a finding of their own."""
        task = result._task
        self._notes[result._host.get_name()] += notes(result._result)
        if not result._result.get("changed") or isinstance(task, Handler):
            return
        role = task._role.get_name() if task._role else None
        self._changes[result._host.get_name()] += changes(
            result._result,
            {} if task.no_log else task.args,
            task=task.get_name().split(" : ", 1)[-1],
            role=role,
            with_diff=task.diff is not False,
        )

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A host that could not be looked at to the end."""
        if not ignore_errors:
            self._note(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host that did not answer."""
        self._note(result, "unreachable")

    def _note(self, result: Any, kind: str) -> None:
        name = result._task.get_name().split(" : ", 1)[-1]
        self._problems[result._host.get_name()].append(problem(result._result, task=name, kind=kind))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Write the notes. The file was made by who started the run, readable by its owner alone."""
        hosts = {
            name: {
                "changes": merge(self._changes[name]),
                "problems": self._problems[name],
                "notes": sorted(set(self._notes[name])),
            }
            for name in stats.processed
        }
        Path(self._path).write_text(json.dumps({"hosts": hosts}, default=str), encoding="utf-8")
