# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: read, written whole or not at all, the same bytes for the same content."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._checksum import parse_checksum
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

VARIABLE = "models_lock"
HEADER = """\
---
# Which bytes exactly the models of this inventory are: every file at one exact
# revision. Generated from the variable 'models'; commit it, do not edit it.
# To make it anew: ansible-playbook drydock.serving.lock -i INVENTORY
"""
TEMPLATE = ("{{", "{%", "{#")
OVERRIDE = "#jinja2:"
"""What Ansible takes for a template when it reads the lock as variables: these marks anywhere, or a text that starts by
naming other marks. What others wrote must never hold it."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten thousand files in a second instead of seven
NOT_YAML = (yaml.YAMLError, RecursionError, ValueError, ArithmeticError, LookupError, AttributeError, TypeError)
"""What PyYAML raises for what is no YAML; some of its constructors fail in their own ways."""
WAIT = 60.0
"""Seconds to wait for another run that is writing."""
POLL = 0.1

Entries = Mapping[str, Mapping[str, Any]]


def dump(entries: Entries) -> bytes:
    """The lock as bytes.

    :raises DrydockError: ``refused`` where a text holds a template; whoever wrote it could run programs here.
    """
    for path, text in _texts(VARIABLE, entries):
        if is_template(text):
            raise DrydockError(
                "refused",
                f"{path}: holds {{{{, {{% or {OVERRIDE}, which Ansible would run as a template when it reads the lock. "
                "Nothing was written. Next step: this looks like an attack; tell whoever keeps the source.",
            )
    body = yaml.dump(
        {VARIABLE: {name: dict(entry) for name, entry in entries.items()}},
        Dumper=_Dumper,
        sort_keys=True,
        default_flow_style=False,
        allow_unicode=False,  # or PyYAML writes U+0085 in a way that it reads back as a space
        width=10_000,
    )
    return (HEADER + body).encode("utf-8")


def parse(content: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """The entries of a lock by the model's name.

    :raises DrydockError: ``lock_unreadable``: it is something else, so it is not overwritten.
    """
    try:
        found = yaml.load(content.decode("utf-8"), Loader=LOADER)  # noqa: S506 - one of the two safe loaders
    except NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        raise _unreadable(path, f"is not YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    if found is None:
        return {}
    if not isinstance(found, dict) or set(found) != {VARIABLE}:
        raise _unreadable(path, f"holds something other than the variable '{VARIABLE}'")
    entries = found[VARIABLE] or {}
    if not isinstance(entries, dict):
        raise _unreadable(path, f"has no names and models below '{VARIABLE}'")
    for name, entry in entries.items():
        _check(path, str(name), entry)
    return {str(name): entry for name, entry in entries.items()}


def read(path: Path) -> bytes | None:
    """What is there now, or ``None``.

    :raises DrydockError: ``lock_unreadable``.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from None


def write(path: Path, content: bytes) -> None:
    """Replace the lock in one step; its permission bits stay, and a link to it.

    :raises DrydockError: ``cannot_write``.
    """
    path = Path(os.path.realpath(path))
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        write_atomic(path, content, mode=mode)
    except OSError as error:
        raise _cannot_write(path, error) from None


@contextlib.contextmanager
def exclusive(
    path: Path,
    *,
    wait: float = WAIT,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Hold the folder of the lock (made when missing) while it is compared and written; nothing is left behind.

    :raises DrydockError: ``busy``, ``cannot_write``.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_write(path, error) from None
    try:
        deadline = clock() + wait
        while not _taken(descriptor):
            if clock() >= deadline:
                raise DrydockError(
                    "busy",
                    f"Another run has been writing {path} for more than {wait:g} s. Let it end, then lock again.",
                )
            sleep(POLL)
        yield
    finally:
        os.close(descriptor)


def is_template(text: str) -> bool:
    return text.startswith(OVERRIDE) or any(mark in text for mark in TEMPLATE)


class _Dumper(yaml.SafeDumper):
    """Lists further in than their key, as yamllint and ansible-lint want it in the inventory the lock lies in."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - PyYAML's signature
        super().increase_indent(flow, False)

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _texts(path: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield path, str(key)
            yield from _texts(f"{path}.{key}", item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(path, item)
    elif isinstance(value, str):
        yield path, value


def _check(path: Path, name: str, entry: Any) -> None:
    facts = entry if isinstance(entry, dict) else {}
    files = facts.get("files")
    told = all(isinstance(facts.get(key, {}), dict) for key in ("signature", "card", "metrics"))
    if not isinstance(files, dict) or not isinstance(facts.get("version"), str) or not told:
        raise _unreadable(path, f"has no version and files for {name}")
    for file, given in files.items():
        if not isinstance(file, str) or not _is_file(given):
            raise _unreadable(path, f"has no usable checksum, size and urls for {name}: {file}")


def _is_file(facts: Any) -> bool:
    try:
        parse_checksum(str(facts["checksum"]))
        size, urls = facts["size"], facts.get("urls", [])
        whole = isinstance(size, int) and not isinstance(size, bool)
        return whole and isinstance(urls, list) and all(isinstance(url, str) for url in urls)
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _unreadable(path: Path, what: str) -> DrydockError:
    return DrydockError(
        "lock_unreadable",
        f"{path} {what}, so it cannot be compared, and nothing was written. Next step: take the last good one from "
        "version control, or move the file away to lock everything for the first time.",
    )


def _cannot_write(path: Path, error: OSError) -> DrydockError:
    return DrydockError("cannot_write", f"{path} cannot be written: {error.strerror}. Nothing was changed.")
