# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind ``model_bundle``: everything happens on the controller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import check_headers
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import human
from ansible_collections.drydock.serving.plugins.plugin_utils._model_bundle import Outcome, Wish, make
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_plain

OPTIONS: dict[str, Any] = {
    "models": {"type": "list", "elements": "dict", "required": True},
    "lock": {"type": "dict", "default": {}},
    "dest": {"type": "path", "required": True},
    "cache": {"type": "path", "default": "~/.cache/drydock/models"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "ca_path": {"type": "path"},
    "connections": {"type": "int", "default": 8},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core carries no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Fetch, write, name."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        _spec, options = self.validate_argument_spec(OPTIONS)
        check = bool(self._task.check_mode)
        result.update(changed=False, dest=options["dest"], size=0, blobs=0, planned_bytes=0, bytes_fetched=0)
        try:
            outcome = make(_wish(options), check=check, tell=Display().display, warn=Display().warning)
        except DrydockError as error:
            result.update(failed=True, **error.as_result())
            return result
        result.update(
            changed=outcome.changed,
            size=outcome.size,
            blobs=outcome.blobs,
            planned_bytes=outcome.missing,
            bytes_fetched=outcome.fetched,
            msg=_summary(outcome, options["dest"], check=check),
        )
        return result


def _wish(options: dict[str, Any]) -> Wish:
    """:raises DrydockError: ``invalid_input``."""
    headers = to_plain(options["headers"] or {})
    problems = check_headers(headers)
    problems += [
        f"{name}: {options[name]!r} is not an absolute path"
        for name in ("dest", "cache")
        if not Path(options[name]).is_absolute()
    ]
    if not 1 <= options["connections"] <= 64:
        problems.append(f"connections: expected 1 to 64, found {options['connections']}")
    if problems:
        raise DrydockError("invalid_input", "\n".join(problems), violations=problems)
    return Wish(
        models=to_plain(options["models"]),
        lock=to_plain(options["lock"] or {}),
        path=Path(options["dest"]),
        cache=Path(options["cache"]),
        headers={origin: {name: str(value) for name, value in listed.items()} for origin, listed in headers.items()},
        ca_path=options["ca_path"],
        connections=options["connections"],
    )


def _summary(outcome: Outcome, path: str, *, check: bool) -> str:
    held = f"{outcome.blobs} blobs, {human(outcome.size)}"
    if not outcome.changed:
        return f"{path} is as it should be: {held}."
    fetched = outcome.missing if check else outcome.fetched
    return f"{path} {'would be' if check else 'was'} written: {held}, {human(fetched)} of it fetched."
