# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An APT repository and the one key it may be signed with, as two files that belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._atomic import fsync_dir, write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._openpgp import fingerprints, require_fingerprint

MODE = 0o644

Fetch = Callable[[], bytes]
"""Gets the key file; raises DrydockError when it cannot."""


@dataclass(frozen=True)
class Source:
    """One deb822 stanza; an empty list leaves its field out."""

    name: str
    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    keyring: Path

    @property
    def text(self) -> str:
        fields = [
            ("Types", ("deb",)),
            ("URIs", self.uris),
            ("Suites", self.suites),
            ("Components", self.components),
            ("Architectures", self.architectures),
            ("Signed-By", (str(self.keyring),)),
        ]
        lines = [f"{field}: {' '.join(values)}" for field, values in fields if values]
        return "# Written by drydock.serving.apt_source.\n" + "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Plan:
    """``before`` and ``after`` are the source file's text; ``key`` says whether the keyring has to be replaced."""

    before: str
    after: str
    key: bool

    @property
    def changed(self) -> bool:
        return self.key or self.before != self.after


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _holds(path: Path, fingerprint: str) -> bool:
    data = _read(path)
    try:
        return bool(data) and set(fingerprints(data)) == {fingerprint}
    except DrydockError:
        return False


def plan_present(source: Source, path: Path, fingerprint: str) -> Plan:
    """What is missing. A keyring with the right key is left alone, so a converged host needs no network."""
    before = _read(path).decode("utf-8", "replace")
    return Plan(before=before, after=source.text, key=not _holds(source.keyring, fingerprint))


def plan_absent(source: Source, path: Path) -> Plan:
    return Plan(before=_read(path).decode("utf-8", "replace"), after="", key=source.keyring.exists())


def execute_present(source: Source, path: Path, fingerprint: str, plan: Plan, *, fetch: Fetch, origin: str) -> None:
    """Key first: a source without its verified key never exists."""
    if plan.key:
        data = fetch()
        require_fingerprint(data, fingerprint, origin)
        source.keyring.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(source.keyring, data, mode=MODE)
    if plan.before != plan.after:
        write_atomic(path, plan.after.encode("utf-8"), mode=MODE)


def execute_absent(source: Source, path: Path) -> None:
    for file in (path, source.keyring):
        if file.exists():
            file.unlink()
            fsync_dir(file.parent)
