# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator may write for a value, and what comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import coerce
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("read", "written", "meant"),
    [
        (coerce.to_int, "5", 5),
        (coerce.to_int, 5.0, 5),
        (coerce.to_int, " 42 ", 42),
        (coerce.to_float, "0.5", 0.5),
        (coerce.to_float, 2, 2.0),
        (coerce.to_bool, "yes", True),
        (coerce.to_bool, "on", True),
        (coerce.to_bool, "Off", False),
        (coerce.to_bool, 0, False),
        (coerce.to_str, 16, "16"),
        (coerce.to_str, 4.0, "4.0"),
        (coerce.to_bytes, "768m", 768 * 1024**2),
        (coerce.to_bytes, "1GiB", 1024**3),
        (coerce.to_bytes, "1.5 g", 3 * 1024**3 // 2),
        (coerce.to_bytes, "500MB", 500_000_000),
        (coerce.to_bytes, "1048576", 1048576),
        (coerce.to_bytes, 1048576, 1048576),
        (coerce.to_bytes, "20971520b", 20971520),
        (coerce.to_source, "any", "any"),
        (coerce.to_source, "192.0.2.0/24", "192.0.2.0/24"),
        (coerce.to_source, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_value_is_read_as_it_is_meant(read: Callable[[Any], Any], written: Any, meant: Any) -> None:
    found = read(written)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("read", "written", "said"),
    [
        (coerce.to_int, "five", "expected a number"),
        (coerce.to_int, 1.5, "whole number"),
        (coerce.to_int, True, "expected a number"),
        (coerce.to_float, "nan", "expected a number"),
        (coerce.to_float, float("inf"), "finite"),
        (coerce.to_float, 10**400, "finite"),
        (coerce.to_int, 10**400, "finite"),
        (coerce.to_bool, "maybe", "true or false"),
        (coerce.to_bool, None, "true or false"),
        (coerce.to_str, ["a"], "expected text"),
        (coerce.to_str, True, "expected text"),
        (coerce.to_str, "a\nb", "control character"),
        (coerce.to_bytes, "12 parsecs", "such as 768m"),
        (coerce.to_bytes, "-1m", "such as 768m"),
        (coerce.to_port, 0, "1 to 65535"),
        (coerce.to_port, "65536", "1 to 65535"),
        (coerce.to_source, "192.0.2.5/24", "192.0.2.0/24"),
        (coerce.to_source, "everybody", "an address or a network"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_was_expected(
    read: Callable[[Any], Any], written: Any, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        read(written)


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_whole_number_and_its_text_are_the_same(number: int) -> None:
    assert coerce.to_int(number) == coerce.to_int(str(number)) == number


@given(st.integers(min_value=0, max_value=10**6), st.sampled_from(["k", "m", "g", "t", "K", "M", "Ki", "MiB", "GiB"]))
def test_units_of_1024_are_whole_powers(number: int, unit: str) -> None:
    power = "kmgt".index(unit[0].lower()) + 1
    assert coerce.to_bytes(f"{number}{unit}") == number * 1024**power


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


READERS = (
    coerce.to_int,
    coerce.to_float,
    coerce.to_bool,
    coerce.to_str,
    coerce.to_bytes,
    coerce.to_port,
    coerce.to_source,
)


@pytest.mark.parametrize("read", READERS)
@given(value=anything)
def test_a_reader_returns_a_plain_value_or_refuses_and_never_breaks(read: Callable[[Any], Any], value: Any) -> None:
    with contextlib.suppress(ValueError):
        assert type(read(value)) in {int, float, bool, str}


@given(anything)
def test_plain_values_have_exact_types_all_the_way_down(value: Any) -> None:
    def exact(found: Any) -> bool:
        if type(found) is dict:
            return all(exact(key) and exact(item) for key, item in found.items())
        if type(found) is list:
            return all(exact(item) for item in found)
        return found is None or type(found) in {bool, int, float, str}

    assert exact(coerce.to_plain(value))
