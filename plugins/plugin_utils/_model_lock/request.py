# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``models`` section of the inventory as requests, with everything that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import FileRequest, SetRequest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack import schema
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.coerce import to_plain
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.model_wish import check_wish
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems, listed, suggestion

TOLD = 500


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
    """Raise all violations as one failure, if there is any. Of very many, which only a source can cause, the first."""
    if problems:
        lines = problems.lines()
        told = [*lines[:TOLD], f"… and {len(lines) - TOLD} more"] if len(lines) > TOLD else lines
        raise DrydockError(kind, f"{summary}:\n" + "\n".join(told), violations=told)


def _request(name: str, model: Mapping[str, Any], problems: Problems) -> SetRequest:
    where = f"models.{name}"
    check_wish(where, model, problems)
    return SetRequest(
        name=name,
        version=model["version"] or "",
        where=where,
        source=model["source"],
        include=tuple(model["include"]),
        exclude=tuple(model["exclude"]),
        mirrors=tuple(model["mirrors"]),
        files=tuple(_file(item) for item in model["files"]),
        card_required=model["card"] == "required",
        card_url=model["card_url"],
        require=model["require"],
        licenses=None if model["licenses"] is None else tuple(model["licenses"]),
        signature=model["signature"],
        minimum_size=model["minimum_size"],
        formats=None if model["formats"] is None else tuple(model["formats"]),
        exempt=tuple(model["exempt"]),
    )


def _file(item: Mapping[str, Any]) -> FileRequest:
    return FileRequest(
        path=item["path"] or "",
        urls=tuple(item["urls"]),
        sha256=parse_checksum(item["checksum"]) if item["checksum"] else None,
        size=item["size"],
        minimum_size=item["minimum_size"],
    )
