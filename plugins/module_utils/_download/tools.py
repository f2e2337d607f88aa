# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is given: what its caller wants, and what every file is fetched with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._download.limits import Clock, DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.origins import Origins
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, Transport


@dataclass(frozen=True)
class Orders:
    """What the caller of ``fetch_all`` gave."""

    part_of: Callable[[str], PartFiles]
    finish: Callable[[Wanted, PartFiles], None]
    locate: Callable[[Wanted], Sequence[Source]]


@dataclass(frozen=True)
class Tools:
    """What every file is fetched with.

    :param received: told of bytes and the source they came from, from any thread; without a source: bytes of an
        earlier run, or (negative) bytes that are thrown away, or (0) bytes of an earlier run were hashed.
    :param done: told of every file that is complete.
    """

    transport: Transport
    policy: RetryPolicy
    limits: DownloadLimits
    clock: Clock
    origins: Origins
    received: Callable[[Wanted, Source | None, int], None]
    done: Callable[[Wanted], None]
