# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m ocr api``, ``python3 -m ocr worker`` or ``python3 -m ocr migrate``."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Sequence

from ocr.errors import EX_CONFIG, CannotStartError
from ocr.settings import from_environment

ROLES = {"api": "ocr.api", "worker": "ocr.worker", "migrate": "ocr.migrate"}


def main(arguments: Sequence[str]) -> int:
    """Run a role; what keeps it from starting is one line of JSON and exit status 78."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        sys.stderr.write("usage: python3 -m ocr api|worker|migrate\n")
        return 2
    role = arguments[0]
    try:
        settings = from_environment()
        run = importlib.import_module(ROLES[role]).main
        return int(run(settings))
    except CannotStartError as exc:
        line = {"level": "critical", "role": role, "message": f"The service does not start. {exc}"}
        sys.stderr.write(json.dumps(line, ensure_ascii=False) + "\n")
        return EX_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
