# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which reporter suits this run's output."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible_collections.drydock.serving.plugins.plugin_utils._job import controller
from ansible_collections.drydock.serving.plugins.plugin_utils._job.kind import Kind, R
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import (
    Known,
    Lines,
    Place,
    Reporter,
    Silent,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._job.rhythm import Rhythm
from ansible_collections.drydock.serving.plugins.plugin_utils._job.screen import Mode, choose
from ansible_collections.drydock.serving.plugins.plugin_utils._job.shared import Shared

VARIABLE = "DRYDOCK_PROGRESS"


def reporter_for(host: str, kind: Kind[R], *, wanted: Any, display: Any, local_tmp: str) -> Reporter:
    """The reporter for one host.

    :param wanted: ``auto``, ``lines`` or ``off``.
    :param display: ansible-core's; in a worker it hands everything to the first process.
    :param local_tmp: the run's temporary directory on the controller.
    """
    mode = _mode(wanted, display)
    shared = Shared(Path(local_tmp) / kind.folder, host, kind)

    def lines(**how: Any) -> Lines:
        return Lines(
            host,
            lambda text: display.display(text, **how),
            monotonic=time.monotonic,
            rhythm=Rhythm(kind.silence, kind.quiet),
        )

    inside: Reporter = Silent()
    if mode.kind == "lines":
        inside = lines(stderr=mode.stderr)
    elif mode.kind == "place":
        inside = Place(
            shared,
            lambda text: display.display(text, screen_only=True, newline=False),
            lines=lines(),
            log=lines(log_only=True) if constants.DEFAULT_LOG_PATH else None,
            width=controller.width,
        )
    return Known(shared, inside)


def is_shown(wanted: Any, display: Any) -> bool:
    """Whether anything is shown at all."""
    return _mode(wanted, display).kind != "off"


def _mode(wanted: Any, display: Any) -> Mode:
    return choose(
        wanted,
        environment=os.environ.get(VARIABLE),
        terminal=controller.Controller.terminal,
        callback="oneline" if context.CLIARGS.get("one_line") else str(constants.DEFAULT_STDOUT_CALLBACK),
        verbosity=display.verbosity,
    )
