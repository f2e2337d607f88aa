# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a release that another run of the same controller has started."""

from __future__ import annotations

from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.job import lives, look, reconnect
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Stage
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Look
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.kind import RELEASE


class Other:
    """The host of a release that this run did not start: over when its process is gone. Its result is not known here.

    :param status: the path of its status file.
    """

    def __init__(self, action: Any, status: str, process: int) -> None:
        self._action, self._status, self._process = action, status, process

    def look(self) -> Look[Stage]:
        """How far it is."""
        found = look(self._action, RELEASE, self._status).status
        return Look(found, "running" if lives(self._action, self._process) else "finished")

    def alive(self) -> bool:
        """Whether its process lives."""
        return lives(self._action, self._process)

    def result(self) -> dict[str, Any]:
        """Nothing: the host itself tells what came of it."""
        return {}

    def reconnect(self) -> None:
        """See :class:`watch.Host`."""
        reconnect(self._action)
