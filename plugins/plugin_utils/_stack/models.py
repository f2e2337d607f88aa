# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models section and its lock: which bytes exactly, from where, and whether they may be used at all."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import gates
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import SETTING
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model_wish import (
    check_tree,
    check_wish,
    url_problem,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

LOCK_AGAIN = "Lock again: ansible-playbook drydock.serving.lock -i <the inventory>."
HOW_TO_DIGEST = "Give checksum: sha256:<64 hex digits> and size: <bytes>, or lock the model (models_lock)."
EXEMPT = "exempt"
"""The format of a locked file that passed by its digest alone."""

Model = Mapping[str, Any]
Trusted = Callable[[Model], str]
"""``_model_lock.trusted.fingerprint`` of the ``signature`` of a model; raises DrydockError."""


def resolve_models(
    models: Model, lock: Model, problems: Problems, *, trusted: Trusted | None = None
) -> list[dict[str, Any]]:
    """Models with address, digest and size of every file. Where the inventory and the lock say a thing, both agree.

    :param trusted: whom the settings of a signature believe now; ``None``: not judged.
    """
    found = []
    for name, model in models.items():
        where = f"models.{name}"
        check_wish(where, model, problems)
        entry = _usable_lock(name, model, lock.get(name), problems)
        if model["source"] is None:
            files = _named_files(where, model, entry or {"files": {}}, problems)
        else:
            files = _source_files(where, model, entry, problems)
        check_tree(where, [item["path"] for item in files if item["path"]], problems)
        _check_gates(where, model, entry, problems, trusted)
        _check_policy(where, model, files, entry, problems)
        found.append(
            {
                "name": name,
                "version": model["version"],
                "files": files,
                "formats": model["formats"],
                "exempt": model["exempt"],
            }
        )
    return found


def check_lock_names(models: Model, lock: Model, problems: Problems) -> None:
    for name in lock:
        if name not in models:
            problems.add(
                f"models_lock.{name}",
                f"locks a model that is not in models (known: {listed(models)}).{suggestion(name, models)} "
                f"Take it out, or lock again. {LOCK_AGAIN}",
            )


def _usable_lock(name: str, model: Model, entry: Model | None, problems: Problems) -> Model | None:
    """The lock of a model; one that was made for something else counts for nothing and is told."""
    where, wanted = f"models_lock.{name}", f"models.{name}"
    if entry is None:
        return None
    if entry["version"] != model["version"]:
        problems.add(
            f"{where}.version",
            f"is '{entry['version']}', but {wanted}.version is '{model['version']}'. {LOCK_AGAIN}",
        )
        return None
    source, known = model["source"], {entry["requested"], entry["source"]} - {None}
    if (source not in known) if source else known:
        problems.add(
            f"{where}.requested",
            f"was made for {entry['requested'] or entry['source'] or 'named files without a source'}, but {wanted} has "
            f"{'another source' if source else 'no source'}. {LOCK_AGAIN}",
        )
        return None
    for key in ("include", "exclude"):
        if entry[key] is not None and sorted(entry[key]) != sorted(model[key]):
            problems.add(
                f"{where}.{key}", f"was made for {entry[key]}, but {wanted}.{key} is {model[key]}. {LOCK_AGAIN}"
            )
            return None
    return entry


def _lock_of(where: str) -> str:
    """The place of a model's lock, from the place of the model."""
    return f"models_lock{where.removeprefix('models')}"


def _stale(where: str, problems: Problems) -> bool:
    """Whether its lock is there and was made for something else."""
    return any(problems.reported(f"{_lock_of(where)}.{key}") for key in ("version", "requested", "include", "exclude"))


def _named_files(where: str, model: Model, entry: Model, problems: Problems) -> list[dict[str, Any]]:
    """Files that the inventory names one by one; the lock may add what it does not say."""
    locked = entry["files"]
    wanted = {item["path"] for item in model["files"]}
    for path in locked:
        if path not in wanted:
            problems.add(
                f"{_lock_of(where)}.files.{path}",
                f"is locked but not a file of the model. {LOCK_AGAIN}",
            )
    return [
        _named_file(f"{where}.files[{number}]", model, item, locked.get(item["path"]) or {}, problems)
        for number, item in enumerate(model["files"])
    ]


def _named_file(where: str, model: Model, item: Model, locked: Model, problems: Problems) -> dict[str, Any]:
    values = {key: _agreed(f"{where}.{key}", item[key], locked.get(key), problems) for key in ("checksum", "size")}
    missing = [key for key, value in values.items() if value is None]
    if missing and item["path"] is not None:
        problems.add(
            where,
            f"'{item['path']}' has no {' and no '.join(missing)}; without it nobody can tell a wrong file. "
            f"{HOW_TO_DIGEST}",
        )
    return _file(model, item["path"], _exact(item["urls"], locked), item["minimum_size"], values)


def _exact(urls: list[str], locked: Model) -> list[str]:
    """Addresses of the inventory, by the version that was locked where the lock names one."""
    versions = {url.partition("?")[0]: url for url in locked.get("urls") or [] if url.startswith("s3://")}
    return [versions.get(url, url) for url in urls]


def _source_files(where: str, model: Model, entry: Model | None, problems: Problems) -> list[dict[str, Any]]:
    """The files of a source are those of the lock."""
    if entry is None:
        if not _stale(where, problems):
            problems.add(
                where,
                "has a source, so its files have to be locked, and models_lock does not have it. Next step: "
                "ansible-playbook drydock.serving.lock -i <the inventory>, then commit the lock.",
            )
        return []
    named = {item["path"]: item for item in model["files"]}
    for number, item in enumerate(model["files"]):
        locked = entry["files"].get(item["path"])
        if locked is None:
            problems.add(f"{where}.files[{number}]", f"'{item['path']}' is not in the lock. {LOCK_AGAIN}")
            continue
        for key in ("checksum", "size"):
            _agreed(f"{where}.files[{number}].{key}", item[key], locked[key], problems)
    found = []
    for path, locked in entry["files"].items():
        if path not in named and not _wanted(path, model):
            problems.add(
                f"{_lock_of(where)}.files.{path}",
                f"is locked, but include and exclude of {where} leave it out. {LOCK_AGAIN}",
            )
        _check_locked(f"{_lock_of(where)}.files", path, locked["urls"], problems)
        minimum = named[path]["minimum_size"] if path in named else None
        found.append(_file(model, path, locked["urls"], minimum, {key: locked[key] for key in ("checksum", "size")}))
    if not entry["files"]:
        problems.add(f"{_lock_of(where)}.files", f"has no file. {LOCK_AGAIN}")
    return found


def _check_locked(where: str, path: str, urls: list[str], problems: Problems) -> None:
    """A lock that was edited by hand is not trusted more than the inventory."""
    wrong = check_path(path)
    if wrong:
        problems.add(f"{where}.{path}", f"{wrong}. {LOCK_AGAIN}")
    if not urls:
        problems.add(f"{where}.{path}.urls", f"is empty or missing. {LOCK_AGAIN}")
    for number, url in enumerate(urls):
        wrong = url_problem(url)
        if wrong:
            problems.add(f"{where}.{path}.urls[{number}]", wrong)


def _wanted(path: str, model: Model) -> bool:
    return any(fnmatch.fnmatchcase(path, glob) for glob in model["include"]) and not any(
        fnmatch.fnmatchcase(path, glob) for glob in model["exclude"]
    )


def _file(
    model: Model, path: str | None, urls: list[str], minimum_size: int | None, values: Mapping[str, Any]
) -> dict[str, Any]:
    mirrored = [f"{mirror.rstrip('/')}/{quote(path or '')}" for mirror in model["mirrors"]]
    return {
        "path": path,
        "urls": list(dict.fromkeys([*urls, *mirrored])),
        "checksum": values["checksum"],
        "size": values["size"],
        "minimum_size": max(minimum_size or 1, model["minimum_size"] or 1),
    }


def _agreed(where: str, given: Any, locked: Any, problems: Problems) -> Any:
    if given is not None and locked is not None and given != locked:
        problems.add(where, f"is {given}, but the lock says {locked}. Lock again if the file was meant to change.")
    return locked if given is None else given


def _check_gates(where: str, model: Model, entry: Model | None, problems: Problems, trusted: Trusted | None) -> None:
    """What the lock noted about the model passes what is demanded of it now."""
    asked = [key for key in ("require", "licenses", "card_url") if model[key]]
    asked += ["card"] if model["card"] == "required" else []
    asked += ["signature"] if (model["signature"] or {}).get("required") else []
    if entry is not None:
        _check_signature(f"{where}.signature", model["signature"], entry["signature"], problems, trusted)
        wanted = {**model, "require": _read(model["require"])}
        for path, message in gates.judge(wanted, {**entry, "metrics": _read(entry["metrics"])}, where):
            problems.add(path, f"{message} Next step: use a version that passes, or change what is demanded.")
    elif model["source"] is None and asked and not _stale(where, problems):
        problems.add(
            where,
            f"{' and '.join(asked)}: judged from the lock, and models_lock does not have this model. Next step: "
            "ansible-playbook drydock.serving.lock -i <the inventory>, then commit the lock.",
        )


def _check_signature(
    where: str, wanted: Model | None, found: Model, problems: Problems, trusted: Trusted | None
) -> None:
    """What was verified was verified in the way that is demanded now, and against the same keys or authorities."""
    if not wanted or not wanted["required"] or found.get("state") != "verified":
        return
    setting = SETTING.get(wanted["method"] or "", "")
    if found.get("method") != wanted["method"]:
        problems.add(
            f"{where}.method",
            f"is {wanted['method']}, but the lock was verified by {found.get('method')}. {LOCK_AGAIN}",
        )
    elif trusted is not None and wanted.get(setting):
        wrong = _distrust(wanted, found, trusted)
        if wrong:
            problems.add(f"{where}.{setting}", wrong)


def _distrust(wanted: Model, found: Model, trusted: Trusted) -> str | None:
    """Why the lock does not stand for what is trusted now."""
    try:
        now = trusted(wanted)
    except DrydockError as error:
        return f"{error.message} Without it nobody can tell whether the lock was verified with it."
    if not found.get("trusted"):
        return f"the lock was made before locks noted what a signature was verified with. {LOCK_AGAIN}"
    if found["trusted"] != now:
        return (
            "has other content than when the model was locked, so nobody has verified the signature with it. Likely "
            f"cause: a key or authority was replaced. If that was meant: {LOCK_AGAIN}"
        )
    return None


def _read(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what could not be read, which is told already."""
    return {key: value for key, value in values.items() if value is not None}


def _check_policy(
    where: str,
    model: Model,
    files: list[dict[str, Any]],
    entry: Model | None,
    problems: Problems,
) -> None:
    """Sizes, formats, and exemptions that were counted on. Whether their day is over, preflight says: the date alone
    must not keep a firewall from being loaded again.
    """
    exempt = {item["checksum"]: number for number, item in enumerate(model["exempt"]) if item["checksum"]}
    for file in files:
        place = f"{where}.files.{file['path']}"
        if file["size"] is not None and file["size"] < file["minimum_size"]:
            problems.add(
                place,
                f"has {file['size']} bytes, and at least {file['minimum_size']} are demanded (minimum_size). "
                "Likely cause: a placeholder instead of the model.",
            )
        number = exempt.get(file["checksum"])
        found = (entry or {"files": {}})["files"].get(file["path"], {}).get("format")
        if found == EXEMPT and number is None:
            problems.add(place, f"was locked under an exemption that is not there any more. {LOCK_AGAIN}")
        elif found and found != EXEMPT and number is None and model["formats"] and found not in model["formats"]:
            problems.add(
                place, f"is {found}, and formats allows {', '.join(model['formats'])}. Leave it out, or allow it."
            )
