# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""daemon.json as a document of which several owners hold single keys. Pure.

A key is the path to a leaf: ``("log-opts", "max-size")``. A leaf is everything that is not a mapping with entries;
lists are leaves, as the engine takes them whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

Key = tuple[str, ...]

# The engine takes these over on SIGHUP, without a restart; everything else is read only when it starts.
# Source: https://docs.docker.com/reference/cli/dockerd/#configuration-reload-behavior
RELOADABLE = frozenset(
    {
        "allow-nondistributable-artifacts",
        "authorization-plugins",
        "debug",
        "default-runtime",
        "insecure-registries",
        "labels",
        "live-restore",
        "max-concurrent-downloads",
        "max-concurrent-uploads",
        "max-download-attempts",
        "registry-mirrors",
        "runtimes",
        "shutdown-timeout",
    }
)
# Of the features only this one is looked up when it is used; the image store and CDI are set up at the start.
RELOADABLE_KEYS = frozenset({("features", "buildkit")})

NONE, RELOAD, RESTART = "none", "reload", "restart"
DEFAULT_INDENT = 2


@dataclass(frozen=True)
class KeyChange:
    """One leaf that becomes different. ``change`` is added, changed or removed."""

    key: Key
    change: str

    @property
    def impact(self) -> str:
        reloadable = self.key[0] in RELOADABLE or self.key in RELOADABLE_KEYS
        return RELOAD if reloadable else RESTART

    def as_dict(self) -> dict[str, str]:
        reason = (
            "the engine takes it over on reload" if self.impact == RELOAD else "the engine reads it only when it starts"
        )
        return {"key": dotted(self.key), "change": self.change, "impact": self.impact, "reason": reason}


def dotted(key: Key) -> str:
    """How a key is shown."""
    return ".".join(key)


def parse_declared(config: Mapping[str, Any]) -> dict[Key, Any]:
    """The leaves the operator declares. A dot in a top-level key goes one level down; deeper keys stay as they are.

    :raises DrydockError: ``bad_input`` for empty keys and for a key declared twice or both as a value and as a mapping.
    """
    leaves: dict[Key, Any] = {}
    for name, value in config.items():
        path = tuple(str(name).split("."))
        for key, leaf in _leaves(value, path):
            if any(not part for part in key):
                raise DrydockError("bad_input", f"config: {name!r} has an empty part between its dots.", key=str(name))
            if key in leaves:
                raise DrydockError("bad_input", f"config: {dotted(key)} is declared twice.", key=dotted(key))
            leaves[key] = leaf
    for key in leaves:
        for length in range(1, len(key)):
            if key[:length] in leaves:
                raise DrydockError(
                    "bad_input",
                    f"config: {dotted(key[:length])} is declared as a value and, by {dotted(key)}, as a mapping.",
                    key=dotted(key),
                )
    return leaves


def parse_document(text: bytes, path: str) -> dict[str, Any]:
    """The content of daemon.json; an empty file is an empty document, as it is for the engine.

    :raises DrydockError: ``invalid_json`` with line and column; the file is never overwritten then.
    """
    advice = "Nothing was written. Correct the file by hand, or move it away, then run again."
    try:
        decoded = text.decode("utf-8-sig")
        if not decoded.strip():
            return {}
        value = json.loads(decoded, object_pairs_hook=_no_duplicates)
    except UnicodeDecodeError as error:
        raise DrydockError(
            "invalid_json", f"{path} is not UTF-8 text (byte {error.start}). {advice}", path=path
        ) from error
    except json.JSONDecodeError as error:
        raise DrydockError(
            "invalid_json",
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. {advice}",
            path=path,
            line=error.lineno,
            column=error.colno,
        ) from error
    except _DuplicateKeyError as error:
        raise DrydockError("invalid_json", f"{path} has the key {error} twice. {advice}", path=path) from error
    if not isinstance(value, dict):
        raise DrydockError(
            "invalid_json", f"{path} holds no JSON object but {type(value).__name__}. {advice}", path=path
        )
    return value


def merge(document: Mapping[str, Any], declared: Mapping[Key, Any], owned: Iterable[Key]) -> dict[str, Any]:
    """The document with the declared keys set and those owned but not declared any more taken out.

    Everything else keeps its value and its place. A mapping that becomes empty by a removal goes too.

    :raises DrydockError: ``conflict`` when a foreign value stands in the way of a declared mapping or the reverse.
    """
    merged = copy.deepcopy(dict(document))
    for key in owned:
        if key not in declared:
            _remove(merged, key)
    for key, value in declared.items():
        _set(merged, key, value)
    return merged


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[KeyChange]:
    """The leaves that differ, in the order of the new document, removed ones last."""
    old, new = dict(_leaves(before, ())), dict(_leaves(after, ()))
    found = [
        KeyChange(key=key, change="changed" if key in old else "added")
        for key, value in new.items()
        if key not in old or not same(old[key], value)
    ]
    found += [KeyChange(key=key, change="removed") for key in old if key not in new]
    return [change for change in found if change.key]  # an empty document is itself a leaf without a name


def impact(found: Iterable[KeyChange]) -> str:
    """What the engine needs to take all of them over."""
    impacts = {change.impact for change in found}
    return RESTART if RESTART in impacts else RELOAD if impacts else NONE


def same(one: Any, other: Any) -> bool:
    """Equal for a JSON reader: true is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def render(document: Mapping[str, Any], indent: int = DEFAULT_INDENT) -> bytes:
    """The file's text."""
    return (json.dumps(document, indent=indent, ensure_ascii=False) + "\n").encode("utf-8")


def indent_of(text: bytes) -> int:
    """The indentation a file uses, so that a merge changes only the lines it has to."""
    for line in text.decode("utf-8", "replace").splitlines()[1:]:
        width = len(line) - len(line.lstrip(" "))
        if width and line.strip():
            return min(width, 8)
    return DEFAULT_INDENT


class _DuplicateKeyError(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for key, entry in pairs:
        if key in value:
            raise _DuplicateKeyError(repr(key))
        value[key] = entry
    return value


def _leaves(value: Any, path: Key) -> Iterable[tuple[Key, Any]]:
    if isinstance(value, Mapping) and value:
        for name, entry in value.items():
            yield from _leaves(entry, (*path, str(name)))
    else:
        yield path, value


def _set(document: dict[str, Any], key: Key, value: Any) -> None:
    place = document
    for depth, part in enumerate(key[:-1], start=1):
        entry = place.setdefault(part, {})
        if entry is None:
            entry = place[part] = {}
        if not isinstance(entry, dict):
            raise _conflict(key[:depth], "a value", f"the declared {dotted(key)} needs a mapping there")
        place = entry
    current = place.get(key[-1])
    if value == {} and isinstance(current, dict):
        return
    if isinstance(current, dict) and current:
        raise _conflict(key, "a mapping with other keys", "a single value is declared there")
    if key[-1] not in place or not same(current, value):
        place[key[-1]] = copy.deepcopy(value)


def _conflict(key: Key, found: str, wanted: str) -> DrydockError:
    return DrydockError(
        "conflict",
        f"{dotted(key)} holds {found} that someone else wrote, but {wanted}. Nothing was written. "
        "Take one of the two out.",
        key=dotted(key),
    )


def _remove(document: dict[str, Any], key: Key) -> None:
    trail: list[dict[str, Any]] = [document]
    for part in key[:-1]:
        entry = trail[-1].get(part)
        if not isinstance(entry, dict):
            return
        trail.append(entry)
    if trail[-1].pop(key[-1], None) is None:
        return
    for place, part in zip(reversed(trail[:-1]), reversed(key[:-1])):
        if place[part]:
            return
        del place[part]
