# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store on a host, for whoever waits for its turn there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._job.job import current
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.kind import DOWNLOAD
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot


class Store:
    """The store on a host, as :class:`turn.Turn` wants it."""

    def __init__(self, action: Any, status: str, probe: Callable[[], dict[str, Any]]) -> None:
        self._action, self._status, self.probe = action, status, probe

    def status(self) -> Snapshot | None:
        """The status file, unless a sync that was killed left it behind."""
        return current(self._action, DOWNLOAD, self._status)
