# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a target's playbook against this machine, with everything it writes below a temporary directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TARGETS = Path(__file__).parent / "targets"


@dataclass
class Play:
    """The outcome of one run. ``output`` is everything it printed; ``result`` what the module returned."""

    rc: int
    output: str
    result: dict[str, Any]


class Target:
    """One target's playbook and the temporary directory it works in."""

    def __init__(self, name: str, root: Path) -> None:
        self.folder = TARGETS / name
        self.root = root

    def play(self, *options: str, **variables: Any) -> Play:
        """Run it. ``variables`` are extra variables beside ``root``."""
        kept = self.root / "result.json"
        kept.unlink(missing_ok=True)
        settings = self.root / "ansible.cfg"  # not the checkout's, nor the user's
        # ansible-core 2.21 leaves a module's arguments out of its result unless told otherwise; here they must show.
        settings.write_text("[defaults]\nlocalhost_warning = false\ninject_invocation = true\n", encoding="utf-8")
        extra = {"root": str(self.root), "ansible_python_interpreter": sys.executable, **variables}
        done = subprocess.run(
            [
                str(Path(sys.executable).parent / "ansible-playbook"),
                *("-i", "localhost,", "-c", "local", "-e", json.dumps(extra)),
                *options,
                str(self.folder / "playbook.yml"),
            ],
            cwd=self.root,
            env={**os.environ, "ANSIBLE_CONFIG": str(settings), "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        result = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        return Play(rc=done.returncode, output=done.stdout, result=result)


@pytest.fixture(name="target")
def _target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """The target named like the test file: ``test_config_tree.py`` drives ``targets/config_tree``."""
    return Target(request.path.stem.removeprefix("test_"), tmp_path)
