#!/usr/bin/env python3
# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of the embedded default: one host in the lab on this machine, as it is reached right now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"


def main() -> int:
    """Print what the lab says of itself."""
    if not PYTHON.exists():
        sys.stderr.write(
            "The lab's inventory needs the checkout's environment: run 'make setup', then 'make lab-up'.\n"
        )
        return 1
    return subprocess.run([str(PYTHON), "-m", "lab", "inventory"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
