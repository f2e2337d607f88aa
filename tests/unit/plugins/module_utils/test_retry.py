# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy, parse_retry_after

# 1994-11-06 08:49:37 UTC, the moment in the examples of RFC 9110
MOMENT = 784111777.0


@pytest.mark.parametrize(
    ("failures", "asked", "expected"),
    [
        (1, None, 2.0),
        (2, None, 4.0),
        (3, None, 5.0),  # bounded by max_delay
        (4, None, None),  # three further tries, not more
        (1, 1.0, 2.0),  # never less than our own pause
        (1, 9.0, 9.0),
        (1, 10.5, None),  # asks for more than we are willing to wait
        (4, 1.0, None),
    ],
)
def test_pauses_grow_are_bounded_and_end(failures: int, asked: float | None, expected: float | None) -> None:
    policy = RetryPolicy(retries=3, delay=2, factor=2, max_delay=5, max_retry_after=10)
    assert policy.pause(failures, asked=asked) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),  # a digit, but not one of HTTP's
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
        ("Sun, 06 Nov 1994 08:50:37 +99999999999999", None),
    ],
)
def test_retry_after_is_a_number_or_a_date_or_nothing(value: str | None, expected: float | None) -> None:
    assert parse_retry_after(value, now=MOMENT) == expected
