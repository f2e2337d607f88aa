# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole of a lock run: look at every model, compare with the lock there is, refuse or write."""

from __future__ import annotations

import datetime
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import lockfile
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.compare import (
    ModelChange,
    compare,
    moved,
    replaced,
    unsigned,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.request import (
    check_names,
    read_requests,
    refuse,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.resolve import Tools, lock_model
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    SetRequest,
    SourceBackend,
)
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.problems import Problems

PACKAGE = "ansible_collections.drydock.serving.plugins.plugin_utils._model_lock"
BACKENDS = {"hf": "hub", "https": "web", "http": "web", "file": "local", "s3": "s3", "oci": "oci"}
TELL_SECONDS = 5.0
"""How often a line about a long read is shown."""


@dataclass(frozen=True)
class Wish:
    """What a run is asked for.

    :param path: the lock file.
    :param allow_changed: names of models that may have other bytes under the same revision; ``None`` for all.
    :param only: names of the models to look at; the entries of others stay. Empty: all.
    """

    path: Path
    allow_changed: frozenset[str] | None = frozenset()
    only: tuple[str, ...] = ()
    check: bool = False

    def allows(self, name: str) -> bool:
        return self.allow_changed is None or name in self.allow_changed


@dataclass(frozen=True)
class Outcome:
    """What a run found and did. ``before`` and ``after`` are the bytes of the lock."""

    changes: list[ModelChange]
    warnings: list[str]
    before: bytes
    after: bytes
    models: int
    files: int
    size: int

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def text(self) -> str:
        """For people, model by model."""
        return "\n".join(line for change in self.changes for line in change.lines())


def lock(models: Any, wish: Wish, context: Context, *, today: datetime.date) -> Outcome:
    """Make the lock say what the sources have, or say why not; the file is replaced in one step or not at all.

    :param models: the variable as the inventory has it.
    :raises DrydockError: ``invalid_input``, ``refused``, ``digest_changed``, ``lock_unreadable``, ``cannot_write``,
        ``busy``.
    """
    requests = read_requests(models)
    known = [request.name for request in requests]
    check_names("only", wish.only, known)
    check_names("allow_changed", sorted(wish.allow_changed or ()), known)
    present = _entries(lockfile.read(wish.path), wish.path)
    chosen = [request for request in requests if not wish.only or request.name in wish.only]
    warnings: list[str] = []
    fresh = look(chosen, present, tools(context, today, warn=warnings.append))
    if wish.check:
        return _settle(requests, fresh, wish, warnings)
    with lockfile.exclusive(wish.path):
        outcome = _settle(requests, fresh, wish, warnings)
        if outcome.changed:
            lockfile.write(wish.path, outcome.after)
    return outcome


def look(
    requests: Sequence[SetRequest], present: Mapping[str, Mapping[str, Any]], using: Tools
) -> dict[str, dict[str, Any]]:
    """The new entries. :raises DrydockError: ``refused`` with everything that does not pass, of all models."""
    problems = Problems()
    fresh = {request.name: lock_model(request, present.get(request.name, {}), using, problems) for request in requests}
    refuse("refused", "The models were not locked; nothing was written", problems)
    return fresh


def _settle(
    requests: Sequence[SetRequest], fresh: Mapping[str, dict[str, Any]], wish: Wish, warnings: Sequence[str]
) -> Outcome:
    """Compare with what the lock holds now (another run may have written it meanwhile)."""
    before = lockfile.read(wish.path)
    old = _entries(before, wish.path)
    names = [request.name for request in requests]
    kept = {name: entry for name, entry in old.items() if wish.only and name not in fresh}
    new = {**kept, **fresh}
    changes = compare(old, new)
    problems = Problems()
    for change in changes:
        for path, message in [] if wish.allows(change.name) else replaced(change):
            problems.add(path, message)
    refuse("digest_changed", "Locked files have other bytes now; nothing was written", problems)
    return Outcome(
        changes=changes,
        warnings=[
            *warnings,
            *filter(None, (find(change) for change in changes for find in (moved, unsigned))),
            *_unlocked(names, new),
        ],
        before=before or b"",
        after=lockfile.dump(new),
        models=len(new),
        files=sum(len(entry["files"]) for entry in new.values()),
        size=sum(file["size"] for entry in new.values() for file in entry["files"].values()),
    )


def _unlocked(names: Sequence[str], new: Mapping[str, Any]) -> list[str]:
    missing = [name for name in names if name not in new]
    return [f"Not locked yet: {', '.join(missing)}. Lock without 'only' to include them."] if missing else []


def _entries(content: bytes | None, path: Path) -> dict[str, dict[str, Any]]:
    return {} if content is None else lockfile.parse(content, path)


def tools(context: Context, today: datetime.date, *, warn: Callable[[str], None]) -> Tools:
    """The real ones: back ends and the check of signatures are imported when a model asks for them."""
    made: dict[str, SourceBackend] = {}

    def backend(scheme: str) -> SourceBackend:
        name = BACKENDS.get(scheme)
        if name is None:
            raise DrydockError(
                "invalid_input", f"has the scheme {scheme!r}; expected one of {', '.join(sorted(BACKENDS))}."
            )
        if name not in made:
            made[name] = importlib.import_module(f"{PACKAGE}.sources.{name}").backend(context)
        return made[name]

    def verify(*arguments: Any, **named: Any) -> Mapping[str, Any]:
        found: Mapping[str, Any] = importlib.import_module(f"{PACKAGE}.signature").verify(*arguments, **named)
        return found

    return Tools(
        context=context,
        backend=backend,
        verify=verify,
        today=today,
        hashing=lambda *what: _meter(context.tell, *what),
        warn=warn,
    )


def _meter(
    tell: Callable[[str], None], label: str, size: int, *, clock: Callable[[], float] = time.monotonic
) -> Callable[[int], None]:
    """Shows a line every few seconds while a file is read."""
    started = shown = clock()

    def told(done: int) -> None:
        nonlocal shown
        now = clock()
        if now - shown < TELL_SECONDS:
            return
        shown = now
        share = f" of {size / 1e6:.0f} MB ({100 * done // max(size, 1)} %)"
        tell(f"{label}: {done / 1e6:.0f}{share} read, {done / 1e6 / (now - started):.0f} MB/s")

    return told
