# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of stack_command: build the file, ship it in one module call."""

from __future__ import annotations

import base64
import zlib
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build, collection_version, fits

MODULE = "drydock.serving.stack_command"


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """Built here, installed there, one round trip."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        arguments = {key: value for key, value in self._task.args.items() if value is not None}
        name = str(arguments.get("name") or "")
        if not fits(name):
            error = DrydockError("invalid_input", f"name: {name!r} is not the name of a stack.")
            return {"failed": True, "changed": False, "path": "", **error.as_result()}
        content = build(
            name=name,
            root=str(arguments.get("root") or f"/opt/{name}"),
            secrets=str(arguments.get("secrets") or f"/etc/{name}/secrets"),
            version=collection_version(),
        )
        payload = base64.b64encode(zlib.compress(content, 6)).decode("ascii")
        result: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={**arguments, "payload": payload}, task_vars=task_vars or {}
        )
        invocation = result.get("invocation", {}).get("module_args")
        if invocation:
            invocation.pop("payload", None)  # nothing to read
        if not self._task.diff:
            result.pop("diff", None)
        return result
