# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``models`` section of the inventory as requests, with everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import parse_policy
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import check_path
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.lockfile import is_template
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import FileRequest, SetRequest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import schema
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import repeated, to_plain
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion


def read_requests(models: Any) -> tuple[SetRequest, ...]:
    """The wanted models by name.

    :raises DrydockError: ``invalid_input`` with every violation.
    """
    problems = Problems()
    if not models:
        problems.add("models", "is empty or not set for this host; there is nothing to lock.")
    found = schema.models(to_plain(models or {}), "models", problems)
    requests = tuple(_request(name, model, problems) for name, model in found.items())
    refuse("invalid_input", "The models cannot be locked as they are written; nothing was asked or written", problems)
    return requests


def check_names(where: str, names: Sequence[str], known: Sequence[str]) -> None:
    """:raises DrydockError: ``invalid_input`` where a name is not that of a model."""
    problems = Problems()
    for name in names:
        if name not in known:
            problems.add(where, f"'{name}' is not a model. Known: {listed(known)}.{suggestion(name, known)}")
    refuse("invalid_input", "Some names are not known; nothing was asked or written", problems)


def refuse(kind: str, summary: str, problems: Problems) -> None:
    """Raise all violations as one failure, if there is any."""
    if problems:
        raise DrydockError(kind, f"{summary}:\n" + "\n".join(problems.lines()), violations=problems.lines())


def _request(name: str, model: Mapping[str, Any], problems: Problems) -> SetRequest:
    where = f"models.{name}"
    source = model.get("source")
    listed_files = model.get("files") or []
    files = tuple(
        _file(f"{where}.files[{number}]", item, problems, named=source is None)
        for number, item in enumerate(listed_files)
    )
    if source is None and not files:
        problems.add(where, "has neither a source nor files, so there is nothing to bring.")
    for path in repeated(item.path for item in files):
        problems.add(f"{where}.files", f"'{path}' is listed more than once.")
    _policy, wrong = parse_policy(where, formats=model.get("formats"), exempt=model.get("exempt"))
    for line in wrong:
        path, _colon, message = line.partition(": ")
        if not problems.reported(path):
            problems.add(path, f"{message}.")
    return SetRequest(
        name=name,
        version=str(model.get("version") or ""),
        where=where,
        source=source,
        include=tuple(model.get("include") or ["*"]),
        exclude=tuple(model.get("exclude") or []),
        mirrors=tuple(model.get("mirrors") or []),
        files=files,
        card_required=model.get("card") == "required",
        card_url=model.get("card_url"),
        require=dict(model.get("require") or {}),
        licenses=None if model.get("licenses") is None else tuple(model["licenses"]),
        signature=model.get("signature"),
        minimum_size=model.get("minimum_size") or 1,
        formats=None if model.get("formats") is None else tuple(model["formats"]),
        exempt=tuple(model.get("exempt") or []),
    )


def _file(where: str, item: Mapping[str, Any], problems: Problems, *, named: bool) -> FileRequest:
    path = item.get("path") or ""
    wrong = check_path(path) if path else None
    if wrong or is_template(path):
        problems.add(f"{where}.path", f"'{path}' {wrong or 'holds what Ansible takes for a template'}.")
    urls = tuple(item.get("urls") or [])
    if named and not urls:
        problems.add(f"{where}.urls", "is required where the model has no source.")
    checksum = item.get("checksum")
    return FileRequest(
        path=path,
        urls=urls,
        sha256=parse_checksum(checksum) if checksum else None,
        size=item.get("size"),
        minimum_size=item.get("minimum_size"),
    )
