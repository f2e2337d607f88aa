# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gates: requirements on metrics, licences, card, signature."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.gates import (
    judge,
    parse_requirement,
    to_license,
    to_requirement,
)


@pytest.mark.parametrize(
    ("text", "value", "met"),
    [
        (">0.7", 0.7, False),
        (">0.7", 0.71, True),
        (">=0.7", 0.7, True),
        ("< 5", 5, False),
        ("<=5", 5, True),
        ("== 1e-3", 0.001, True),
        (">-.5", -0.4, True),
    ],
)
def test_a_requirement_is_met_as_its_sign_says(text: str, value: float, met: bool) -> None:
    assert parse_requirement(text).met(value) is met


@pytest.mark.parametrize("text", ["0.7", ">", "=0.7", "> 0.7 x", ">nan", ">1e999", "=>1", "", ">0.7\n<1"])
def test_what_is_no_requirement_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r'">0\.7"|control character'):
        to_requirement(text)


@pytest.mark.parametrize("value", [0.7, True, [">0.7"], None, {"min": 0.7}])
def test_a_number_alone_does_not_say_which_side_is_good(value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        to_requirement(value)


@pytest.mark.parametrize("value", ["{{ x }}", "", "a b", "a\nb", "-x"])
def test_a_licence_is_an_id(value: str) -> None:
    with pytest.raises(ValueError, match=r"apache-2\.0|control character"):
        to_license(value)


PASSING: dict[str, Any] = {
    "card": {"present": True, "sha256": "0" * 64},
    "metrics": {"mAP": 0.82, "accuracy": [0.6, 0.9]},
    "license": "apache-2.0",
    "signature": {"state": "verified"},
}


@pytest.mark.parametrize(
    ("wanted", "entry", "expected"),
    [
        ({}, {}, None),
        ({"card": "required"}, PASSING, None),
        ({"card": "required"}, {}, ("models.m.card", "there is none")),
        *(
            ({"card": "required"}, {"card": {"present": no}}, ("models.m.card", "none"))
            for no in ("false", "no", 0, None)
        ),
        ({"card": "optional"}, {}, None),
        ({"require": {"mAP": ">=0.8200001"}}, PASSING, ("models.m.require.mAP", "expected >=0.8200001, found 0.82.")),
        ({"require": {"mAP": ">0.7"}}, PASSING, None),
        ({"require": {"MAP": ">0.7"}}, PASSING, None),
        ({"require": {"mAP": ">0.9"}}, PASSING, ("models.m.require.mAP", "expected >0.9, found 0.82.")),
        ({"require": {"F1": ">0.1"}}, PASSING, ("models.m.require.F1", "no such metric (it has: accuracy, mAP)")),
        ({"require": {"F1": ">0.1"}}, {}, ("models.m.require.F1", "it has: none")),
        (
            {"require": {"accuracy": ">0.7"}},
            PASSING,
            ("models.m.require.accuracy", "found 0.6, the worst of several values"),
        ),
        (
            {"require": {"accuracy": "<0.7"}},
            PASSING,
            ("models.m.require.accuracy", "found 0.9, the worst of several values"),
        ),
        ({"require": {"accuracy": "==0.6"}}, PASSING, ("models.m.require.accuracy", "found 0.9")),
        ({"licenses": ["Apache-2.0", "mit"]}, PASSING, None),
        ({"licenses": ["mit"]}, PASSING, ("models.m.licenses", "expected one of mit, found apache-2.0.")),
        ({"licenses": ["mit"]}, {"license": None}, ("models.m.licenses", "nothing says under which licence")),
        ({"licenses": []}, PASSING, ("models.m.licenses", "expected one of none")),
        ({"licenses": ["mit"]}, {"license": "mit AND gpl-3.0"}, ("models.m.licenses", "found gpl-3.0.")),
        ({"signature": {"required": True}}, PASSING, None),
        ({"signature": {"required": True}}, {}, ("models.m.signature", "'unchecked'")),
        ({"signature": {"required": False}}, {}, None),
        ({"signature": None, "require": None, "licenses": None}, {"card": None, "metrics": None}, None),
    ],
)
def test_a_model_passes_or_is_told_why_not(
    wanted: dict[str, Any], entry: dict[str, Any], expected: tuple[str, str] | None
) -> None:
    found = judge(wanted, entry, "models.m")
    if expected is None:
        assert found == []
    else:
        [(path, message)] = found
        assert path == expected[0]
        assert expected[1] in message


def test_every_gate_is_told_at_once() -> None:
    wanted = {
        "card": "required",
        "require": {"a": ">1", "b": "<1"},
        "licenses": ["mit"],
        "signature": {"required": True},
    }
    assert len(judge(wanted, {}, "models.m")) == 5


@pytest.mark.parametrize("text", [">0.70000001", "<=1234567.5", "==0.1", ">=-3", ">1e-12", "<1e300", ">12345678901"])
def test_a_bound_keeps_every_digit_wherever_it_is_written_down(text: str) -> None:
    assert parse_requirement(to_requirement(text)) == parse_requirement(text)
