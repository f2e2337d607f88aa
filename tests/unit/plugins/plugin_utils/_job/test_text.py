# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words that every kind of job needs."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._job.text import clean, duration, number, shortened


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (360_000, "4 d 04 h"),
    ],
)
def test_times_are_given_in_the_two_units_that_matter(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("length", "expected"), [(9, "abcdefghi"), (5, "ab…hi"), (4, "a…hi"), (1, "a"), (0, "")])
def test_a_text_is_shortened_in_its_middle(length: int, expected: str) -> None:
    assert shortened("abcdefghi", length) == expected


def test_what_a_host_says_cannot_steer_a_terminal() -> None:
    assert clean("a\x1b[2Jb\r\nc\u202e") == "a[2Jbc"


@pytest.mark.parametrize(("value", "is_"), [(3, 3.0), (1.5, 1.5), (True, 0), ("3", 0), (None, 0), (-1, 0), (1e99, 0)])
def test_what_is_no_number_counts_as_none(value: object, is_: float) -> None:
    assert number(value) == is_
