# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an answer the expected one? Pure: takes what came back, gives the list of what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec, JsonTest

EXCERPT_CHARS = 300
_INDEX = re.compile(r"-?[0-9]{1,9}")


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def excerpt(text: str, *, limit: int = EXCERPT_CHARS) -> str:
    """One printable line of at most ``limit`` characters."""
    head = text[: limit * 8]  # what is far beyond needs no look
    flat = " ".join("".join(char if char.isprintable() else " " for char in head).split())
    return flat if len(flat) <= limit and len(head) == len(text) else flat[: limit - 1] + "…"


def lookup(document: Any, path: str) -> Any:
    """The value at a dotted path (``lines.0.text``), or ``MISSING``. A number is an index where a list stands."""
    value = document
    for part in path.split("."):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def same(found: Any, expected: Any) -> bool:
    """Equal, where a truth value is never equal to a number."""
    return isinstance(found, bool) == isinstance(expected, bool) and bool(found == expected)


def is_number(value: Any) -> bool:
    """A number, and not a truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda found, value: is_number(found) and compare(found, value)


def _contains(found: Any, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    return isinstance(found, (list, dict)) and any(same(item, value) for item in found)


# What can be asked of the value at a path. Each takes what was found, which may be MISSING, and the wanted value.
TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "equals": same,
    "differs": lambda found, value: found is not MISSING and not same(found, value),
    "above": _compared(lambda found, value: found > value),
    "at_least": _compared(lambda found, value: found >= value),
    "below": _compared(lambda found, value: found < value),
    "at_most": _compared(lambda found, value: found <= value),
    "one_of": lambda found, value: any(same(found, item) for item in value),
    "contains": _contains,
    "matches": lambda found, value: isinstance(found, str) and re.search(value, found) is not None,
    "length_at_least": lambda found, value: isinstance(found, (str, list, dict)) and len(found) >= value,
    "exists": lambda found, _value: found is not MISSING,
    "absent": lambda found, _value: found is MISSING,
}
UNARY = frozenset({"exists", "absent"})
NUMERIC = frozenset({"above", "at_least", "below", "at_most", "length_at_least"})


def text_mismatches(text: str, *, contains: Sequence[str], matches: Sequence[str], what: str) -> list[str]:
    """What a text lacks of the parts and patterns that it has to have."""
    found = [f"{what} does not contain {excerpt(part)!r}" for part in contains if part not in text]
    return found + [f"{what} does not match {excerpt(part)!r}" for part in matches if re.search(part, text) is None]


def mismatches(spec: HttpSpec, *, status: int, body: bytes) -> list[str]:
    """Everything about an answer that is not as the target wants it, in words; empty when all is well."""
    found = []
    if status not in spec.status:
        wanted = " or ".join(str(code) for code in sorted(spec.status))
        found.append(f"HTTP {status} instead of {wanted}")
    text = body.decode("utf-8", "replace")
    found += text_mismatches(text, contains=spec.contains, matches=spec.matches, what="the body")
    if spec.json or spec.json_tests:
        found += _json_mismatches(spec, text)
    return found


def _json_mismatches(spec: HttpSpec, text: str) -> list[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return ["the body is not JSON"]
    found = []
    for path, expected in spec.json.items():
        value = lookup(document, path)
        if not same(value, expected):
            found.append(f"{path} is {excerpt(repr(value))} instead of {expected!r}")
    return found + [_told(test, document) for test in spec.json_tests if not _holds(test, document)]


def _holds(test: JsonTest, document: Any) -> bool:
    return TESTS[test.test](lookup(document, test.path), test.value)


def _told(test: JsonTest, document: Any) -> str:
    wanted = test.test.replace("_", " ") + ("" if test.test in UNARY else f" {test.value!r}")
    return f"{test.path} is {excerpt(repr(lookup(document, test.path)))}, wanted: {wanted}"
