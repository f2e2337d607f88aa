# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree of configuration files is: options, checked values, and the form in which they travel to the host.

Pure. The action plugin checks the operator's input with it before anything is rendered; the module reads the same.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
import shlex
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

_OWNED = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "files": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "dest": {"type": "str", "required": True},
            "template": {"type": "str"},
            "content": {"type": "raw"},
            "src": {"type": "str"},
            "vars": {"type": "dict", "default": {}},
            "mode": {"type": "raw", "default": "0644"},
            **_OWNED,
            "validate": {"type": "raw"},
            "wakes": {"type": "list", "elements": "str", "default": []},
            "no_log": {"type": "bool", "default": False},
            "backup": {"type": "bool", "default": False},
            "follow": {"type": "bool", "default": False},
            "enabled": {"type": "bool", "default": True},
        },
        "mutually_exclusive": [["template", "content", "src"]],
    },
    "directories": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "path": {"type": "str", "required": True},
            "mode": {"type": "raw", "default": "0755"},
            **_OWNED,
        },
    },
    "checks": {"type": "list", "elements": "raw", "default": []},
    "state_directory": {"type": "str", "default": "/var/lib/drydock/config_tree"},
    "timeout": {"type": "float", "default": 60},
    "lock_timeout": {"type": "float", "default": 60},
    "payload": {"type": "str", "no_log": True},
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_MODE = re.compile(r"0?[0-7]{3,4}")


@dataclass(frozen=True)
class FileSpec:
    """One wanted file. ``validate`` is an argument list with ``%s`` for the staged file, or empty."""

    dest: str
    content: bytes
    mode: int
    owner: str
    group: str
    validate: tuple[str, ...]
    wakes: tuple[str, ...]
    no_log: bool
    backup: bool
    follow: bool


@dataclass(frozen=True)
class DirectorySpec:
    """One wanted directory."""

    path: str
    mode: int
    owner: str
    group: str


@dataclass(frozen=True)
class TreeSpec:
    """Everything one owner wants. ``timeout`` is for each reader, ``lock_timeout`` for another run; both in seconds."""

    name: str
    files: tuple[FileSpec, ...]
    directories: tuple[DirectorySpec, ...]
    checks: tuple[tuple[str, ...], ...]
    state_directory: str
    timeout: float
    lock_timeout: float


def pack(value: Mapping[str, Any]) -> str:
    """The travelling form: one opaque string, so that no part of it shows in a log or an argument list."""
    return base64.b64encode(zlib.compress(json.dumps(value).encode("utf-8"), 6)).decode("ascii")


def unpack(text: str) -> dict[str, Any]:
    """The reverse of :func:`pack`."""
    value = json.loads(zlib.decompress(base64.b64decode(text)))
    if not isinstance(value, dict):
        raise TypeError("payload is not a mapping")
    return value


def parse(values: Mapping[str, Any]) -> TreeSpec:
    """Check and normalise coerced arguments whose ``content`` (if any) is base64 text.

    :raises DrydockError: ``bad_input`` naming every violation with its path.
    """
    problems: list[str] = []
    files = [_parse_file(entry, f"files[{index}]", problems) for index, entry in enumerate(values["files"])]
    directories = [_parse_dir(entry, f"directories[{i}]", problems) for i, entry in enumerate(values["directories"])]
    checks = [_parse_argv(entry, f"checks[{index}]", problems) for index, entry in enumerate(values["checks"])]
    if not _NAME.fullmatch(values["name"]):
        problems.append(f"name: {values['name']!r} may only have letters, digits, '-' and '_', at most 63")
    _check_path(values["state_directory"], "state_directory", problems)
    problems += _duplicates((entry.dest for entry in files), "files", "dest")
    problems += _duplicates((entry.path for entry in directories), "directories", "path")
    both = {entry.dest for entry in files} & {entry.path for entry in directories}
    problems += [f"files: {path} is declared as a file and as a directory" for path in sorted(both)]
    if problems:
        raise DrydockError("bad_input", "The tree is not valid:\n" + "\n".join(problems), problems=problems)
    return TreeSpec(
        name=values["name"],
        files=tuple(files),
        directories=tuple(directories),
        checks=tuple(checks),
        state_directory=values["state_directory"],
        timeout=float(values["timeout"]),
        lock_timeout=float(values["lock_timeout"]),
    )


def _parse_file(entry: Mapping[str, Any], where: str, problems: list[str]) -> FileSpec:
    dest = _check_path(entry["dest"], f"{where}.dest", problems)
    validate: tuple[str, ...] = ()
    if entry.get("validate"):
        validate = _parse_argv(entry["validate"], f"{where}.validate", problems)
        if validate and not any("%s" in word for word in validate):
            problems.append(f"{where}.validate: %s is missing; it stands for the file to be checked")
    return FileSpec(
        dest=dest,
        content=base64.b64decode(entry.get("content") or ""),
        mode=_parse_mode(entry["mode"], f"{where}.mode", problems),
        owner=entry["owner"],
        group=entry["group"],
        validate=validate,
        wakes=tuple(entry["wakes"]),
        no_log=entry["no_log"],
        backup=entry["backup"],
        follow=entry["follow"],
    )


def _parse_dir(entry: Mapping[str, Any], where: str, problems: list[str]) -> DirectorySpec:
    return DirectorySpec(
        path=_check_path(entry["path"], f"{where}.path", problems),
        mode=_parse_mode(entry["mode"], f"{where}.mode", problems),
        owner=entry["owner"],
        group=entry["group"],
    )


def _check_path(path: str, where: str, problems: list[str]) -> str:
    if not path.startswith("/"):
        problems.append(f"{where}: {path!r} is not absolute")
    elif ".." in path.split("/"):
        problems.append(f"{where}: {path!r} has '..' in it; write the path it leads to")
    elif "\0" in path or "\n" in path:
        problems.append(f"{where}: {path!r} has a character no file name should have")
    elif path.endswith("/"):
        problems.append(f"{where}: {path!r} ends with a slash")
    else:
        return posixpath.normpath("/" + path.lstrip("/"))
    return path


def _parse_mode(mode: Any, where: str, problems: list[str]) -> int:
    if isinstance(mode, str) and _MODE.fullmatch(mode):
        return int(mode, 8)
    problems.append(f"{where}: {mode!r} is not a mode; write octal digits in quotes, for example '0644'")
    return 0


def _parse_argv(value: Any, where: str, problems: list[str]) -> tuple[str, ...]:
    try:
        words = shlex.split(value) if isinstance(value, str) else [str(word) for word in value]
    except (ValueError, TypeError):
        words = []
    if not words or not words[0]:
        problems.append(f"{where}: expected a command as a list of words, for example [sshd, -t]")
    return tuple(words)


def _duplicates(paths: Iterable[str], where: str, key: str) -> list[str]:
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for path in paths:
        if path in seen:
            twice[path] = None
        seen.add(path)
    return [f"{where}: {path} is declared more than once as {key}" for path in twice]
