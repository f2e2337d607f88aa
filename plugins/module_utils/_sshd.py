# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the installed OpenSSH can do, and by which ways a user can log in once only keys are taken."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

QUERIES = {"kex": "kex", "ciphers": "cipher", "macs": "mac", "signatures": "key-sig"}
DROP_INS = "/etc/ssh/sshd_config.d/"
_VERSION = re.compile(r"OpenSSH_(\d+\.\d+)")

Run = Callable[[Sequence[str]], "tuple[int, str, str]"]


def version(run: Run) -> str:
    """Like ``10.0``; empty when it cannot be told."""
    _code, out, err = run(["ssh", "-V"])
    match = _VERSION.search(out + err)
    return match.group(1) if match else ""


def algorithms(run: Run) -> dict[str, list[str]]:
    """What the installed OpenSSH supports, by the four words of ``QUERIES``."""
    found = {}
    for name, query in QUERIES.items():
        _code, out, _err = run(["ssh", "-Q", query])
        found[name] = out.split()
    return found


def includes_drop_ins(config: str) -> bool:
    """Whether sshd_config reads the drop-in directory before anything else could decide."""
    for line in config.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].lower() == "include":
            if any(word.strip('"').startswith(DROP_INS) for word in words[1:]):
                return True
            continue
        if words[0].lower() == "match":
            return False
    return False


def effective(run: Run, user: str, client: str) -> dict[str, str]:
    """What sshd would apply to this user from this address; empty when sshd cannot say (broken configuration)."""
    code, out, _err = run(["sshd", "-T", "-C", f"user={user},host={client},addr={client}"])
    if code != 0:
        return {}
    return {key.lower(): value for key, _blank, value in (line.partition(" ") for line in out.splitlines())}


def key_files(settings: dict[str, str], user: str, home: str) -> list[Path]:
    """The user's authorized_keys files by sshd's own patterns."""
    patterns = settings.get("authorizedkeysfile", ".ssh/authorized_keys .ssh/authorized_keys2").split()
    paths = []
    for pattern in patterns:
        if pattern == "none":
            continue
        text = pattern.replace("%%", "\0").replace("%h", home).replace("%u", user).replace("\0", "%")
        paths.append(Path(text) if text.startswith("/") else Path(home) / text)
    return paths


def count_keys(paths: Sequence[Path]) -> int:
    """Lines of these files that hold a key."""
    total = 0
    for path in paths:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        total += sum(1 for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return total


def login(settings: dict[str, str], user: str, home: str) -> dict[str, Any]:
    """The ways left to this user when passwords no longer count."""
    others = [
        key
        for key in ("authorizedkeyscommand", "trustedusercakeys", "authorizedprincipalscommand")
        if settings.get(key, "none") != "none"
    ]
    return {"user": user, "authorized_keys": count_keys(key_files(settings, user, home)), "other_ways": others}
