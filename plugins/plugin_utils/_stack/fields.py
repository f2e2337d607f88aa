# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small vocabulary for shapes: records with known keys, maps with free keys, lists, single values.

A reader takes ``(value, path, problems)`` and returns the value in plain types. What it cannot read it reports, and
returns ``None`` (a record: its other keys), so that everything else is still looked at.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated, shown, to_str
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

Reader = Callable[[Any, str, Problems], Any]


@dataclass(frozen=True)
class Field:
    """One key of a record.

    :param default: what a missing or empty (null) key means.
    :param filled: a missing record is read as an empty one, so that its own keys get their defaults.
    """

    read: Reader
    default: Any = None
    required: bool = False
    filled: bool = False


def scalar(coerce: Callable[[Any], Any]) -> Reader:
    def read(value: Any, path: str, problems: Problems) -> Any:
        try:
            return coerce(value)
        except ValueError as error:
            problems.add(path, f"{error}.")
            return None

    return read


def record(fields: Mapping[str, Field]) -> Reader:
    def read(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, Mapping):
            problems.add(path, f"expected keys and values ({listed(fields)}), found {shown(value)}.")
            value = {}
        _refuse_unknown(value, fields, path, problems)
        return {name: _read_field(name, field, value, path, problems) for name, field in fields.items()}

    return read


def _read_field(name: str, field: Field, value: Mapping[str, Any], path: str, problems: Problems) -> Any:
    given = value.get(name)
    if given is None and field.filled:
        given = {}
    if given is None:
        if field.required:
            problems.add(f"{path}.{name}", "is required and missing.")
        return copy.deepcopy(field.default)
    read = field.read(given, f"{path}.{name}", problems)
    return copy.deepcopy(field.default) if read is None else read


def _refuse_unknown(value: Mapping[str, Any], fields: Mapping[str, Field], path: str, problems: Problems) -> None:
    for key in value:
        if str(key) not in fields:
            missing = [name for name in fields if name not in value]
            hint = suggestion(str(key), missing) or suggestion(str(key), fields)
            problems.add(f"{path}.{key}", f"is not a known key. Allowed: {', '.join(fields)}.{hint}")


def map_of(read_item: Reader, *, pattern: str, meaning: str) -> Reader:
    """Free keys that fit a pattern, every value read the same way. The result is sorted by key."""
    compiled = re.compile(pattern)

    def read(value: Any, path: str, problems: Problems) -> Any:
        if not isinstance(value, Mapping):
            problems.add(path, f"expected names and values, found {shown(value)}.")
            return {}
        found = {}
        for key, item in value.items():
            name = str(key)
            if not compiled.fullmatch(name):
                problems.add(f"{path}.{name}", f"is not a usable name; expected {meaning}.")
                continue
            found[name] = read_item({} if item is None else item, f"{path}.{name}", problems)
        return dict(sorted(found.items()))

    return read


def list_of(read_item: Reader, *, unique: bool = False, empty: bool = True) -> Reader:
    def read(value: Any, path: str, problems: Problems) -> Any:
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            problems.add(path, f"expected a list, found {shown(value)}.")
            return None
        if not value and not empty:
            problems.add(path, "is empty; expected at least one entry.")
        items = [read_item(item, f"{path}[{number}]", problems) for number, item in enumerate(value)]
        found = [item for item in items if item is not None]
        if unique:
            for item in repeated(found):
                problems.add(path, f"{shown(item)} is listed more than once.")
        return found

    return read


def command(value: Any, path: str, problems: Problems) -> Any:
    """A program and its arguments. One string is refused: whoever splits it would have to guess the quoting."""
    if isinstance(value, str):
        problems.add(path, f"expected a list of words such as [{', '.join(value.split()[:3])}], found one text.")
        return None
    return list_of(scalar(to_str), empty=False)(value, path, problems)
