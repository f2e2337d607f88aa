# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``model_info`` does, without Ansible."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.facts import facts, look
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import free_bytes, human
from ansible_collections.drydock.serving.plugins.module_utils._model_store.scrub import Scrub, summary
from ansible_collections.drydock.serving.plugins.module_utils._model_store.spec import parse_size
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock

DEFAULT_LOCK_TIMEOUT = 60.0


def empty_result() -> dict[str, Any]:
    """Every key of the result, as it is for a store that is not there."""
    nothing = {"count": 0, "bytes": 0}
    return {
        "changed": False,
        "msg": "",
        "sets": [],
        "blobs": nothing,
        "partial": nothing,
        "quarantine": nothing,
        "free_bytes": 0,
        "damaged": [],
        "scrub": {
            "bytes": 0,
            "files": 0,
            "skipped": None,
            "too_big": [],
            "last": None,
            "oldest": None,
            "never": 0,
        },
    }


def parse(root: str, budget: str | None, lock_timeout: float | None) -> tuple[int, float]:
    """Bytes to read (0: none) and seconds to wait.

    :raises DrydockError: kind ``invalid_input``.
    """
    if not Path(root).is_absolute():
        raise DrydockError("invalid_input", f"root: {root!r} is not an absolute path")
    seconds = DEFAULT_LOCK_TIMEOUT if lock_timeout is None else lock_timeout
    if seconds < 0 or math.isnan(seconds):
        raise DrydockError("invalid_input", f"lock_timeout: expected 0 or more, found {seconds}")
    try:
        return parse_size(budget or "0"), seconds
    except ValueError as error:
        raise DrydockError("invalid_input", f"scrub_budget: {error}") from None


def tell(root: Path, *, budget: int, lock_timeout: float, clock: Clock, result: dict[str, Any], check: bool) -> None:
    """Fill in the result.

    :param budget: bytes to read again at most; 0 for none.
    :raises DrydockError: the store holds what must not be followed.
    """
    layout = Layout(root=root)
    contents = look(layout)
    result.update(facts(layout, contents), free_bytes=free_bytes(root))
    if budget:
        Scrub(layout, budget=budget, lock_timeout=lock_timeout, clock=clock, result=result, check=check).run(contents)
        contents = look(layout)
        result.update(
            {key: value for key, value in facts(layout, contents).items() if key not in ("damaged", "sets")},
            free_bytes=free_bytes(root),
        )
    result["scrub"].update(summary(layout, contents))
    result["msg"] = _sentence(result)


def _sentence(result: Mapping[str, Any]) -> str:
    scrub = result["scrub"]
    versions = sum(len(model["versions"]) for model in result["sets"])
    parts = [
        f"{len(result['sets'])} model(s) in {versions} version(s), {human(result['blobs']['bytes'])} in "
        f"{result['blobs']['count']} file(s), {human(result['free_bytes'])} free"
    ]
    if scrub["files"]:
        parts.append(f"read {human(scrub['bytes'])} in {scrub['files']} file(s) again")
    if scrub["too_big"]:
        parts.append(f"{len(scrub['too_big'])} file(s) are bigger than the budget and were not read")
    if scrub["skipped"]:
        parts.append(f"left for the next time: {scrub['skipped'].rstrip('.')}")
    if result["damaged"]:
        parts.append(f"{len(result['damaged'])} damaged: " + " ".join(warning(item) for item in result["damaged"]))
    return "; ".join(parts).rstrip(".") + "."


def warning(damaged: Mapping[str, Any]) -> str:
    """One damaged file, whom it hits, and what to do."""
    hit = ", ".join(f"{use['name']} {use['version']}: {use['path']}" for use in damaged["sets"]) or "no set"
    text = f"{hit}: expected {damaged['checksum'] or 'a manifest'}, found {damaged['found']}."
    if damaged["moved_to"]:
        text += f" It was moved to {damaged['moved_to']}; sets that hold it serve it until the next model_sync."
    return (
        f"{text} Next step: run model_sync, which fetches it again; look at the kernel log and the health of the disk, "
        "and at who may write below the store."
    )
