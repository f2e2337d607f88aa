# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything a download needs, put together from the options. Loaded only when something must be fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils import _bundle
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._http import HttpSettings, Transport, WebTransport
from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import headers_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_size
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock, Locate, own_sources
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.module_utils._seed.group import Group


class WebFetching:
    """Fetches from the files' own sources, and before them from a bundle and from hosts of the group.

    :param params: the options of the module, checked.
    :raises DrydockError: kind ``invalid_input``: the group cannot be read.
    """

    def __init__(self, params: Mapping[str, Any], ownership: Ownership, clock: Clock) -> None:
        self._params = params
        self._clock = clock
        self._group = None
        if params["seed"]:
            self._group = Group(params["seed"], gid=ownership.gid, file_mode=ownership.file_mode)

    @property
    def notices(self) -> Sequence[str]:
        """What did not work, although the files came."""
        return () if self._group is None else self._group.notices

    @property
    def elsewhere(self) -> bool:
        """Files may come from somewhere else than their own sources."""
        return self._group is not None or bool(self._params["bundle"])

    @property
    def waiting_for(self) -> str:
        """The hosts that files are waited for just now, in words; empty when there are none."""
        return "" if self._group is None else self._group.waiting_for

    def supply(self, layout: Layout, wanted: Sequence[Wanted]) -> AbstractContextManager[Locate]:
        """Serve and ask others for the length of the block."""
        inner = own_sources if self._group is None else self._group.supply
        bundle = self._params["bundle"]
        return (_bundle.first(bundle, inner) if bundle else inner)(layout, wanted)

    def downloader(self, progress: Progress) -> Downloader:
        """What fetches, within the limits that were asked for."""
        params = self._params
        settings = HttpSettings(
            timeout=params["timeout"],
            stall_timeout=params["stall_timeout"],
            ca_path=params["ca_path"],
            headers=headers_of(params),
        )
        transport: Transport = WebTransport(settings, now=self._clock.now)
        return Downloader(
            transport if self._group is None else self._group.transport(transport),
            RetryPolicy(retries=params["retries"], delay=params["retry_delay"]),
            clock=self._clock,
            limits=DownloadLimits(
                connections=params["connections"],
                bandwidth=parse_size(params["bandwidth"] or "0"),
                minimum_rate=params["minimum_rate"],
                stall_timeout=params["stall_timeout"],
                total_timeout=params["total_timeout"],
            ),
            progress=progress if self._group is None else self._group.progress(progress),
        )
