# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After converging, a check must find nothing to change: drift detection is built on it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

RECAP = re.compile(r"^(?P<host>\S+)\s*: ok=\d+\s+changed=(?P<changed>\d+)\s", re.MULTILINE)


def test_check_mode_on_the_converged_host_finds_nothing_to_change() -> None:
    scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
    command = [
        str(Path(sys.executable).with_name("ansible-playbook")),
        "--inventory",
        str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "inventory"),
        "--skip-tags=molecule-notest,notest",
        "--check",
        "--diff",
        str(scenario / "converge.yml"),
    ]
    environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    result = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=600, cwd=scenario.parent.parent, env=environment
    )
    recap = {found["host"]: int(found["changed"]) for found in RECAP.finditer(result.stdout)}
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert recap, result.stdout[-2000:]
    assert not any(recap.values()), result.stdout[-6000:]
