# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became known about servers during one call: who asked for a pause, who cannot be reached, who sent how much."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._source import Source

# Failures that say something about the server and not about the file.
OF_THE_SERVER = frozenset({"unreachable", "refused", "tls"})


class Origins:
    """By scheme, host and port. Moments are monotonic seconds."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._ready: dict[tuple[str, str, int], float] = {}
        self._ill: set[tuple[str, str, int]] = set()
        self._told: dict[tuple[str, str, int], dict[str, Any]] = {}

    def in_order(self, sources: Sequence[Source]) -> list[Source]:
        """The same order, those of servers that failed last."""
        with self._guard:
            return sorted(sources, key=lambda source: source.origin in self._ill)

    def ready_at(self, source: Source) -> float:
        """Before this moment the server does not want to be asked."""
        with self._guard:
            return self._ready.get(source.origin, 0.0)

    def pause(self, source: Source, until: float) -> None:
        """The server is not asked again by anybody before this moment."""
        with self._guard:
            self._ready[source.origin] = max(until, self._ready.get(source.origin, 0.0))

    def is_ill(self, source: Source) -> bool:
        """The server was given up for another file."""
        with self._guard:
            return source.origin in self._ill

    def gave_up(self, source: Source, kind: str) -> None:
        """A file is not asked for there any more."""
        with self._guard:
            self._of(source)["failures"] += 1
            if kind in OF_THE_SERVER:
                self._ill.add(source.origin)

    def sent(self, source: Source, count: int) -> None:
        """It works, and sent so many bytes."""
        with self._guard:
            self._of(source)["bytes"] += count
            self._ill.discard(source.origin)

    def told(self) -> list[dict[str, Any]]:
        """``source``, ``bytes``, ``failures`` of each server that was asked."""
        with self._guard:
            return [dict(entry) for entry in self._told.values()]

    def _of(self, source: Source) -> dict[str, Any]:
        told = self._told.get(source.origin)
        if told is None:
            told = self._told[source.origin] = {"source": _shown(*source.origin), "bytes": 0, "failures": 0}
        return told


def _shown(scheme: str, host: str, port: int) -> str:
    if scheme == "file":
        return "file://"
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}" if port == (443 if scheme == "https" else 80) else f"{scheme}://{name}:{port}"
