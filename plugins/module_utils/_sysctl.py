# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Live kernel parameters: what /proc/sys says, and what it lets itself be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

KEY = re.compile(r"^[a-z0-9_]+(?:[./][A-Za-z0-9_.\-]+)+$")
PROC_SYS = Path("/proc/sys")


@dataclass(frozen=True)
class Difference:
    """One parameter whose live value is not the wanted one."""

    key: str
    before: str
    after: str


@dataclass(frozen=True)
class Plan:
    """``missing`` parameters do not exist in this kernel, so there is nothing that could be set wrongly."""

    differences: tuple[Difference, ...]
    missing: tuple[str, ...]


def path_of(key: str, root: Path = PROC_SYS) -> Path:
    """Where a parameter lives. As in sysctl(8), the first separator decides: ``a.b`` or ``a/b.c`` (dot kept)."""
    if not KEY.match(key) or ".." in key:
        raise DrydockError(
            "invalid_key", f"'{key}' is not a kernel parameter's name; expected one like net.ipv4.ip_forward.", key=key
        )
    slash = key.find("/")
    dot = key.find(".")
    dotted = slash == -1 or (dot != -1 and dot < slash)
    return root / (key.translate(str.maketrans("./", "/.")) if dotted else key)


def normalize(value: object) -> str:
    """One blank between fields: the kernel separates with tabs what people write with blanks."""
    return " ".join(str(int(value) if isinstance(value, bool) else value).split())


def plan(wanted: Mapping[str, object], root: Path = PROC_SYS) -> Plan:
    """Compare live values with the wanted ones, in the order given; changes nothing."""
    differences = []
    missing = []
    for key, value in wanted.items():
        try:
            live = normalize(path_of(key, root).read_text(encoding="utf-8"))
        except FileNotFoundError:
            missing.append(key)
            continue
        except OSError as error:
            raise DrydockError("unreadable", f"{key} cannot be read: {error}. Run with become.", key=key) from None
        if live != normalize(value):
            differences.append(Difference(key=key, before=live, after=normalize(value)))
    return Plan(differences=tuple(differences), missing=tuple(missing))


def writable(difference: Difference, root: Path = PROC_SYS) -> bool:
    """Whether opening the parameter for writing is allowed; writes nothing."""
    try:
        with path_of(difference.key, root).open("r+b", buffering=0):
            return True
    except OSError:
        return False


def apply(difference: Difference, root: Path = PROC_SYS) -> str:
    """Set one parameter; the kernel's objection as text, empty when it took the value."""
    path = path_of(difference.key, root)
    try:
        with path.open("r+b", buffering=0) as handle:
            handle.write(f"{difference.after}\n".encode())
    except OSError as error:
        return error.strerror or str(error)
    live = normalize(path.read_text(encoding="utf-8"))
    return "" if live == difference.after else f"the kernel answers {live}"


def in_container(run: Path = Path("/run"), proc: Path = Path("/proc")) -> bool:
    """Whether the kernel is shared with others, by systemd's container interface (CONTAINER_INTERFACE)."""
    if (run / "systemd" / "container").exists():
        return True
    try:
        return any(entry.startswith(b"container=") for entry in (proc / "1" / "environ").read_bytes().split(b"\0"))
    except OSError:
        return False
