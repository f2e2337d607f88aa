# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verb of the command on the host is, and what it is given. A file in ``verbs`` is a verb of the file's name."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout


@dataclass(frozen=True)
class Stack:
    """The stack that the command was made for."""

    name: str
    layout: Layout
    version: str


@dataclass(frozen=True)
class Verb:
    """``VERB`` of a file in ``verbs``.

    :param summary: one line for the list of verbs.
    :param text: what ``--help`` says besides, in paragraphs.
    :param arguments: adds its own to the parser.
    :param run: does it; the exit status. May raise ``DrydockError``, which ends the command with 1.
    :param hidden: not for people: what a systemd unit runs. It has help and is in no list.
    """

    summary: str
    text: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Stack], int]
    hidden: bool = False
