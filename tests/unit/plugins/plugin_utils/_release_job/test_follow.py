# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that another run began, as the host shows it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Stage
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Look
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.follow import Other

NOBODY = 2**22 + 7


def here(command: str, sudoable: bool) -> dict[str, str]:
    assert sudoable
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    return {"stdout": done.stdout, "stderr": done.stderr}


def test_it_runs_as_long_as_its_process_whatever_the_status_says(tmp_path: Path) -> None:
    action: Any = SimpleNamespace(
        _connection=SimpleNamespace(_shell=SimpleNamespace(quote=shlex.quote)), _low_level_execute_command=here
    )
    status = tmp_path / "status.json"
    assert Other(action, str(status), os.getpid()).look() == Look(None, "running")
    status.write_text(json.dumps({"step": "up"}))
    assert Other(action, str(status), os.getpid()).look() == Look(Stage(step="up"), "running")
    assert Other(action, str(status), NOBODY).look() == Look(Stage(step="up"), "finished")
    assert Other(action, str(status), os.getpid()).alive()
    assert not Other(action, str(status), NOBODY).alive()
    assert Other(action, str(status), NOBODY).result() == {}
