# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of ``model_sync``: what may be given, within which bounds, and what in it must not be printed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import gid_of, resolve_owner, uid_of
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_size
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import SEED_SPEC
from ansible_collections.drydock.serving.plugins.module_utils._source import check_headers

FILE_SPEC: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "urls": {"type": "list", "elements": "str", "required": True},
    "checksum": {"type": "str"},
    "size": {"type": "int"},
    "minimum_size": {"type": "int", "default": 1},
}
EXEMPT_SPEC: dict[str, dict[str, Any]] = {
    "checksum": {"type": "str", "required": True},
    "reason": {"type": "str", "required": True},
    "until": {"type": "str", "required": True},
}
MODEL_SPEC: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_SPEC},
    "formats": {"type": "list", "elements": "str"},
    "exempt": {"type": "list", "elements": "dict", "default": [], "options": EXEMPT_SPEC},
}
ARGUMENT_SPEC: dict[str, dict[str, Any]] = {
    "root": {"type": "path", "default": "/var/lib/drydock/models"},
    "models": {"type": "list", "elements": "dict", "required": True, "options": MODEL_SPEC},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0444"},
    "keep": {"type": "int", "default": 2},
    "releases": {"type": "path"},
    "reserve": {"type": "str", "default": "1GiB"},
    "verify": {"type": "str", "choices": ["receipts", "full"], "default": "receipts"},
    "fetch": {"type": "bool", "default": True},
    "bundle": {"type": "path"},
    "seed": {"type": "dict", "options": SEED_SPEC},
    "connections": {"type": "int", "default": 8},
    "bandwidth": {"type": "str", "default": ""},
    "timeout": {"type": "float", "default": 30},
    "stall_timeout": {"type": "float", "default": 60},
    "minimum_rate": {"type": "int", "default": 1024},
    "total_timeout": {"type": "float", "default": 0},
    "retries": {"type": "int", "default": 3},
    "retry_delay": {"type": "float", "default": 2},
    "lock_timeout": {"type": "float", "default": 300},
    "reconnect_timeout": {"type": "float", "default": 300},  # this and the next one are for the controller's half
    "progress": {"type": "str", "choices": ["auto", "lines", "off"], "default": "auto"},
    "ca_path": {"type": "path"},
    "headers": {"type": "dict", "default": {}, "no_log": True},
}
_MOST_CONNECTIONS = 64
_LONGEST = 10**9


def defaults_for_null(params: Mapping[str, Any]) -> dict[str, Any]:
    """Null is not given, as everywhere in Ansible; its own check would let it through, whatever the type."""
    return {
        name: ARGUMENT_SPEC.get(name, {}).get("default") if value is None else value for name, value in params.items()
    }


def bounds(params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the options, the models apart (``spec.parse_models``)."""
    return [*_wrong_shapes(params), *_wrong_numbers(params), *check_headers(headers_of(params))]


def _wrong_shapes(params: Mapping[str, Any]) -> Iterator[str]:
    if params["models"] is None:
        yield "models: must be a list of models, found nothing"
    for name in ("root", "releases", "bundle"):
        if params[name] is not None and not Path(params[name]).is_absolute():
            yield f"{name}: {params[name]!r} is not an absolute path"
    if os.path.realpath(params["root"]) == "/":
        yield "root: is the root of the host, whose owner and mode would become those of the store; name a directory"
    mode = params["mode"]
    if not re.fullmatch(r"0?[0-7]{3}", mode) or int(mode, 8) & 0o333 or not int(mode, 8) & 0o400:
        yield f"mode: expected read bits only, such as '0444' or '0440', found {mode!r}"
    yield from _wrong_size("reserve", params["reserve"])
    yield from _wrong_size("bandwidth", params["bandwidth"] or "0")


def _wrong_size(name: str, text: str) -> Iterator[str]:
    try:
        parse_size(text)
    except ValueError as error:
        yield f"{name}: {error}"


def _wrong_numbers(params: Mapping[str, Any]) -> Iterator[str]:
    if params["keep"] < 1:
        yield f"keep: expected 1 or more (the current version counts), found {params['keep']}"
    if not 1 <= params["connections"] <= _MOST_CONNECTIONS:
        yield f"connections: expected 1 to {_MOST_CONNECTIONS}, found {params['connections']}"
    for name in ("timeout", "stall_timeout"):
        if not 0 < params[name] <= _LONGEST:  # not a number is neither
            yield f"{name}: expected more than 0 seconds and at most {_LONGEST}, found {params[name]}"
    for name in ("minimum_rate", "total_timeout", "retries", "retry_delay", "lock_timeout", "reconnect_timeout"):
        if not 0 <= params[name] <= _LONGEST:
            yield f"{name}: expected 0 or more and at most {_LONGEST}, found {params[name]}"


def headers_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Headers by origin, names and values as text."""
    return {
        str(origin): {str(name): str(value) for name, value in listed.items()}
        if isinstance(listed, Mapping)
        else listed
        for origin, listed in params["headers"].items()
    }


def number_of(kind: str, name: str, *, check: bool) -> int:
    """The number of an ``owner`` or ``group``; -1 in check mode where an earlier task would only make it."""
    number = resolve_owner(name, lookup=uid_of if kind == "owner" else gid_of)
    if number is not None or check:
        return -1 if number is None else number
    what = "user" if kind == "owner" else "group"
    raise DrydockError(
        "invalid_input",
        f"{kind}: there is no {what} {name!r} on this host. Nothing was touched. "
        "Next step: create it before this task, or give a number.",
    )


def secrets_of(params: Mapping[str, Any]) -> set[str]:
    """What addresses may carry that must not be printed, wherever Ansible repeats the arguments."""
    found = set()
    for model in params["models"] or ():
        for url in (str(url) for file in model["files"] or () for url in file["urls"] or ()):
            address, _mark, query = url.partition("?")
            user, at, _rest = address.partition("://")[2].partition("/")[0].rpartition("@")
            found |= {query, user, user.partition(":")[2]} if at else {query}
    # shorter ones are no secrets, and hiding them would riddle every message
    return {text for text in found if len(text) > 5}
