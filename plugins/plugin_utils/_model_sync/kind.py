# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads of models as a kind of job."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.names import FOLDER
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import Snapshot, board, parse

DOWNLOAD = Kind(
    noun="the download",
    later="the next run finds what it fetched, or waits for it",
    folder=FOLDER,
    start=Snapshot(phase="start"),
    parse=parse,
    board=lambda hosts, width, turn: board(hosts, width=width, turn=turn),
    silence=30.0,
    pauses=(0.5, 3.0),
)
