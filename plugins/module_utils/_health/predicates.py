# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an HTTP answer the expected one? Pure: takes status and body, gives the list of what does not fit."""

from __future__ import annotations

import json
import re
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._health.target import HttpSpec

EXCERPT_CHARS = 300
_INDEX = re.compile(r"-?[0-9]{1,9}")


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def excerpt(text: str, *, limit: int = EXCERPT_CHARS) -> str:
    """One printable line of at most ``limit`` characters."""
    flat = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


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


def mismatches(spec: HttpSpec, *, status: int, body: bytes) -> list[str]:
    """Everything about an answer that is not as the target wants it, in words; empty when all is well."""
    found = []
    if status not in spec.status:
        wanted = " or ".join(str(code) for code in sorted(spec.status))
        found.append(f"HTTP {status} instead of {wanted}")
    text = body.decode("utf-8", "replace")
    found += [f"the body does not contain {excerpt(part)!r}" for part in spec.contains if part not in text]
    if spec.json:
        found += _json_mismatches(spec, text)
    return found


def _json_mismatches(spec: HttpSpec, text: str) -> list[str]:
    try:
        document = json.loads(text)
    except ValueError:
        return ["the body is not JSON"]
    found = []
    for path, expected in spec.json.items():
        value = lookup(document, path)
        if not same(value, expected):
            found.append(f"{path} is {excerpt(repr(value))} instead of {expected!r}")
    return found
