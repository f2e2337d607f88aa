# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases as a kind of job."""

from __future__ import annotations

from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind
from ansible_collections.drydock.serving.plugins.plugin_utils._job.stage import Stage, board, parse
from ansible_collections.drydock.serving.plugins.plugin_utils._release_job.names import FOLDER

RELEASE = Kind(
    noun="the release",
    later="the next run follows it, or tells its outcome",
    folder=FOLDER,
    start=Stage(),
    parse=parse,
    board=lambda hosts, width, turn: board(hosts, width=width, turn=turn),
    silence=10.0,
    pauses=(0.3, 1.5),
)
