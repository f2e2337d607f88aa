# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models section and its lock: which bytes exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

SCHEMES = ("https", "http", "file")
HOW_TO_DIGEST = "Give checksum: sha256:<64 hex digits> and size: <bytes>, or lock the model (models_lock)."


def resolve_models(models: Mapping[str, Any], lock: Mapping[str, Any], problems: Problems) -> list[dict[str, Any]]:
    """Models with digest and size of every file, from the file itself or from the lock; both have to agree."""
    found = []
    for name, model in models.items():
        where = f"models.{name}"
        locked = _locked(name, model, lock, problems)
        paths = [item["path"] for item in model["files"] or [] if item["path"]]
        for path in repeated(paths):
            problems.add(f"{where}.files", f"'{path}' is listed more than once.")
        for path in paths:
            below = [other for other in paths if other.startswith(f"{path}/")]
            if below:
                problems.add(f"{where}.files", f"'{path}' is a file and also the folder of '{below[0]}'.")
        files = [
            _file(f"{where}.files[{number}]", item, locked.get(item["path"], {}), problems)
            for number, item in enumerate(model["files"] or [])
        ]
        found.append({"name": name, "version": model["version"], "files": files})
    return found


def check_lock_names(models: Mapping[str, Any], lock: Mapping[str, Any], problems: Problems) -> None:
    for name in lock:
        if name not in models:
            problems.add(
                f"models_lock.{name}",
                f"locks a model that is not in models (known: {listed(models)}).{suggestion(name, models)} "
                "Take it out, or lock again.",
            )


def _locked(name: str, model: Mapping[str, Any], lock: Mapping[str, Any], problems: Problems) -> Mapping[str, Any]:
    """The locked files of a model; a lock of another version counts for nothing and is told."""
    entry = lock.get(name)
    if entry is None:
        return {}
    if entry["version"] != model["version"]:
        problems.add(
            f"models_lock.{name}.version",
            f"is '{entry['version']}', but models.{name}.version is '{model['version']}'. Lock the wanted version, "
            "or want the locked one.",
        )
        return {}
    files: Mapping[str, Any] = entry["files"]
    wanted = {item["path"] for item in model["files"] or []}
    for path in files:
        if path not in wanted:
            problems.add(f"models_lock.{name}.files.{path}", "is locked but not a file of the model. Lock again.")
    return files


def _file(where: str, item: Mapping[str, Any], locked: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    if item["path"] is not None:
        wrong = check_path(item["path"])
        if wrong:
            problems.add(f"{where}.path", f"'{item['path']}' {wrong}.")
    for number, url in enumerate(item["urls"] or []):
        wrong = _url_problem(url)
        if wrong:
            problems.add(f"{where}.urls[{number}]", wrong)
    values = {key: _agreed(f"{where}.{key}", item[key], locked.get(key), problems) for key in ("checksum", "size")}
    missing = [key for key, value in values.items() if value is None]
    if missing and item["path"] is not None:
        problems.add(
            where,
            f"'{item['path']}' has no {' and no '.join(missing)}; without it nobody can tell a wrong file. "
            f"{HOW_TO_DIGEST}",
        )
    return {"path": item["path"], "urls": item["urls"] or [], **values}


def _agreed(where: str, given: Any, locked: Any, problems: Problems) -> Any:
    if given is not None and locked is not None and given != locked:
        problems.add(where, f"is {given}, but the lock says {locked}. Lock again if the file was meant to change.")
    return locked if given is None else given


def _url_problem(url: str) -> str | None:
    """What is wrong with an address; it is not shown, as it may hold credentials."""
    try:
        parts = urlsplit(url)
        credentials = parts.username is not None or parts.password is not None
    except ValueError:
        return "is not an address that can be read; expected something like https://models.example.org/ocr/det.onnx."
    if credentials:
        return (
            "has credentials in it, which would show in logs. Take them out and send headers instead "
            "(model_store_headers)."
        )
    if parts.scheme not in SCHEMES:
        return f"expected an address that starts with {', '.join(f'{scheme}://' for scheme in SCHEMES)}."
    if parts.scheme != "file" and not parts.hostname:
        return "has no host; expected something like https://models.example.org/ocr/det.onnx."
    return None
