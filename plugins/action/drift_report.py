# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action behind ``drift_report``: runs a playbook in check mode and writes down what would change."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.command import command, environment
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.redact import redact
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.report import compose, summary, table

OPTIONS: dict[str, Any] = {
    "playbook": {"type": "path", "required": True},
    "reports": {"type": "path", "required": True},
    "timeout": {"type": "int", "default": 3600},
}
TAIL = 3000


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core carries no types
    """See the module's documentation."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run, judge, write, show."""
        result: dict[str, Any] = super().run(tmp, task_vars or {})
        _spec, options = self.validate_argument_spec(OPTIONS)
        now = datetime.now(timezone.utc)
        try:
            report = _look(options, context.CLIARGS, at=now.isoformat(timespec="seconds"))
            path = Path(options["reports"]) / f"drift-{now:%Y-%m-%d}.json"
            _write(path, report)
        except DrydockError as error:
            result.update(failed=True, changed=False, **error.as_result())
            return result
        Display().display("\n" + table(report) + "\n")
        result.update(
            changed=False,
            verdict=report["verdict"],
            report=str(path),
            hosts={name: host["verdict"] for name, host in report["hosts"].items()},
            msg=summary(report, str(path)),
        )
        if not report["ok"]:
            result.update(failed=True, failure={"kind": report["verdict"]})
        return result


def _look(options: Mapping[str, Any], arguments: Mapping[str, Any], *, at: str) -> dict[str, Any]:
    """Run the playbook in check mode and compose the report from the notes of the callback."""
    with tempfile.TemporaryDirectory(prefix="drydock-drift-") as folder:
        record, output = Path(folder) / "record.json", Path(folder) / "output"
        with output.open("wb") as stream:
            code = _execute(command(options["playbook"], arguments), record, stream, options["timeout"])
        text = output.read_text(encoding="utf-8", errors="replace")
        found = json.loads(record.read_text(encoding="utf-8")) if record.exists() else None
    if arguments.get("verbosity"):
        Display().display(text)
    return compose(found, code=code, at=at, playbook=options["playbook"], output=redact(text[-TAIL:]))


def _execute(words: list[str], record: Path, stream: Any, timeout: int) -> int:
    """Exit status of the run.

    :raises DrydockError: ``timeout``.
    """
    try:
        return subprocess.run(
            words,
            env=environment(os.environ, constants.config.get_config_value("CALLBACKS_ENABLED") or [], str(record)),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired as error:
        raise DrydockError(
            "timeout",
            f"The run in check mode was ended after {timeout} s. Is a host hanging? Raise the timeout if not.",
        ) from error


def _write(path: Path, report: Mapping[str, Any]) -> None:
    """Write the report, readable by its owner alone: a diff may tell more than a stranger should know.

    :raises DrydockError: ``cannot_write``.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomic(path, (json.dumps(report, indent=2) + "\n").encode("utf-8"), mode=0o600)
    except OSError as error:
        raise DrydockError("cannot_write", f"The report {path} cannot be written: {error}.") from error
