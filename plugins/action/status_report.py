# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind ``status_report``: writes what each host told, and shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_plain
from ansible_collections.drydock.serving.plugins.plugin_utils._status import status_report, summary, table

OPTIONS: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "str", "required": True},
    "gathered": {"type": "list", "elements": "raw", "required": True},
    "reports": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["table", "json"], "default": "table"},
}


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core carries no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Judge, write, show."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        _spec, options = self.validate_argument_spec(OPTIONS)
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        hosts, gathered = options["hosts"], to_plain(options["gathered"])
        try:
            if len(hosts) != len(gathered):
                raise DrydockError(
                    "invalid_input", f"{len(hosts)} hosts and {len(gathered)} results were given: one each is expected."
                )
            report = status_report([str(name) for name in hosts], gathered, at=at)
            _write(Path(options["reports"]), report)
        except DrydockError as error:
            result.update(failed=True, changed=False, **error.as_result())
            return result
        text = json.dumps(report, indent=2) if options["format"] == "json" else f"\n{table(report)}\n"
        Display().display(text)
        result.update(
            changed=False,
            ok=report["ok"],
            hosts={name: host["verdict"] for name, host in report["hosts"].items()},
            msg=summary(report, options["reports"]),
        )
        if not report["ok"]:
            result.update(failed=True, failure={"kind": "problem"})
        return result


def _write(folder: Path, report: Mapping[str, Any]) -> None:
    """A file for each host, readable by its owner alone.

    :raises DrydockError: ``cannot_write``.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, host in report["hosts"].items():
            write_atomic(folder / f"status-{name}.json", (json.dumps(host, indent=2) + "\n").encode(), mode=0o600)
    except OSError as error:
        raise DrydockError("cannot_write", f"The reports in {folder} cannot be written: {error}.") from error
