# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The group of a sync, whose machinery is only loaded when something must be fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ansible_collections.drydock.serving.plugins.module_utils._seed.config import parse_seed
from ansible_collections.drydock.serving.plugins.module_utils._seed.pulse import Progress, Pulse

if TYPE_CHECKING:
    from ansible_collections.drydock.serving.plugins.module_utils._seed.locator import Locator, Wanted
    from ansible_collections.drydock.serving.plugins.module_utils._seed.seeding import Layout, Seeding
    from ansible_collections.drydock.serving.plugins.module_utils._source import Transport


class Group:
    """See ``seeding.Seeding``.

    :param raw: the option ``seed``.
    :raises DrydockError: kind ``invalid_input``.
    """

    def __init__(self, raw: Mapping[str, Any], *, gid: int, file_mode: int) -> None:
        self._config = parse_seed(raw)
        self._gid = gid
        self._mode = file_mode
        self._seeding: Seeding | None = None

    @property
    def notices(self) -> list[str]:
        """What of it did not work."""
        return [] if self._seeding is None else self._seeding.notices

    @property
    def waiting_for(self) -> str:
        """The hosts that files are waited for just now, in words; empty when there are none."""
        return "" if self._seeding is None else self._seeding.waiting_for

    def transport(self, inner: Transport) -> Transport:
        """What fetches from peers, too."""
        return self._loaded().transport(inner)

    def progress(self, inner: Progress) -> Progress:
        """What the downloader tells, told to the group as well."""
        return Pulse(inner, self._loaded().moved)

    def supply(self, layout: Layout, wanted: Sequence[Wanted]) -> AbstractContextManager[Locator]:
        """Serve and ask the group for the length of the block."""
        return self._loaded().supply(layout, wanted)

    def _loaded(self) -> Seeding:
        if self._seeding is None:
            from ansible_collections.drydock.serving.plugins.module_utils._seed.seeding import (  # noqa: PLC0415 - see above
                Seeding,
            )

            self._seeding = Seeding(self._config, gid=self._gid, file_mode=self._mode)
        return self._seeding
