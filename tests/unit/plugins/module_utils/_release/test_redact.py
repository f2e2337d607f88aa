# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret is in what is told and kept of a release."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Callable
from urllib.parse import quote, quote_plus

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.redact import REDACTED, Redactor

REDACTOR = Redactor(["canary-value", 'a "quoted"\nvalue', "abc"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("connected with canary-value", f"connected with {REDACTED}"),
        ("postgresql://ocr:s3cret@postgres/ocr", f"postgresql://ocr:{REDACTED}@postgres/ocr"),
        ("Authorization: Bearer eyJhbGciOi.x", f"Authorization: Bearer {REDACTED}"),
        ('{"db_password": "hunter2", "user": "ocr"}', f'{{"db_password": "{REDACTED}", "user": "ocr"}}'),
        ("API_KEY=12345 started", f"API_KEY={REDACTED} started"),
        ("the password was wrong", "the password was wrong"),
        ("tokens per second: 12", "tokens per second: 12"),
        ("YWJj is base64 of what is too short", "YWJj is base64 of what is too short"),
        ("abc is too short to be taken out of every word", "abc is too short to be taken out of every word"),
    ],
)
def test_what_is_or_looks_like_a_secret_is_taken_out_of_a_log(text: str, expected: str) -> None:
    assert REDACTOR.text(text) == expected


def test_a_value_with_quotes_and_lines_is_found_inside_json_too() -> None:
    assert "quoted" not in REDACTOR.known(json.dumps({"said": 'it is a "quoted"\nvalue'}))


@pytest.mark.parametrize("before", ["", "o", "ocr:", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_value_is_found_in_base64_whatever_stands_before_it(before: str, encode: Callable[[bytes], bytes]) -> None:
    value = "pass/?>word~~with-bytes"
    text = f"Authorization: Basic {encode((before + value + ' end').encode()).decode()} sent"
    seen = Redactor([value]).known(text)
    assert REDACTED in seen
    left = seen.partition("Basic ")[2].partition(" sent")[0].replace(REDACTED, "")
    assert len(left) <= 14  # what stands before it and after it


@pytest.mark.parametrize("encode", [quote, quote_plus, partial(quote, safe=""), lambda text: quote(text).lower()])
def test_a_value_is_found_in_a_url(encode: Callable[[str], str]) -> None:
    value = "p@ss w/rd+é"
    assert Redactor([value]).known(f"amqp://x?password={encode(value)}&y") == f"amqp://x?password={REDACTED}&y"


def test_an_inspection_keeps_the_names_of_variables_and_not_their_values() -> None:
    raw = {"Config": {"Env": ["PATH=/bin", "TOKEN=xyz"], "Image": "api:1"}, "Args": ["canary-value"]}
    seen = REDACTOR.inspection(raw)
    assert seen["Config"] == {"Env": [f"PATH={REDACTED}", f"TOKEN={REDACTED}"], "Image": "api:1"}
    assert seen["Args"] == [REDACTED]
    assert raw["Args"] == ["canary-value"]


@pytest.mark.parametrize("text", ["a-" * 500_000, "password" + " " * 1_000_000, "x://" + "a:" * 500_000])
def test_an_answer_of_a_megabyte_is_looked_through_in_passing(text: str) -> None:
    assert REDACTOR.text(text).startswith(text[:3])
