# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file in which a long run tells how far it is, for whoever waits on the controller.

A hint only, so it is not synced to the disk, and a disk that is full does not stop anything for its sake.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import STAGING_PREFIX

# A status that was not renewed for so long is that of a process that is gone.
FRESH = 5.0


class StatusFile:
    """The status file of this process. Whoever reads it sees the old or the new content, never a part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = False

    def read(self) -> dict[str, Any]:
        """What is there, whoever has written it; empty when that is nothing."""
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def is_anothers(self, now: float) -> bool:
        """Whether another process renews it. What that one writes stays.

        :param now: seconds since the epoch, as in ``updated``.
        """
        other = self.read()
        updated = other.get("updated")
        fresh = isinstance(updated, (int, float)) and abs(now - updated) < FRESH
        return fresh and other.get("pid") != os.getpid()

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace it. The number of this process is added as ``pid``."""
        temporary = self._path.with_name(f"{STAGING_PREFIX}{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
                json.dump({**content, "pid": os.getpid()}, handle)
            temporary.replace(self._path)
            self._written = True

    def end(self) -> None:
        """Nothing moves any more; the file of another process is left alone."""
        if self._written and self.read().get("pid") == os.getpid():
            with contextlib.suppress(OSError):
                self._path.unlink()
