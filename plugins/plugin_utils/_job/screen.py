# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where progress goes: in place on a terminal, as lines in a log, or nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["place", "lines", "off"]

# Whose standard output is for programs; a line of ours would spoil it.
FOR_PROGRAMS = {"json", "jsonl", "null", "oneline", "junit", "tap", "csv"}
# Those that print line by line, so that a line which is drawn over and over does not disturb them.
LINE_BY_LINE = {"default", "minimal", "yaml", "debug", "unixy", "actionable", "skippy", "selective", "diy"}
CLEAR = "\r\x1b[J"


@dataclass(frozen=True)
class Mode:
    """How to show it. :param stderr: lines go there, because standard output belongs to a program."""

    kind: Kind
    stderr: bool = False


def choose(wanted: object, *, environment: str | None, terminal: bool, callback: str, verbosity: int) -> Mode:
    """What was asked for, by the option or by ``DRYDOCK_PROGRESS``, which wins, and what the output can bear.

    :param terminal: standard output is a terminal that understands control sequences.
    :param callback: the callback that writes on standard output.
    """
    word = _word(environment) or _word(wanted) or "auto"
    callback = callback.rsplit(".", 1)[-1]
    if word == "off":
        return Mode("off")
    if callback in FOR_PROGRAMS:
        return Mode("lines", stderr=True) if word == "lines" else Mode("off")
    if word == "auto" and terminal and callback in LINE_BY_LINE and verbosity < 3:
        return Mode("place")
    return Mode("lines")


def _word(value: Any) -> str:
    """``off`` is false in YAML, and an unknown word in the environment is not worth a failed deployment."""
    if value is False:
        return "off"
    text = str(value or "").strip().lower()
    text = "off" if text in {"no", "none", "false", "0", "quiet"} else text
    return text if text in {"auto", "lines", "off"} else ""


def drawn(text: str) -> str:
    """Control sequences that show ``text`` one line below the cursor and leave the cursor on an empty line.

    Whatever else is printed meanwhile comes onto that empty line and stays whole.
    """
    return f"{CLEAR}\n{text}\x1b[A\r"
