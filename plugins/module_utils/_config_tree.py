# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One tree of configuration files, brought to what is wanted: lock, recover, compare, check, replace, report."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils import _atomic, _lock
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_apply as transaction
from ansible_collections.drydock.serving.plugins.module_utils import _config_tree_plan as planning
from ansible_collections.drydock.serving.plugins.module_utils import _reader as reader
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_spec import TreeSpec
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import make_state_directory, os_failure
from ansible_collections.drydock.serving.plugins.module_utils._journal import COMMITTED, Journal, Record

DIFF_LIMIT = 104448  # bytes; the same limit as ansible-core's own max_diff_size
FAILURE_KINDS = (
    "bad_input",
    "busy",
    "check_failed",
    "io_error",
    "journal_unreadable",
    "manifest_unreadable",
    "no_space",
    "not_a_directory",
    "not_a_file",
    "owned_elsewhere",
    "permission_denied",
    "read_only",
    "source_missing",
    "symlink",
    "template_failed",
    "unknown_owner",
    "validation_failed",
    "validator_missing",
    "validator_timeout",
)


@dataclass
class Outcome:
    """What happened, or would happen."""

    result: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def unchanged_result(name: str) -> dict[str, Any]:
    """Every key of a result, saying that nothing happened."""
    return {
        "changed": False,
        "name": name,
        "files": [],
        "directories": [],
        "wakes": [],
        "recovered": "nothing",
        "diff": [],
    }


def converge(tree: TreeSpec, *, check: bool, diff: bool, tools: transaction.Tools | None = None) -> Outcome:
    """Bring the host to the wanted tree.

    :param check: only say what would happen.
    :param diff: put texts before and after into the result.
    :raises DrydockError: one of :data:`FAILURE_KINDS`; the host then is as it was before.
    """
    tools = tools or transaction.Tools()
    folder = Path(tree.state_directory)
    journal, manifest = Journal(folder / f"{tree.name}.journal"), folder / f"{tree.name}.json"
    try:
        if not check:
            make_state_directory(folder)
        with _lock.held(folder / "lock", timeout=tree.lock_timeout, shared=check):
            return _converge_locked(tree, journal, manifest, check=check, diff=diff, tools=tools)
    except OSError as error:
        raise os_failure(error) from error


def _converge_locked(
    tree: TreeSpec, journal: Journal, manifest: Path, *, check: bool, diff: bool, tools: transaction.Tools
) -> Outcome:
    record = transaction.load(journal) if check else transaction.recover(journal, manifest, tools)
    _refuse_foreign(tree, manifest)
    owned = planning.load_manifest(manifest)
    if check and record is not None and record.state == COMMITTED:
        owned = record.data["manifest"]
    disk = transaction.as_if_recovered(record if check else None)
    plan = planning.plan_tree(tree, disk, owned, check=check)
    if check:
        _rehearse(plan, tree.timeout, tools.ask)
    elif plan.changed:
        transaction.apply(
            plan, journal=journal, manifest=manifest, checks=tree.checks, timeout=tree.timeout, tools=tools
        )
    elif plan.manifest != owned:
        _atomic.write_json(manifest, plan.manifest)
    return Outcome(result=_report(tree, plan, record, diff=diff), warnings=plan.warnings)


def _refuse_foreign(tree: TreeSpec, manifest: Path) -> None:
    """Two trees that own one file would overwrite each other's for ever."""
    wanted = {spec.dest for spec in tree.files}
    for other in sorted(manifest.parent.glob("*.json")) if manifest.parent.is_dir() else ():
        if other == manifest:
            continue
        shared = sorted(wanted & set(planning.load_manifest(other)["files"]))
        if shared:
            raise DrydockError(
                "owned_elsewhere",
                f"{', '.join(shared)} belongs to the tree {other.stem!r}. Declare it in one tree only; "
                f"when it has moved, run the task of {other.stem!r} first, or remove {other}.",
                dests=shared,
                tree=other.stem,
            )


def _rehearse(plan: planning.Plan, timeout: float, ask: reader.Reader) -> None:
    """Ask the readers about copies in a private directory; what a bare host cannot answer yet becomes a warning."""
    with tempfile.TemporaryDirectory(prefix="drydock-") as folder:
        for index, change in enumerate(plan.files):
            if not change.validate or change.after is None:
                continue
            if not reader.installed(change.validate[0]):
                plan.warnings.append(
                    f"{change.dest}: not checked, because {change.validate[0]} is not installed (check mode)"
                )
                continue
            # A name of its own in a folder of its own, with the suffix some readers go by.
            copy = Path(folder) / str(index) / Path(change.place).name
            copy.parent.mkdir()
            copy.touch(mode=0o600)
            copy.write_bytes(change.after.content)
            try:
                transaction.ask_about(change, str(copy), timeout, ask)
            except DrydockError as error:
                if Path(change.place).parent.is_dir():
                    raise
                plan.warnings.append(f"{error.message} (check mode on a host that lacks its directory)")


def _report(tree: TreeSpec, plan: planning.Plan, record: Record | None, *, diff: bool) -> dict[str, Any]:
    """The result: what this run does, and what it found half done and finished or undid."""
    states: dict[str, tuple[str, tuple[str, ...]]] = {
        spec.dest: (planning.UNCHANGED, spec.wakes) for spec in plan.unchanged
    }
    for entry in record.data["files"] if record is not None else ():
        state = entry["state"] if record is not None and record.state == COMMITTED else planning.CHANGED
        states[entry["dest"]] = (state, tuple(entry["wakes"]))
    states.update({change.dest: (change.state, change.wakes) for change in plan.files})
    result = unchanged_result(tree.name)
    result["files"] = [
        {"dest": dest, "state": state, "wakes": list(wakes)} for dest, (state, wakes) in sorted(states.items())
    ]
    result["directories"] = [{"path": change.path, "state": change.state} for change in plan.directories]
    result["wakes"] = list(
        dict.fromkeys(name for state, wakes in states.values() if state != planning.UNCHANGED for name in wakes)
    )
    if record is not None:
        result["recovered"] = "finished" if record.state == COMMITTED else "undone"
    result["changed"] = plan.changed or record is not None
    result["diff"] = list(_diffs(plan)) if diff else []
    return result


def _diffs(plan: planning.Plan) -> Iterator[dict[str, Any]]:
    for directory in plan.directories:
        before = {"state": "absent"} if directory.before is None else directory.before.as_dict()
        yield _attribute_diff(directory.path, before, directory.after.as_dict())
    for change in plan.files:
        if change.before is not None and change.after is not None and change.before.access != change.after.access:
            yield _attribute_diff(change.dest, change.before.access.as_dict(), change.after.access.as_dict())
        if change.state != planning.ATTRIBUTES:
            yield _content_diff(change)


def _attribute_diff(path: str, before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    return {
        "before_header": f"{path} (attributes)",
        "after_header": f"{path} (attributes)",
        "before": before,
        "after": after,
    }


def _content_diff(change: planning.FileChange) -> dict[str, Any]:
    before = b"" if change.before is None else change.before.content
    after = b"" if change.after is None else change.after.content
    headers = {
        "before_header": change.dest if change.before is not None else f"{change.dest} (absent)",
        "after_header": change.dest if change.after is not None else f"{change.dest} (absent)",
    }
    if change.hidden:
        return {"prepared": f"{change.dest}: {change.state}; the content is not shown (no_log)\n"}
    if len(before) > DIFF_LIMIT or len(after) > DIFF_LIMIT:
        return {"prepared": f"{change.dest}: {change.state}; too large to show ({len(before)} -> {len(after)} bytes)\n"}
    try:
        return {**headers, "before": before.decode("utf-8"), "after": after.decode("utf-8")}
    except UnicodeDecodeError:
        return {"prepared": f"{change.dest}: {change.state}; binary ({len(before)} -> {len(after)} bytes)\n"}
