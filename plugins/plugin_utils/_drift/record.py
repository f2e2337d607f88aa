# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one task's result says about drift: the places that would change, with their diffs. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._drift.redact import redact

MAX_DIFF = 16 * 1024
NOT_SHOWN = "(not shown: no_log)"
_PLACES = ("dest", "path", "name")


def changes(
    result: Mapping[str, Any], arguments: Mapping[str, Any], *, task: str, role: str | None, with_diff: bool
) -> list[dict[str, Any]]:
    """One entry for each file or thing a changed result is about.

    :param result: the task's result as callbacks get it, already without what ``no_log`` hides.
    :param arguments: the task's own arguments, for where it works when the result does not say.
    :param with_diff: false where the task says ``diff: false``.
    """
    items = result.get("results")
    if isinstance(items, list):
        return [
            entry
            for item in items
            if isinstance(item, Mapping) and item.get("changed")
            for entry in changes({**item, "results": None}, arguments, task=task, role=role, with_diff=with_diff)
        ]
    base = {"task": task, "role": role}
    if result.get("censored") or result.get("_ansible_no_log"):
        return [{**base, "file": None, "diff": NOT_SHOWN}]
    found = [{**base, "file": file, "diff": diff} for file, diff in _diffs(result.get("diff"))] if with_diff else []
    if not found:
        return [{**base, "file": _place(result, arguments), "diff": None if with_diff else NOT_SHOWN}]
    for entry in found:
        entry["file"] = entry["file"] or _place(result, arguments)
    return found


def _diffs(diff: Any) -> Iterator[tuple[str | None, str]]:
    """``(file, unified diff)`` for every part of a result's diff that says something."""
    for part in diff if isinstance(diff, list) else [diff]:
        if not isinstance(part, Mapping):
            continue
        file = _header_file(part)
        if part.get("prepared"):
            yield file, _limited(redact(str(part["prepared"])))
        elif part.get("before", "") != part.get("after", ""):
            yield file, _limited(redact(_unified(part)))


def _unified(part: Mapping[str, Any]) -> str:
    before, after = _lines(part.get("before")), _lines(part.get("after"))
    headers = (str(part.get("before_header") or "before"), str(part.get("after_header") or "after"))
    return "\n".join(difflib.unified_diff(before, after, *headers, lineterm="", n=2))


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True, default=str)
    return text.splitlines()


def _limited(text: str) -> str:
    return text if len(text) <= MAX_DIFF else text[:MAX_DIFF] + f"\n… and {len(text) - MAX_DIFF} characters more"


def _header_file(part: Mapping[str, Any]) -> str | None:
    """The path in a diff's header, without remarks such as "(absent)"."""
    for key in ("after_header", "before_header"):
        header = str(part.get(key) or "")
        if header:
            return header.split(" (", 1)[0]
    return None


def _place(result: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    for source in (result, arguments):
        for key in _PLACES:
            value = source.get(key)
            if isinstance(value, str) and value:
                return redact(value)
            if isinstance(value, list) and value and key == "name":
                return ", ".join(str(item) for item in value)
    return None


def notes(result: Mapping[str, Any]) -> list[str]:
    """What is no drift and still good to know: clients are turned away because somebody wants it so."""
    closed = result.get("maintenance")
    if not isinstance(closed, Mapping):
        return []
    reason = f": {closed['reason']}" if closed.get("reason") else ""
    return [redact(f"The edge is closed for maintenance since {closed.get('since')} by {closed.get('by')}{reason}")]


def problem(result: Mapping[str, Any], *, task: str, kind: str) -> dict[str, Any]:
    """Why a host could not be judged. ``kind`` is failed or unreachable."""
    message = NOT_SHOWN if result.get("censored") else str(result.get("msg") or result.get("stderr") or "no message")
    return {"task": task, "kind": kind, "message": _limited(redact(message))}


def merge(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entries without repetitions, in order."""
    seen: set[str] = set()
    found = []
    for entry in entries:
        key = json.dumps(entry, sort_keys=True)
        if key not in seen:
            seen.add(key)
            found.append(entry)
    return found
