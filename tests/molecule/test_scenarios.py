# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Molecule scenario is one test, so that one summary line tells the result of everything."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(
    (path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")),
    # who tests most takes longest: begun first, so that no worker waits for it at the end
    key=lambda name: -sum(file.stat().st_size for file in (ROOT / "molecule" / name / "tests").glob("*.py")),
)


def test_every_role_has_a_scenario_of_its_name() -> None:
    roles = {path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")}
    assert roles - set(SCENARIOS) == set()


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str, lab: None, tmp_path: Path) -> None:
    log = tmp_path / f"{scenario}.log"
    started = time.monotonic()
    with log.open("wb") as output:
        code = subprocess.run(
            ["molecule", "test", "--scenario-name", scenario],
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=1500,
            check=False,
        ).returncode
    print(f"molecule {scenario}: {time.monotonic() - started:.0f} s")  # noqa: T201 - shown with -rP and on failure
    assert code == 0, f"molecule test -s {scenario} ended with {code}:\n{log.read_text(errors='replace')[-15000:]}"
