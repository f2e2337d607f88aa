# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind ``model_lock``: looks at the sources of models from the controller and writes the lock file."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import check_headers
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.run import Outcome, Wish, lock
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import Context
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_bool, to_plain

OPTIONS: dict[str, Any] = {
    "models": {"type": "dict", "required": True},
    "lock": {"type": "path", "required": True},
    "allow_changed": {"type": "raw", "default": False},
    "only": {"type": "list", "elements": "str", "default": []},
    "headers": {"type": "dict", "default": {}, "no_log": True},
    "ca_path": {"type": "path"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core carries no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, compare, write."""
        variables = task_vars or {}
        result: dict[str, Any] = super().run(tmp, variables)
        _spec, options = self.validate_argument_spec(OPTIONS)
        result.update(changed=False, changes=[], lock=options["lock"])
        try:
            if not options["lock"]:
                raise DrydockError(
                    "invalid_input",
                    "lock: is empty. An inventory that is only names (-i host,) has no folder for it. Next step: say "
                    "where it goes with -e models_lock_file=PATH.",
                )
            outcome = lock(
                options["models"],
                Wish(
                    path=Path(options["lock"]),
                    allow_changed=_allowed(options["allow_changed"]),
                    only=tuple(str(name) for name in to_plain(options["only"])),
                    check=bool(self._task.check_mode),
                ),
                _context(options, variables),
                today=datetime.datetime.now(datetime.timezone.utc).date(),
            )
        except DrydockError as error:
            result.update(failed=True, **error.as_result())
            return result
        message = _summary(outcome, options["lock"], check=bool(self._task.check_mode))
        Display().display(message)
        for line in outcome.warnings:
            Display().warning(line)
        result.update(
            changed=outcome.changed,
            changes=[change.as_result() for change in outcome.changes],
            msg=message,
        )
        if self._task.diff:
            result["diff"] = {
                "before": outcome.before.decode("utf-8"),
                "after": outcome.after.decode("utf-8"),
                "before_header": options["lock"],
                "after_header": options["lock"],
            }
        return result


def _context(options: Mapping[str, Any], variables: Mapping[str, Any]) -> Context:
    """:raises DrydockError: ``invalid_input``."""
    headers = to_plain(options["headers"] or {})
    problems = check_headers(headers)
    if problems:
        raise DrydockError("invalid_input", "\n".join(problems), violations=problems)
    return Context(
        environ=dict(os.environ),
        base=Path(str(variables.get("inventory_dir") or Path.cwd())),
        headers={origin: {name: str(value) for name, value in listed.items()} for origin, listed in headers.items()},
        ca_path=options["ca_path"],
        tell=Display().display,
    )


def _allowed(value: Any) -> frozenset[str] | None:
    """Names, or ``None`` for all. A list, or true or false in any spelling that ``-e`` makes of it.

    :raises DrydockError: ``invalid_input``.
    """
    plain = to_plain(value)
    if isinstance(plain, list):
        return frozenset(str(name) for name in plain)
    try:
        return None if to_bool(plain) else frozenset()
    except ValueError as error:
        raise DrydockError("invalid_input", f"allow_changed: {error}, or a list of names of models.") from None


def _summary(outcome: Outcome, path: str, *, check: bool) -> str:
    """What was or would be done, in words."""
    counts = ((outcome.models, "model"), (outcome.files, "file"), (outcome.size, "byte"))
    held = ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)
    if not outcome.changed:
        return f"{path} is as it should be: {held}."
    if not outcome.changes:
        return f"{path} {'would be' if check else 'was'} written in today's layout; it says the same ({held})."
    return f"{path} {'would hold' if check else 'holds'} {held}.\n{outcome.text()}"
