# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging declared keys into daemon.json: lock, compare, ask the engine, replace, remember what is ours."""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils import _atomic, _lock
from ansible_collections.drydock.serving.plugins.module_utils import _daemon_config_keys as keys
from ansible_collections.drydock.serving.plugins.module_utils import _reader as reader
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import (
    Access,
    FileState,
    make_parents,
    make_state_directory,
    os_failure,
    read_file,
)

STATE_SCHEMA = 1
DEFAULT_MODE = 0o644
ENGINE = "dockerd"
BACKUPS_KEPT = 5
FAILURE_KINDS = (
    "bad_input",
    "busy",
    "conflict",
    "invalid_json",
    "io_error",
    "no_space",
    "not_a_file",
    "owned_elsewhere",
    "permission_denied",
    "read_only",
    "refused_by_engine",
    "state_unreadable",
    "symlink",
    "validator_timeout",
)
_CREDENTIALS = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


@dataclass(frozen=True)
class Wanted:
    """What one owner declares.

    :param name: who owns the keys.
    :param declared: leaves, see ``_daemon_config_keys``.
    """

    name: str
    path: Path
    declared: Mapping[keys.Key, Any]
    backup: bool
    state_directory: Path
    timeout: float
    lock_timeout: float


@dataclass(frozen=True)
class Tools:
    """What a run uses of the world."""

    ask: reader.Reader = reader.ask
    installed: Callable[[str], bool] = reader.installed
    now: Callable[[], float] = time.time


@dataclass(frozen=True)
class Plan:
    """What a run would do. ``before`` is None when there is no file yet."""

    before: FileState | None
    text: bytes
    changes: list[keys.KeyChange]
    old_owned: tuple[keys.Key, ...]
    shown_before: str
    shown_after: str
    secrets: tuple[str, ...]


def unchanged_result(path: str) -> dict[str, Any]:
    """Every key of a result, saying that nothing happened."""
    return {
        "changed": False,
        "file": path,  # not "path": ansible-core would add the attributes of a file that may not be there
        "impact": keys.NONE,
        "restart_required": False,
        "reload_enough": False,
        "keys": [],
        "backup": "",
        "validated": "unchanged",
        "diff": {"before": "", "after": "", "before_header": path, "after_header": path},
    }


def converge(wanted: Wanted, *, check: bool, tools: Tools | None = None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Bring daemon.json to what is wanted; the result, and credentials found in URLs, which must not be shown.

    :param check: only say what would happen.
    :raises DrydockError: one of :data:`FAILURE_KINDS`; the file is as it was then.
    """
    tools = tools or Tools()
    try:
        if not check:
            make_state_directory(wanted.state_directory)
        with _lock.held(wanted.state_directory / "lock", timeout=wanted.lock_timeout, shared=check):
            return _converge_locked(wanted, check=check, tools=tools)
    except OSError as error:
        raise os_failure(error) from error


def _converge_locked(wanted: Wanted, *, check: bool, tools: Tools) -> tuple[dict[str, Any], tuple[str, ...]]:
    plan = make_plan(wanted)
    result = unchanged_result(str(wanted.path))
    impact = keys.impact(plan.changes)
    if plan.changes:
        result.update(
            changed=True,
            impact=impact,
            restart_required=impact == keys.RESTART,
            reload_enough=impact == keys.RELOAD,
            keys=[change.as_dict() for change in plan.changes],
            validated=validate(plan.text, wanted, tools),
        )
        result["diff"].update(before=plan.shown_before, after=plan.shown_after)
    if not check:
        result["backup"] = execute(wanted, plan, tools)
    return result, plan.secrets


def make_plan(wanted: Wanted) -> Plan:
    """Compare; only reads.

    :raises DrydockError: ``invalid_json``, ``conflict``, ``owned_elsewhere``, ``state_unreadable``, ``symlink``.
    """
    _refuse_foreign(wanted)
    before = read_file(str(wanted.path))
    old_text = b"" if before is None else before.content
    document = keys.parse_document(old_text, str(wanted.path))
    owned = load_owned(_state_file(wanted), wanted.path)
    merged = keys.merge(document, wanted.declared, owned)
    text = keys.render(merged, keys.indent_of(old_text))
    return Plan(
        before=before,
        text=text,
        changes=keys.changes(document, merged),
        old_owned=owned,
        shown_before=keys.render(document).decode("utf-8") if before is not None else "",
        shown_after=keys.render(merged).decode("utf-8"),
        secrets=secrets_in(old_text.decode("utf-8", "replace") + text.decode("utf-8")),
    )


def secrets_in(text: str) -> tuple[str, ...]:
    """The passwords of URLs in a text."""
    return tuple(sorted(set(_CREDENTIALS.findall(text))))


def validate(text: bytes, wanted: Wanted, tools: Tools) -> str:
    """Ask the engine, where it is installed and has a way to be asked: ``yes``, ``no_engine`` or ``not_supported``.

    :raises DrydockError: ``refused_by_engine`` with the engine's words.
    """
    if not tools.installed(ENGINE):
        return "no_engine"
    # "dockerd --validate" came with 23.0; Debian 12 and Ubuntu 22.04 still carry a 20.10.
    if "--validate" not in tools.ask([ENGINE, "--help"], wanted.timeout).output:
        return "not_supported"
    with tempfile.TemporaryDirectory(prefix="drydock-") as folder:
        copy = Path(folder) / "daemon.json"
        copy.write_bytes(text)
        verdict = tools.ask([ENGINE, "--validate", "--config-file", str(copy)], wanted.timeout)
    if verdict.rc != 0:
        raise DrydockError(
            "refused_by_engine",
            f"dockerd refused the new {wanted.path} (exit {verdict.rc}); nothing was written. "
            f"It said: {_CREDENTIALS.sub('://***@', verdict.said) or '(nothing)'}",
            rc=verdict.rc,
        )
    return "yes"


def execute(wanted: Wanted, plan: Plan, tools: Tools) -> str:
    """Write what the plan says; the name of the backup, or an empty string.

    Ownership is claimed before the file is written and trimmed after, so that a run that dies in between leaves keys
    the next one still knows as its own.
    """
    state = _state_file(wanted)
    declared = list(wanted.declared)
    claimed = [*declared, *(key for key in plan.old_owned if key not in wanted.declared)]
    backup = ""
    if plan.changes:
        if claimed != list(plan.old_owned):
            _save_owned(state, wanted, claimed)
        make_parents(wanted.path)
        _remove_leftovers(wanted.path)
        if wanted.backup and plan.before is not None:
            backup = _back_up(wanted.path, plan.before, tools.now())
        access = plan.before.access if plan.before is not None else Access(mode=DEFAULT_MODE, uid=None, gid=None)
        _write(wanted.path, plan.text, access)
    if declared != list(plan.old_owned) or plan.changes:
        _save_owned(state, wanted, declared)
    return backup


def load_owned(path: Path, config: Path) -> tuple[keys.Key, ...]:
    """The keys an owner wrote last time, if it was into this file. :raises DrydockError: ``state_unreadable``."""
    try:
        value = json.loads(path.read_bytes())
        if value["schema"] == STATE_SCHEMA and value["path"] != str(config):
            return ()
        if value["schema"] == STATE_SCHEMA:
            return tuple(tuple(str(part) for part in key) for key in value["keys"])
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError):
        pass
    raise DrydockError(
        "state_unreadable",
        f"{path} should list the keys this owner holds but cannot be read as such. Restore it, or remove it: "
        "keys that are no longer declared then stay in daemon.json.",
        path=str(path),
    )


def _refuse_foreign(wanted: Wanted) -> None:
    own = _state_file(wanted)
    for other in sorted(wanted.state_directory.glob("*.json")):
        if other == own:
            continue
        shared = sorted(set(load_owned(other, wanted.path)) & set(wanted.declared))
        if shared:
            names = ", ".join(keys.dotted(key) for key in shared)
            raise DrydockError(
                "owned_elsewhere",
                f"{names} in {wanted.path} belongs to {other.stem!r}. Declare each key for one owner only; "
                f"when it has moved, run the task of {other.stem!r} first.",
                keys=[keys.dotted(key) for key in shared],
                owner=other.stem,
            )


def _state_file(wanted: Wanted) -> Path:
    return wanted.state_directory / f"{wanted.name}.json"


def _save_owned(path: Path, wanted: Wanted, owned: list[keys.Key]) -> None:
    value = {"schema": STATE_SCHEMA, "path": str(wanted.path), "keys": [list(key) for key in owned]}
    _atomic.write_json(path, value)


def _write(path: Path, text: bytes, access: Access) -> None:
    uid = -1 if access.uid is None else access.uid
    gid = -1 if access.gid is None else access.gid
    _atomic.write_atomic(path, text, mode=access.mode, uid=uid, gid=gid)


def _back_up(path: Path, before: FileState, now: float) -> str:
    stamp = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(now))
    backup = path.with_name(f"{path.name}.{stamp}~")
    _write(backup, before.content, before.access)
    others = [other for other in path.parent.glob(f"{path.name}.*Z~") if other != backup]
    for old in sorted(others)[: -(BACKUPS_KEPT - 1)]:  # not this one, even where the clock was set back
        old.unlink()
    return str(backup)


def _remove_leftovers(path: Path) -> None:
    """What a run that died while writing left beside the file; nobody else writes while the lock is held."""
    for leftover in path.parent.glob(f"{_atomic.STAGING_PREFIX}{path.name}.*"):
        leftover.unlink()
