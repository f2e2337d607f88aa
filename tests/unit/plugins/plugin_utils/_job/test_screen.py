# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where progress goes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.screen import CLEAR, Mode, choose, drawn

TERMINAL = {"wanted": "auto", "environment": None, "terminal": True, "callback": "default", "verbosity": 0}
PLACE, LINES, OFF = Mode("place"), Mode("lines"), Mode("off")

CHOICES: dict[str, tuple[dict[str, Any], Mode]] = {
    "a terminal": ({}, PLACE),
    "a terminal, option not given": ({"wanted": None}, PLACE),
    "a log": ({"terminal": False}, LINES),
    "a terminal and lines wanted": ({"wanted": "lines"}, LINES),
    "off": ({"wanted": "off"}, OFF),
    "off, as YAML reads it": ({"wanted": False}, OFF),
    "off by the environment": ({"environment": "off"}, OFF),
    "off by the option, lines by the environment": ({"wanted": "off", "environment": "lines"}, LINES),
    "an unknown word in the environment": ({"environment": "sideways"}, PLACE),
    "an empty word in the environment": ({"environment": "", "wanted": "lines"}, LINES),
    "a callback for programs": ({"callback": "ansible.posix.json"}, OFF),
    "a callback for programs, in a log": ({"callback": "json", "terminal": False}, OFF),
    "a callback for programs, lines wanted": ({"callback": "json", "wanted": "lines"}, Mode("lines", stderr=True)),
    "a callback that draws itself": ({"callback": "community.general.dense"}, LINES),
    "a callback of a user interface": ({"callback": "awx_display"}, LINES),
    "each command shown": ({"verbosity": 3}, LINES),
    "results shown": ({"verbosity": 2}, PLACE),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_output_decides(case: str) -> None:
    changed, expected = CHOICES[case]
    assert choose(**{**TERMINAL, **changed}) == expected


class Screen:
    """As much of a terminal as is needed: carriage return, line feed, cursor up, erase below."""

    def __init__(self) -> None:
        self.rows = [""]
        self.row = self.column = 0

    def write(self, text: str) -> None:
        while text:
            if text.startswith("\x1b[J"):
                self.rows[self.row :] = [self.rows[self.row][: self.column]]
                text = text[3:]
                continue
            if text.startswith("\x1b[A"):
                self.row -= 1
                text = text[3:]
                continue
            letter, text = text[0], text[1:]
            if letter == "\r":
                self.column = 0
            elif letter == "\n":
                self.row, self.column = self.row + 1, 0
                self.rows += [""] * (self.row + 1 - len(self.rows))
            else:
                line = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = line[: self.column] + letter + line[self.column + 1 :]
                self.column += 1


def test_drawing_again_replaces_the_line_and_clearing_leaves_nothing() -> None:
    screen = Screen()
    screen.write("TASK [sync] ***\n")
    screen.write(drawn("lab-1: 10 % of 2.1 GB, a long line"))
    screen.write(drawn("lab-1: 20 %"))
    assert screen.rows == ["TASK [sync] ***", "", "lab-1: 20 %"]
    screen.write(CLEAR)
    screen.write("changed: [lab-1]\n")
    assert screen.rows == ["TASK [sync] ***", "changed: [lab-1]", ""]


def test_what_others_print_meanwhile_stays_whole() -> None:
    screen = Screen()
    screen.write("TASK [sync] ***\n")
    screen.write(drawn("2 hosts: 10 % of 4.2 GB"))
    screen.write("changed: [lab-2]\n")
    screen.write(drawn("lab-1: 20 %"))
    assert screen.rows == ["TASK [sync] ***", "changed: [lab-2]", "", "lab-1: 20 %"]
