# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host, in plain shell, for hosts without Python, without sudo, of any distribution."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Every line of an answer is "<key>=<value>"; what a login shell prints besides is passed over.
_UNPRIVILEGED = r"""
say() { printf 'drydock.%s=%s\n' "$1" "$2"; }
say uid "$(id -u)"
say user "$(id -un)"
say now "$(date +%s)"
say machine "$(uname -m)"
say kernel "$(uname -s)"
( . /etc/os-release 2>/dev/null; say id "$ID"; say version "$VERSION_ID"; say pretty "$PRETTY_NAME" )
[ -d /run/systemd/system ] && say init systemd || say init "$(cat /proc/1/comm 2>/dev/null)"
say python "$(@PYTHON@ -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
say memory "$(awk '/^MemTotal:/ {printf "%.0f", $2 * 1024}' /proc/meminfo 2>/dev/null)"
say cpus "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
say become "$(command -v @BECOME@ 2>/dev/null)"
"""

# Free space where a path is or will be, and which model sets are complete already. As root: both may lie behind 0700
# folders.
_PRIVILEGED = r"""
printf 'drydock.root=%s\n' "$(id -u)"
for wanted in @PATHS@; do
  near=$wanted
  while [ ! -e "$near" ]; do near=$(dirname "$near"); done
  df -Pk "$near" | awk -v path="$wanted" 'NR > 1 {printf "drydock.disk:%s=%s %.0f\n", path, $6, $4 * 1024}'
done
for set in @SETS@; do
  [ -e "$set/manifest.json" ] && printf 'drydock.set:%s=yes\n' "$set"
done
true
"""


@dataclass(frozen=True)
class Disk:
    """Free bytes of the file system a path lies on; two paths with one ``mount`` share them."""

    mount: str
    free: int


@dataclass(frozen=True)
class HostFacts:
    """What the host said of itself. Empty text and None: it did not say."""

    uid: int | None
    user: str
    now: int | None
    machine: str
    distribution: str
    version: str
    pretty: str
    init: str
    python: str
    memory: int | None
    cpus: float | None
    become: str


@dataclass(frozen=True)
class RootFacts:
    """What it said as root: ``disks`` by path, and the model sets that are there."""

    uid: int | None
    disks: Mapping[str, Disk]
    sets: frozenset[str]


def unprivileged_probe(python: str, become: str) -> str:
    """The first question. ``python`` is the interpreter of modules, ``become`` the program that makes one root."""
    return _UNPRIVILEGED.replace("@PYTHON@", shlex.quote(python)).replace("@BECOME@", shlex.quote(become)).strip()


def privileged_probe(paths: Iterable[str], sets: Iterable[str]) -> str:
    """The second question, asked as root."""

    def words(values: Iterable[str]) -> str:
        return " ".join(shlex.quote(value) for value in values)

    return _PRIVILEGED.replace("@PATHS@", words(paths)).replace("@SETS@", words(sets)).strip()


def _answers(text: str) -> dict[str, str]:
    lines = (line[len("drydock.") :] for line in text.splitlines() if line.startswith("drydock."))
    return {key: value.strip() for key, equals, value in (line.partition("=") for line in lines) if equals}


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def parse_unprivileged(text: str) -> HostFacts:
    """Read the answer to the first question; what is missing stays empty."""
    said = _answers(text)
    cpus = _number(said.get("cpus"))
    return HostFacts(
        uid=_number(said.get("uid")),
        user=said.get("user", ""),
        now=_number(said.get("now")),
        machine=said.get("machine", ""),
        distribution=said.get("id", ""),
        version=said.get("version", ""),
        pretty=said.get("pretty", "") or said.get("kernel", ""),
        init=said.get("init", ""),
        python=said.get("python", ""),
        memory=_number(said.get("memory")),
        cpus=None if cpus is None else float(cpus),
        become=said.get("become", ""),
    )


def parse_privileged(text: str) -> RootFacts:
    """Read the answer to the second question."""
    said = _answers(text)
    disks = {}
    for key, value in said.items():
        mount, _space, free = value.rpartition(" ")
        if key.startswith("disk:") and mount and free.isdecimal():
            disks[key[len("disk:") :]] = Disk(mount, int(free))
    sets = frozenset(key[len("set:") :] for key in said if key.startswith("set:"))
    return RootFacts(uid=_number(said.get("root")), disks=disks, sets=sets)
