# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the group see that a download goes on, also within one file of hours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

# Seconds between two signs of life; peers look twice a second.
EVERY = 1.0


class Progress(Protocol):
    """As ``_download.progress.Progress``."""

    def begin(self, files: int, size: int, have: int = 0) -> None:
        """So much is to come."""

    def update(self, file: str, received: int, source: str) -> None:
        """Bytes came; from an earlier run where ``source`` is empty. None came: bytes of such a run were hashed."""

    def done(self, file: str) -> None:
        """A file has its name."""


class Pulse:
    """Hands on what the downloader tells.

    :param beat: called once in a while as long as bytes come, or are hashed.
    :param monotonic: seconds that never jump.
    """

    def __init__(
        self, inner: Progress, beat: Callable[[], None], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._inner = inner
        self._beat = beat
        self._monotonic = monotonic
        self._last = -EVERY

    def begin(self, files: int, size: int, have: int = 0) -> None:
        self._inner.begin(files, size, have)

    def update(self, file: str, received: int, source: str) -> None:
        self._inner.update(file, received, source)
        if (received > 0 if source else received == 0) and self._monotonic() - self._last >= EVERY:
            self._last = self._monotonic()
            self._beat()

    def done(self, file: str) -> None:
        self._inner.done(file)
