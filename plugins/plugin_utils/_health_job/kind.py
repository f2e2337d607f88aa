# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling as a kind of job."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._health_job.names import FOLDER
from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Stage, board, parse

POLLING = Kind(
    noun="polling",
    later="it changes nothing there, and its outcome is lost",
    folder=FOLDER,
    start=Stage(),
    parse=parse,
    board=lambda hosts, width, turn: board(hosts, width=width, turn=turn),
    quiet=10.0,
    silence=10.0,
    pauses=(0.2, 1.5),
)
