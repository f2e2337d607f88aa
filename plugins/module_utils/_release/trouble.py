# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host's file system refuses, in words."""

from __future__ import annotations

import errno

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError


def host_error(error: OSError, step: str) -> DrydockError:
    if error.errno == errno.ENOSPC:
        return DrydockError(
            "no_space",
            f"The host's disk became full: {error.filename or ''} could not be written. Make room, then run again.",
        )
    return DrydockError(
        "host_failed",
        f"The host refused a file operation in the step {step}: {error}. Check the rights and the health of the file "
        "system.",
    )
