# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins for image registries: lent to the docker command for as long as it asks a registry, and never left behind.

The command takes them from a directory of its own (``docker --config``), so they are in no argument, and the host's
own docker configuration is neither read for these registries nor written.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

HUB = "docker.io"
HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})
HUB_KEY = "https://index.docker.io/v1/"  # what the docker command calls it in its configuration
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?")
_KEYS = ("username", "password")


@dataclass(frozen=True)
class Login:
    """An account that may read from a registry."""

    username: str
    password: str = field(repr=False)

    @property
    def auth(self) -> str:
        """Both, as the docker command's configuration has them."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode("ascii")


Logins = Mapping[str, Login]


def canonical(registry: str) -> str:
    """One name for one registry."""
    name = registry.lower()
    return HUB if name in HUB_NAMES else name


def registry_of(reference: str) -> str:
    """The registry that an image reference names."""
    first, slash, _rest = reference.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return canonical(first) if named else HUB


def on_loopback(registry: str) -> bool:
    """Is it on the host itself? There the engine does without TLS."""
    name = registry.rpartition(":")[0] if registry.rpartition(":")[2].isdigit() else registry
    return name in {"localhost", "[::1]"} or re.fullmatch(r"127(\.[0-9]{1,3}){3}", name) is not None


def parse_registries(raw: Mapping[str, Any]) -> dict[str, Login]:
    """Read ``registries``: name -> username and password. No value is ever repeated in what is said.

    :raises DrydockError: ``registries_invalid`` with everything that is wrong.
    """
    wrong = [line for name, given in raw.items() for line in _violations(str(name), given)]
    if wrong:
        raise DrydockError(
            "registries_invalid",
            "The logins for registries cannot be used, so nothing was touched:\n"
            + "\n".join(f"  {line}" for line in wrong)
            + "\nCorrect them in the vault, then run again.",
            violations=wrong,
        )
    return {canonical(name): Login(given["username"], given["password"]) for name, given in raw.items()}


def _violations(name: str, given: Any) -> list[str]:
    where = f"registries[{name}]"
    if not _NAME.fullmatch(name.lower()):
        return [
            f"{where}: is not the name of a registry. Give it as image references do, such as "
            "registry.example.com:5000, without https:// and without a path."
        ]
    if not isinstance(given, Mapping):
        return [f"{where}: has to be a dictionary with username and password."]
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    found = [f"{where}.{key}: is not a known key. Allowed: {', '.join(_KEYS)}." for key in unknown]
    for key in _KEYS:
        value = given.get(key)
        if not isinstance(value, str) or not value or not value.isprintable():
            found.append(f"{where}.{key}: has to be text of one line that is not empty.")
        elif key == "username" and ":" in value:
            found.append(f"{where}.{key}: must not contain a colon, which ends the name where a registry reads it.")
    return found


def hidden(logins: Logins) -> list[str]:
    """What must not be told of them."""
    return [text for login in logins.values() for text in (login.password, login.auth)]


@contextlib.contextmanager
def lent(folder: Path, logins: Logins, references: Iterable[str]) -> Iterator[dict[str, Path | None]]:
    """For each reference the configuration directory to ask its registry with; None for the host's own.

    It is there for the length of the block. One that a killed run left is replaced.
    """
    config = {item: folder if registry_of(item) in logins else None for item in references}
    if not any(config.values()):
        yield config
        return
    forget(folder)
    try:
        folder.mkdir(mode=0o700)
        auths = {HUB_KEY if name == HUB else name: {"auth": login.auth} for name, login in sorted(logins.items())}
        write_atomic(folder / "config.json", json.dumps({"auths": auths}).encode("utf-8"), mode=0o600)
        yield config
    finally:
        forget(folder)


def forget(folder: Path) -> None:
    """Remove lent logins, also those that a killed run has left."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
