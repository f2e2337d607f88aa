# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring files of known size and sha256 into ``.part`` files, from the first source that really has them.

Whatever servers say about ranges, lengths and types only decides how much is asked again; the size and the digest of
all received bytes are the judge. What was received survives a kill: the next call goes on behind what its journal says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._download.limits import Clock, DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.origins import Origins
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._download.run import Run
from ansible_collections.drydock.serving.plugins.module_utils._download.tools import Orders, Tools
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, Transport


class Downloader:
    """Completes part files from sources.

    :param progress: told what arrives.
    """

    def __init__(
        self,
        transport: Transport,
        policy: RetryPolicy,
        *,
        clock: Clock,
        limits: DownloadLimits | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress
        self._guard = threading.Lock()
        self._origins = Origins()
        self._tools = Tools(
            transport=transport,
            policy=policy,
            limits=limits or DownloadLimits(),
            clock=clock,
            origins=self._origins,
            received=self._received,
            done=self._done,
        )
        self.received = 0
        """Bytes received from sources so far, wrong and repeated ones included."""

    @property
    def sources(self) -> list[dict[str, Any]]:
        """What each server did so far: ``source`` (its origin), ``bytes``, ``failures`` (files it was given up for)."""
        return self._origins.told()

    def fetch_all(
        self,
        items: Sequence[Wanted],
        *,
        part_of: Callable[[str], PartFiles],
        finish: Callable[[Wanted, PartFiles], None],
        locate: Callable[[Wanted], Sequence[Source]] | None = None,
    ) -> None:
        """Complete the part files of all items; the first failure ends it, parts stay for the next call.

        Sources of a file are tried in order, those of servers that failed before last. A wrong content drops the part
        and moves on once; the second one ends it.

        :param part_of: where the bytes of a digest grow.
        :param finish: called with each file whose bytes are right and on the disk, from any thread.
        :param locate: the ordered sources of a file, asked just before it is fetched; default the item's own.
        :raises DrydockError: a file could not be fetched; or the disk is full (parts are removed to give room back).
        """
        if self._progress is not None:
            self._progress.begin(len(items), sum(item.size for item in items))
        orders = Orders(part_of=part_of, finish=finish, locate=locate or (lambda wanted: wanted.sources))
        Run(items, orders, self._tools).go()

    def _received(self, wanted: Wanted, source: Source | None, count: int) -> None:
        if source is not None:
            self._origins.sent(source, count)
            with self._guard:
                self.received += count
        if self._progress is not None:
            self._progress.update(wanted.label, count, "" if source is None else source.shown)

    def _done(self, wanted: Wanted) -> None:
        if self._progress is not None:
            self._progress.done(wanted.label)
