# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answers count as healthy."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import (
    MISSING,
    TESTS,
    excerpt,
    lookup,
    mismatches,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, JsonTest

DOCUMENT = {"status": "ready", "lines": [{"text": "HELLO"}, {"text": "WORLD"}], "ok": True, "count": 1}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", "ready"),
        ("lines.0.text", "HELLO"),
        ("lines.-1.text", "WORLD"),
        ("lines.5.text", MISSING),
        ("lines.x", MISSING),
        ("lines.--1", MISSING),
        ("lines.²", MISSING),
        ("status.deeper", MISSING),
        ("absent", MISSING),
    ],
)
def test_a_dotted_path_finds_its_value(path: str, value: Any) -> None:
    assert lookup(DOCUMENT, path) == value


BODY = b'{"status": "ready", "ok": true, "count": 1}'


@pytest.mark.parametrize(
    ("spec", "status", "body", "said"),
    [
        (HttpSpec(url="x"), 200, b"", []),
        (HttpSpec(url="x"), 503, b"", ["HTTP 503 instead of 200"]),
        (HttpSpec(url="x", status=frozenset({200, 204})), 500, b"", ["HTTP 500 instead of 200 or 204"]),
        (HttpSpec(url="x", contains=("ready",)), 200, BODY, []),
        (HttpSpec(url="x", contains=("loading",)), 200, BODY, ["the body does not contain 'loading'"]),
        (HttpSpec(url="x", matches=("^.st[a-z]+",)), 200, b"[status]", []),
        (HttpSpec(url="x", matches=("^.st[a-z]+",)), 200, BODY, ["the body does not match '^.st[a-z]+'"]),
        (HttpSpec(url="x", json={"status": "ready"}), 200, BODY, []),
        (HttpSpec(url="x", json={"status": "up"}), 200, BODY, ["status is 'ready' instead of 'up'"]),
        (HttpSpec(url="x", json={"count": True}), 200, BODY, ["count is 1 instead of True"]),
        (HttpSpec(url="x", json={"gone": 1}), 200, BODY, ["gone is nothing instead of 1"]),
        (HttpSpec(url="x", json={"a": 1}), 200, b"<html>", ["the body is not JSON"]),
        (
            HttpSpec(url="x", json={"a": 1}, contains=("b",)),
            404,
            b"",
            ["HTTP 404 instead of 200", "the body does not contain 'b'", "the body is not JSON"],
        ),
    ],
)
def test_everything_that_does_not_fit_is_told(spec: HttpSpec, status: int, body: bytes, said: list[str]) -> None:
    assert mismatches(spec, status=status, body=body) == said


@pytest.mark.parametrize(
    ("test", "value", "right", "wrong"),
    [
        ("equals", 1, [1, 1.0], [2, True, "1", MISSING]),
        ("differs", 1, [2, True, "1"], [1, MISSING]),
        ("above", 1, [1.5], [1, True, "2", None, MISSING]),
        ("at_least", 1, [1, 2], [0.9, "1", MISSING]),
        ("below", 1, [0, -1.5], [1, False, "0", MISSING]),
        ("at_most", 1, [1, 0], [1.1, MISSING]),
        ("one_of", [1, "a"], [1, "a"], [True, "b", MISSING]),
        ("contains", "a", ["cat", ["a"], {"a": 1}], ["dog", ["cat"], {"b": "a"}, 1, None, MISSING]),
        ("contains", 1, [[1, 2]], [[True], "1", MISSING]),
        ("matches", "^[0-9]+$", ["12"], ["a1", 12, MISSING]),
        ("length_at_least", 2, ["ab", [1, 2], {"a": 1, "b": 2}], ["a", [], 12, None, MISSING]),
        ("exists", None, [1, None, False], [MISSING]),
        ("absent", None, [MISSING], [1, None]),
    ],
)
def test_a_test_tells_right_from_wrong(test: str, value: Any, right: list[Any], wrong: list[Any]) -> None:
    assert [found for found in right if not TESTS[test](found, value)] == []
    assert [found for found in wrong if TESTS[test](found, value)] == []


def test_a_failed_test_says_what_was_found_and_what_was_wanted() -> None:
    spec = HttpSpec(
        url="x",
        json_tests=(JsonTest("count", "at_least", 2), JsonTest("ok", "exists"), JsonTest("count", "absent")),
    )
    assert mismatches(spec, status=200, body=BODY) == ["count is 1, wanted: at least 2", "count is 1, wanted: absent"]


def test_a_document_without_end_to_its_depth_is_not_json() -> None:
    assert mismatches(HttpSpec(url="x", json={"a": 1}), status=200, body=b"[" * 200000) == ["the body is not JSON"]


def test_an_excerpt_is_one_printable_line_of_bounded_length() -> None:
    assert excerpt("a\n\tb\x1b[31m") == "a b [31m"
    assert len(excerpt("x" * 1000)) == 300
    assert excerpt(" " * 5000 + "x").endswith("…")
