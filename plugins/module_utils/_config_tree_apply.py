# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan as one transaction: all of it or nothing, also when the process dies between any two steps.

Order: write the journal, create directories, stage every file beside its place, have each checked, put all in place
(the old file keeps living under a second name), check the whole, commit, tidy up. Until the commit an undo brings back
the very same old files (the same inode: content, mode, owner, times, links). After it the next run only tidies up.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils import _atomic, _reader
from ansible_collections.drydock.serving.plugins.module_utils._config_tree_plan import DirectoryChange, FileChange, Plan
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._file_state import Access, Disk, read_file
from ansible_collections.drydock.serving.plugins.module_utils._journal import COMMITTED, Journal, Record

OPERATION = "config_tree"
NAME_LIMIT = 200


def _nothing(_step: str) -> None:
    """Nobody watches the steps."""


@dataclass(frozen=True)
class Tools:
    """What a transaction uses of the world.

    :param reached: told the name of each step right after it; a test ends the process there.
    """

    ask: _reader.Reader = _reader.ask
    now: Callable[[], float] = time.time
    token: Callable[[], str] = lambda: secrets.token_hex(4)
    reached: Callable[[str], None] = _nothing


def apply(
    plan: Plan,
    *,
    journal: Journal,
    manifest: Path,
    checks: Sequence[Sequence[str]],
    timeout: float,
    tools: Tools,
) -> None:
    """Do what the plan says.

    :param timeout: for each reader, in seconds.
    :raises DrydockError: ``validation_failed``, ``check_failed``, ``validator_missing``, ``validator_timeout``; then,
        and after any ``OSError`` before the commit, the host is as it was.
    """
    record = journal.begin(OPERATION, _journal_data(plan, tools), now=tools.now())
    try:
        tools.reached("journal begun")
        _make_directories(plan.directories, tools)
        _stage(plan.files, record.data["files"], tools)
        _validate(plan.files, record.data["files"], timeout, tools)
        _put_in_place(plan.files, record.data["files"], tools)
        _check_tree(checks, timeout, tools, hidden=any(change.hidden for change in plan.files))
        record = journal.commit(record)
    except BaseException:
        undo(record, journal, tools)
        raise
    tools.reached("committed")
    finish(record, journal, manifest, tools)


def undo(record: Record, journal: Journal, tools: Tools) -> None:
    """Bring back the old state; safe to repeat, also after having been interrupted itself."""
    touched: set[str] = set()
    for entry in reversed(record.data["files"]):
        place, staged, old = entry["place"], entry["staged"], entry["old"]
        if Path(old).exists():
            Path(old).replace(place)
            tools.reached(f"restored {place}")
            _unlink(old)  # two names of one file: replacing was nothing, the second name is still there
        elif not entry["had"] and not Path(staged).exists() and _is_ours(entry):
            _unlink(place)
        _unlink(staged)
        touched.add(str(Path(place).parent))
        tools.reached(f"undone {place}")
    for entry in reversed(record.data["directories"]):
        _undo_directory(entry)
        tools.reached(f"undone {entry['path']}")
    _sync(touched)
    journal.clear()
    tools.reached("journal cleared")


def finish(record: Record, journal: Journal, manifest: Path, tools: Tools) -> None:
    """Tidy up after the commit; safe to repeat."""
    _atomic.write_json(manifest, record.data["manifest"])
    tools.reached("manifest written")
    touched: set[str] = set()
    for entry in record.data["files"]:
        if entry["keep"] is None:
            _unlink(entry["old"])
        else:
            with contextlib.suppress(FileNotFoundError):
                Path(entry["old"]).replace(entry["keep"])
        touched.add(str(Path(entry["place"]).parent))
        tools.reached(f"tidied {entry['place']}")
    _sync(touched)
    journal.clear()
    tools.reached("journal cleared")


def recover(journal: Journal, manifest: Path, tools: Tools) -> Record | None:
    """Finish or undo what an earlier run left; the record of it, or None when there was nothing.

    :raises DrydockError: ``journal_unreadable``.
    """
    record = load(journal)
    if record is None:
        return None
    if record.state == COMMITTED:
        finish(record, journal, manifest, tools)
    else:
        undo(record, journal, tools)
    return record


def load(journal: Journal) -> Record | None:
    """The interrupted transaction, if any. :raises DrydockError: ``journal_unreadable``."""
    record = journal.load()
    if record is not None and record.operation != OPERATION:
        raise DrydockError(
            "journal_unreadable",
            f"{journal.path} belongs to {record.operation}, not to {OPERATION}.",
            path=str(journal.path),
        )
    return record


def as_if_recovered(record: Record | None) -> Disk:
    """The host's files as they will be after :func:`recover`, without touching them."""
    if record is None or record.state == COMMITTED:
        return Disk()
    files = {}
    for entry in record.data["files"]:
        if Path(entry["old"]).exists():
            files[entry["place"]] = read_file(entry["old"])
        elif not entry["had"] and not Path(entry["staged"]).exists() and _is_ours(entry):
            files[entry["place"]] = None
    directories = {
        entry["path"]: None if entry["before"] is None else Access(**entry["before"])
        for entry in record.data["directories"]
    }
    return Disk(files=files, directories=directories)


def _journal_data(plan: Plan, tools: Tools) -> dict[str, Any]:
    token = tools.token()
    stamp = time.strftime("%Y-%m-%dT%H%M%SZ", time.gmtime(tools.now()))
    return {
        "files": [_journal_file(change, token, stamp) for change in plan.files],
        "directories": [
            {"path": change.path, "before": None if change.before is None else vars(change.before)}
            for change in plan.directories
        ],
        "manifest": plan.manifest,
    }


def _journal_file(change: FileChange, token: str, stamp: str) -> dict[str, Any]:
    folder, name = os.path.split(change.place)
    # The suffix stays, as some readers go by it; the leading dot hides the file from "include conf.d/*.conf".
    hidden = f"{_atomic.STAGING_PREFIX}{token}.{name[-NAME_LIMIT:]}"
    return {
        "dest": change.dest,
        "place": change.place,
        "state": change.state,
        "wakes": list(change.wakes),
        "had": change.before is not None,
        "staged": f"{folder}/{hidden}",
        "old": f"{folder}/{hidden}~",
        "keep": f"{folder}/{name[-NAME_LIMIT:]}.{stamp}.{token}~" if change.keep else None,
        "salt": token,
        "mark": None if change.after is None else _mark(token, change.after.content),
    }


def _mark(salt: str, content: bytes) -> str:
    return hashlib.sha256(salt.encode("ascii") + content).hexdigest()


def _is_ours(entry: Mapping[str, Any]) -> bool:
    try:
        found = read_file(entry["place"])
    except DrydockError:
        return False
    return found is not None and entry["mark"] == _mark(entry["salt"], found.content)


def _make_directories(changes: Iterable[DirectoryChange], tools: Tools) -> None:
    for change in changes:
        if change.before is None:
            Path(change.path).mkdir(mode=0o700)
            tools.reached(f"created {change.path}")
        _set_access(change.path, change.after)
        _sync([str(Path(change.path).parent)])
        tools.reached(f"attributes of {change.path}")


def _undo_directory(entry: Mapping[str, Any]) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if entry["before"] is not None:
            _set_access(entry["path"], Access(**entry["before"]))
            return
        with contextlib.suppress(OSError):  # someone put something in: it is theirs now
            Path(entry["path"]).rmdir()


def _set_access(path: str, access: Access) -> None:
    # Whoever may write above it could put a link in its place at any moment, so never by name twice.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(descriptor, _number(access.uid), _number(access.gid))
        os.fchmod(descriptor, access.mode)
    finally:
        os.close(descriptor)


def _stage(changes: Sequence[FileChange], entries: Sequence[Mapping[str, Any]], tools: Tools) -> None:
    for change, entry in zip(changes, entries):
        if change.after is None:
            continue
        descriptor = os.open(
            entry["staged"], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        tools.reached(f"opened {entry['staged']}")
        with os.fdopen(descriptor, "wb") as handle:
            os.fchown(handle.fileno(), _number(change.after.access.uid), _number(change.after.access.gid))
            os.fchmod(handle.fileno(), change.after.access.mode)
            handle.write(change.after.content)
            handle.flush()
            os.fsync(handle.fileno())
        tools.reached(f"staged {entry['staged']}")


def _validate(
    changes: Sequence[FileChange], entries: Sequence[Mapping[str, Any]], timeout: float, tools: Tools
) -> None:
    for change, entry in zip(changes, entries):
        if change.validate:
            ask_about(change, entry["staged"], timeout, tools.ask)


def ask_about(change: FileChange, path: str, timeout: float, ask: _reader.Reader) -> None:
    """Have a file's reader check the copy at ``path``.

    :raises DrydockError: ``validation_failed`` with the reader's words, unless the file's content must not be shown.
    """
    argv = [word.replace("%s", path) for word in change.validate]
    verdict = ask(argv, timeout)
    if verdict.rc == 0:
        return
    shown = list(change.validate)
    output = "(not shown: the file has no_log)" if change.hidden else verdict.said
    raise DrydockError(
        "validation_failed",
        f"{change.dest}: {' '.join(shown)} refused the new content (exit {verdict.rc}); nothing was moved. "
        f"It said: {output or '(nothing)'}",
        dest=change.dest,
        argv=shown,
        rc=verdict.rc,
        output=output,
    )


def _put_in_place(changes: Sequence[FileChange], entries: Sequence[Mapping[str, Any]], tools: Tools) -> None:
    touched: set[str] = set()
    for change, entry in zip(changes, entries):
        if change.after is None:
            Path(entry["place"]).replace(entry["old"])
        else:
            if change.before is not None:
                os.link(entry["place"], entry["old"], follow_symlinks=False)
                tools.reached(f"second name for {entry['place']}")
            Path(entry["staged"]).replace(entry["place"])
        touched.add(str(Path(entry["place"]).parent))
        tools.reached(f"in place {entry['place']}")
    _sync(touched)


def _check_tree(checks: Sequence[Sequence[str]], timeout: float, tools: Tools, *, hidden: bool) -> None:
    for argv in checks:
        verdict = tools.ask(argv, timeout)
        tools.reached(f"checked by {argv[0]}")
        if verdict.rc != 0:
            output = "(not shown: a file that changes has no_log)" if hidden else verdict.said
            raise DrydockError(
                "check_failed",
                f"{' '.join(argv)} refused the whole (exit {verdict.rc}); every old file is back in its place. "
                f"It said: {output or '(nothing)'}",
                argv=list(argv),
                rc=verdict.rc,
                output=output,
            )


def _number(owner: int | None) -> int:
    return -1 if owner is None else owner


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        Path(path).unlink()


def _sync(directories: Iterable[str]) -> None:
    for directory in sorted(directories):
        with contextlib.suppress(FileNotFoundError):
            _atomic.fsync_dir(Path(directory))
