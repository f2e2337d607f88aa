# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the installed OpenSSH can do, and by which ways a user can log in once only keys are taken."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

QUERIES = {"kex": "kex", "ciphers": "cipher", "macs": "mac", "signatures": "key-sig"}
DROP_INS = "/etc/ssh/sshd_config.d/"
# Said twice, both count.
ADDING = frozenset(
    {"acceptenv", "allowgroups", "allowusers", "denygroups", "denyusers", "hostkey", "listenaddress", "port"}
)
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


def kept_out_by(directives: Mapping[str, Any], user: str, groups: Sequence[str], client: str) -> str:
    """The directive among these (``AllowUsers`` and its kin) that would no longer let the user in; empty when none."""
    for key, value in directives.items():
        if value is None:
            continue
        patterns = _text(value)
        kind = key.lower()
        if kind in ("allowusers", "denyusers"):
            named = any(_names(pattern, user, client) for pattern in patterns)
        elif kind in ("allowgroups", "denygroups"):
            named = any(fnmatch.fnmatchcase(group, pattern) for group in groups for pattern in patterns)
        else:
            continue
        if patterns and named != kind.startswith("allow"):
            return str(key)
    return ""


def _many(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _names(pattern: str, user: str, client: str) -> bool:
    """Whether a pattern ``user`` or ``user@host`` is about this user from this address."""
    name, _at, host = pattern.partition("@")
    if not fnmatch.fnmatchcase(user, name):
        return False
    if not host or fnmatch.fnmatchcase(client, host):
        return True
    try:
        return ipaddress.ip_address(client.partition("%")[0]) in ipaddress.ip_network(host, strict=False)
    except ValueError:
        return False


def overruled(directives: Mapping[str, Any], config: str, drop_ins: Mapping[str, str], own: str) -> list[str]:
    """Directives of the drop-in ``own`` that come too late, each with the place of the other value: the first one wins.

    :param config: the text of sshd_config; only what stands before its include of the drop-ins counts.
    :param drop_ins: texts of the drop-ins by file name.
    """
    wanted = {key.lower(): (key, _text(value)) for key, value in directives.items() if value is not None}
    texts = [("/etc/ssh/sshd_config", "\n".join(_before_drop_ins(config)))]
    texts += [(DROP_INS + name, drop_ins[name]) for name in sorted(drop_ins) if name < own]
    found: dict[str, str] = {}
    for place, text in texts:
        for line in text.splitlines():
            words = line.replace("=", " ", 1).split()
            if not words or words[0].lower() not in wanted or words[0].lower() in ADDING:
                continue
            key, value = wanted[words[0].lower()]
            if [word.strip('"') for word in words[1:]] != value:
                found.setdefault(key, f"{key} in {place}")
    return list(found.values())


def _text(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [str(item) for item in value] if _many(value) else str(value).split()


def _before_drop_ins(config: str) -> list[str]:
    lines = config.splitlines()
    for number in range(len(lines)):
        if includes_drop_ins(lines[number]):
            return lines[:number]
    return []
