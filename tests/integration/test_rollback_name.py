# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/rollback.yml before an inventory that does not say which stack is to go back."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAID = "The inventory does not say which stack is to go back. Set stack.name"


@pytest.mark.parametrize("given", [{}, {"stack": None}, {"stack": {"name": ""}}, {"stack": {"name": ["ocr"]}}])
def test_no_host_is_asked_and_what_to_set_is_said(given: dict[str, Any]) -> None:
    variables = {"drydock_hosts": "one", "ansible_connection": "local", **given}
    done = subprocess.run(
        ["ansible-playbook", "-i", "one,", "-e", json.dumps(variables), "playbooks/rollback.yml"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert SAID in " ".join(done.stdout.split())
    assert "undefined" not in done.stdout
    assert "Release the stack" not in done.stdout
