# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's configuration check: it refuses a port that is no number."""

import pathlib
import sys

for number, line in enumerate(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(), start=1):
    if line.startswith("listen ") and not line.split()[1].isdigit():
        sys.exit(f"{sys.argv[1]}:{number}: {line.split()[1]} is no port")
