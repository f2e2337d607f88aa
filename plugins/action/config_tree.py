# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of config_tree: check the input, render all, ship it in one module call, wake handlers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible_collections.drydock.serving.plugins.module_utils._config_tree import unchanged_result
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import ARGUMENT_SPEC, pack, parse
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._render import render_entries

MODULE = "drydock.serving.config_tree"
_HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # ansible-core's own words for it
_SHIPPED = ("dest", "mode", "owner", "group", "validate", "wakes", "no_log", "backup", "follow")


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core has no types
    """Rendered here, applied there, one round trip."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        shown = _without_secrets(self._task.args)
        try:
            result = self._run(task_vars or {})
        except DrydockError as error:
            name = str(self._task.args.get("name", ""))
            result = {**unchanged_result(name), **error.as_result(), "failed": True}
        if "invocation" in result:  # ansible-core decides whether it wants it
            result["invocation"] = {"module_args": shown}
        if not (self._task.until or self._task.retries):  # another attempt would still need them
            self._task.args = shown  # callbacks are handed the task's arguments besides the result
        if result.get("wakes") and not result.get("failed"):
            own = list(self._task.notify or [])
            self._task.notify = [*own, *(name for name in result["wakes"] if name not in own)]
        return result

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        arguments = _coerce(self._task.args)
        parse({**arguments, "files": [{**entry, "content": None} for entry in arguments["files"]]})
        rendered = render_entries(self, arguments["files"], task_vars)
        files = [
            {
                **{key: file.entry[key] for key in _SHIPPED},
                "content": base64.b64encode(file.content).decode("ascii"),
            }
            for file in rendered
        ]
        payload = pack({**arguments, "files": files})
        result: dict[str, Any] = self._execute_module(
            module_name=MODULE, module_args={"name": arguments["name"], "payload": payload}, task_vars=task_vars
        )
        return result


def _coerce(args: Mapping[str, Any]) -> dict[str, Any]:
    spec = {key: value for key, value in ARGUMENT_SPEC.items() if key != "payload"}
    validation = ArgumentSpecValidator(spec).validate(_given(args))
    if validation.error_messages:
        problems = list(validation.error_messages)
        raise DrydockError("bad_input", "The tree is not valid:\n" + "\n".join(problems), problems=problems)
    arguments = dict(validation.validated_parameters)
    return {**arguments, "files": [entry for entry in arguments["files"] if entry["enabled"]]}


def _given(value: Any) -> Any:
    """Null is not given, as everywhere in Ansible; its own check would let it through, whatever the type."""
    if not isinstance(value, Mapping):
        return value
    nested = ("files", "directories")
    return {
        key: [_given(one) for one in entry] if key in nested and isinstance(entry, list) else entry
        for key, entry in value.items()
        if entry is not None
    }


def _without_secrets(args: Mapping[str, Any]) -> dict[str, Any]:
    """The task's arguments as they may be printed."""
    shown = dict(args)
    files = shown.get("files")
    if isinstance(files, list):
        shown["files"] = [_hide(entry) if isinstance(entry, dict) else entry for entry in files]
    return shown


def _hide(entry: Mapping[str, Any]) -> dict[str, Any]:
    if str(entry.get("no_log", False)).lower() in {"false", "no", "off", "0", "f", "n"}:
        return dict(entry)
    return {**entry, **{key: _HIDDEN for key in ("content", "vars") if key in entry}}
