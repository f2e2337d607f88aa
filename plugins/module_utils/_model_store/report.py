# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan in the words of Ansible: result, diff and one sentence."""

from __future__ import annotations

import stat
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.layout import Layout, Ownership, lstat
from ansible_collections.drydock.serving.plugins.module_utils._model_store.plan import Plan
from ansible_collections.drydock.serving.plugins.module_utils._model_store.room import human
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import SetPlan


def empty_result() -> dict[str, Any]:
    """Every key of the result, as it is when nothing happened."""
    return {
        "changed": False,
        "msg": "",
        "sets": [],
        "planned_bytes": 0,
        "bytes_fetched": 0,
        "bytes_freed": 0,
        "free_bytes": 0,
        "free_bytes_after": 0,
        "quarantined": [],
        "collected": [],
        "kept": [],
        "pending": False,
        "waited_for": None,
        "sources": [],
        "notices": [],
    }


def failed(result: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    """The arguments of ``fail_json``, while the error is handled: what is true so far, and what went wrong.

    An error that nobody foresaw is told as a failure like any other, with its traceback.
    """
    if isinstance(error, DrydockError):
        return {**result, **error.as_result()}
    return {**result, **_mishap(error).as_result(), "exception": traceback.format_exc()}


def _mishap(error: Exception) -> DrydockError:
    """What nobody foresaw, so that a program that reads the result finds a failure in it as ever."""
    places = [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    return DrydockError(
        "internal",
        f"An error of drydock.serving itself: {type(error).__name__}: {error} ({' > '.join(places)}). What serves now "
        "is untouched. Next step: report this message to the authors of the collection.",
        error=type(error).__name__,
    )


def describe(layout: Layout, plan: Plan, *, free: int, check: bool) -> dict[str, Any]:
    """What the plan adds to the empty result; the same in check mode and after a run, but for the words.

    :param check: it is only told, not done.
    """
    return {
        "changed": plan.changed,
        "msg": _sentence(plan, free, check=check),
        "sets": [_set(item) for item in plan.sets],
        "planned_bytes": plan.planned_bytes,
        "bytes_freed": plan.collection.size,
        "free_bytes": free,
        "free_bytes_after": _free_after(plan, free),
        "quarantined": [
            {"checksum": f"sha256:{digest}", "found": found, "moved_to": str(layout.quarantine)}
            for digest, found in plan.damaged.items()
        ],
        "collected": _collected(layout, plan),
        "kept": [asdict(kept) for kept in plan.collection.kept],
        "notices": list(plan.notices),
    }


def diff_of(layout: Layout, plan: Plan, ownership: Ownership) -> list[dict[str, str]]:
    """One entry for each set that changes, one for owners and modes, one for what is removed."""
    entries = [_set_diff(item) for item in plan.sets if item.state != "unchanged"]
    if plan.attributes:
        entries.append(
            {
                "before_header": f"{layout.root} (owners and modes)",
                "after_header": f"{layout.root} (owners and modes)",
                "before": "".join(f"{path} {_attributes(path)}\n" for path in plan.attributes),
                "after": "".join(f"{path} {_wanted_attributes(path, ownership)}\n" for path in plan.attributes),
            }
        )
    removed = _collected(layout, plan)
    if removed:
        header = f"{layout.root} (no longer needed)"
        entries.append(
            {"before_header": header, "after_header": header, "before": "\n".join(removed) + "\n", "after": ""}
        )
    return entries


def _free_after(plan: Plan, free: int) -> int:
    return free - plan.planned_bytes + plan.collection.size


def _sentence(plan: Plan, free: int, *, check: bool) -> str:
    if not plan.changed:
        return f"{len(plan.sets)} model set(s) are in place."
    would = "would " if check else ""
    parts = [_room(plan, free, would)] if plan.fetch or plan.collection else []
    states = [item.state for item in plan.sets]
    parts += [
        f"{states.count(word)} set(s) {'to be ' if check else ''}{word}"
        for word in ("created", "replaced", "repaired", "activated")
        if word in states
    ]
    if plan.damaged:
        parts.append(f"{len(plan.damaged)} damaged file(s) found")
    if plan.attributes:
        parts.append(f"{len(plan.attributes)} owner(s) or mode(s) {'to correct' if check else 'corrected'}")
    return "; ".join(parts) + "."


def _room(plan: Plan, free: int, would: str) -> str:
    """``would fetch 14.2 GB in 3 files, keep 2 versions, free 8.1 GB after (3.0 GB of it from what goes)``."""
    fetch, keep = ("fetch", "keep") if would else ("fetched", "kept")
    versions = f"{plan.versions_after} version{'' if plan.versions_after == 1 else 's'}"
    if len(plan.sets) > 1:
        versions += f" of {len(plan.sets)} models"
    parts = [f"{keep} {versions}", f"free {human(_free_after(plan, free))} after"]
    if plan.fetch:
        files = f"{len(plan.fetch)} file{'' if len(plan.fetch) == 1 else 's'}"
        parts.insert(0, f"{fetch} {human(plan.planned_bytes)} in {files}")
    if plan.collection:
        parts[-1] += f" ({human(plan.collection.size)} of it from what is no longer needed)"
    return would + ", ".join(parts)


def _set(item: SetPlan) -> dict[str, Any]:
    return {
        "name": item.model.name,
        "version": item.model.version,
        "previous": item.old_version,
        "state": item.state,
        "files": [
            {
                "path": file.spec.path,
                "checksum": f"sha256:{file.spec.sha256}",
                "size": file.spec.size,
                "state": file.state,
            }
            for file in item.files
        ],
    }


def _set_diff(item: SetPlan) -> dict[str, str]:
    name, version = item.model.name, item.model.version
    new = {file.spec.path: f"sha256:{file.spec.sha256} {file.spec.size} bytes" for file in item.files}
    old = {path: f"sha256:{digest}" for path, digest in item.old_files.items()}
    # an old manifest without change gets the same text, so that a diff shows only what differs
    old.update({path: new[path] for path, text in old.items() if new.get(path, "").startswith(f"{text} ")})
    for file in item.files:
        if file.found:
            old[file.spec.path] = f"DAMAGED: {file.found}"
        elif file.state in ("fetched", "linked") and item.action == "repair":
            old[file.spec.path] = "MISSING"
    old.update(dict.fromkeys(item.extra, "does not belong to the set"))
    active = item.old_version or "none"
    return {
        "before_header": f"model {name} (active: {active})",
        "after_header": f"model {name} (active: {version})",
        "before": _lines(active, old),
        "after": _lines(version, new),
    }


def _lines(version: str, files: dict[str, str]) -> str:
    return f"active {version}\n" + "".join(f"{path} {files[path]}\n" for path in sorted(files))


def _collected(layout: Layout, plan: Plan) -> list[str]:
    versions = [f"sets/{name}/{version}" for name, version in plan.collection.versions]
    return versions + [str(path.relative_to(layout.root)) for path in plan.collection.leftovers]


def _attributes(path: Path) -> str:
    found = lstat(path)
    return f"{found.st_uid}:{found.st_gid} {stat.S_IMODE(found.st_mode):04o}" if found else "(gone)"


def _wanted_attributes(path: Path, ownership: Ownership) -> str:
    found = lstat(path)
    if found is None:
        return "(gone)"
    mode = ownership.directory_mode if stat.S_ISDIR(found.st_mode) else ownership.file_mode
    uid, gid = (
        (found.st_uid if ownership.uid == -1 else ownership.uid),
        (found.st_gid if ownership.gid == -1 else ownership.gid),
    )
    return f"{uid}:{gid} {mode:04o}"
