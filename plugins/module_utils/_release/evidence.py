# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept of a release that failed: enough to find the cause, and no secret in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._release.compose import Compose
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Desired
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine

REDACTED = "[redacted]"
LOG_LINES = 300
SHORTEST = 4
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PATTERNS = (
    re.compile(r"(?P<keep>://[^/\s:@]*:)[^@\s/]+(?=@)"),
    re.compile(r"(?i)(?P<keep>\bbearer\s+)\S+"),
    re.compile(
        r"(?i)(?P<keep>\b[\w-]*(?:password|passwd|passphrase|secret|token|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;]+"
    ),
)


class Redactor:
    """Takes known secret values, and what looks like a secret, out of texts."""

    def __init__(self, values: Iterable[str]) -> None:
        pieces = {piece for value in values for piece in (value, *value.splitlines(), json.dumps(value)[1:-1])}
        self._values = sorted((piece for piece in pieces if len(piece) >= SHORTEST), key=len, reverse=True)

    def known(self, text: str) -> str:
        """Without the values of the stack's secrets."""
        for value in self._values:
            text = text.replace(value, REDACTED)
        return text

    def text(self, text: str) -> str:
        """Without known values and without what looks like one; for logs."""
        text = self.known(text)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda match: match.group("keep") + REDACTED, text)
        return text

    def data(self, value: Any) -> Any:
        """JSON data with every text in it redacted. By text: inside JSON a value may also be syntax (1000, null)."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {str(key): self.data(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.data(item) for item in value]
        return value

    def inspection(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """An inspection without the values of environment variables."""
        copy: dict[str, Any] = self.data(raw)
        config = copy.get("Config") or {}
        config["Env"] = [f"{entry.partition('=')[0]}={REDACTED}" for entry in config.get("Env") or []]
        return copy


def last_words(compose: Compose, service: str, redactor: Redactor, *, lines: int) -> str:
    """The end of a container's log, without secrets and without terminal codes."""
    logs = compose.run("logs", "--no-color", "--no-log-prefix", "--timestamps", "--tail", str(lines), service)
    return redactor.text(_TERMINAL.sub("", logs.out + logs.err)).strip()


def collect(
    folder: Path,
    *,
    desired: Desired,
    release: Path,
    engine: Engine,
    composes: Mapping[str, Compose],
    redactor: Redactor,
    failure: Mapping[str, Any],
) -> None:
    """Write the evidence of a failed release. The failure itself first; the rest as far as it can be had.

    :raises OSError: the disk takes no more.
    :raises DrydockError: the engine does not answer any more.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "failure.json", json.dumps(redactor.data(failure), indent=2, sort_keys=True, default=str))
    inspections = [engine.inspect(unit.container) for unit in desired.units]
    found = [redactor.inspection(item) for item in inspections if item is not None]
    _write(folder / "inspect.json", json.dumps(found, indent=2, sort_keys=True))
    for part, compose in composes.items() if release.is_dir() else ():
        _write(folder / f"{part}-ps.txt", redactor.text(compose.run("ps", "--all").out))
        for unit in desired.of(part):
            text = last_words(compose, unit.name, redactor, lines=LOG_LINES)
            if text:
                _write(folder / f"{unit.name}.log", text)


def keep_papers(folder: Path, papers: Mapping[str, str], redactor: Redactor) -> None:
    """Write what a run has collected on its way: texts by the name of their file.

    :raises OSError: the disk takes no more.
    """
    for name, text in papers.items():
        _write(folder / name, redactor.text(_TERMINAL.sub("", text)))


def _write(path: Path, text: str) -> None:
    write_atomic(path, (text.rstrip("\n") + "\n").encode("utf-8"), mode=0o600)
