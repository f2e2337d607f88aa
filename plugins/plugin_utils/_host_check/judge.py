# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a host from carrying a stack. Pure: facts and wishes in, sentences out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._host_check.probe import HostFacts, RootFacts
from ansible_collections.drydock.serving.plugins.plugin_utils._stack.capacity import Host, capacity_problems, size

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386"}
CONTROLLER_ANSIBLE = (2, 18)
CONTROLLER_PYTHON = (3, 11)


@dataclass(frozen=True)
class Model:
    """A model set that has to fit: the folder it will be in and its bytes."""

    folder: str
    size: int


@dataclass(frozen=True)
class Wanted:
    """What a host has to offer.

    :param distributions: versions by the ID of os-release, such as ``{"debian": ["12", "13"]}``.
    :param clock_skew: seconds the host's clock may differ from the controller's.
    :param disk: bytes that have to be free, by path.
    :param needs: the ``totals`` of a stack model; empty: not judged.
    :param capacity: the ``capacity`` of a stack model.
    """

    distributions: Mapping[str, Sequence[str]]
    architectures: Sequence[str]
    python: str
    clock_skew: int
    disk: Mapping[str, int] = field(default_factory=dict)
    models_root: str = ""
    models: Sequence[Model] = ()
    needs: Mapping[str, Any] = field(default_factory=dict)
    capacity: Mapping[str, Any] = field(default_factory=dict)


def version_tuple(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, such as (2, 19, 14) for ``2.19.14rc1``."""
    return tuple(
        int(part) for part in re.findall(r"\d+", text.split("rc", maxsplit=1)[0].split("b", maxsplit=1)[0])[:3]
    )


def controller_problems(ansible: str, python: tuple[int, ...]) -> list[str]:
    """What is wrong with the machine the playbook runs on."""
    found = []
    if version_tuple(ansible) < CONTROLLER_ANSIBLE:
        found.append(
            f"This controller has ansible-core {ansible}; {_dotted(CONTROLLER_ANSIBLE)} or newer is needed. "
            "Upgrade it (in a checkout of this collection: make setup)."
        )
    if python < CONTROLLER_PYTHON:
        found.append(
            f"This controller runs Ansible with Python {_dotted(python)}; {_dotted(CONTROLLER_PYTHON)} or newer is "
            f"needed. "
            "Install Ansible into a newer Python's virtual environment."
        )
    return found


def exemption_problems(models: Sequence[Mapping[str, Any]], *, today: date) -> list[str]:
    """Files of the models that the format policy let through until a day that is over.

    :param models: the ``models`` of a stack model.
    """
    return [
        f"models.{model['name']}: '{file['path']}' was exempted from the format policy until {exemption['until']} "
        f"({exemption['reason']}), and that day is over. Replace the file by one of a safe format, or decide again and "
        "write a later day."
        for model in models
        for exemption in model.get("exempt") or ()
        for file in model["files"]
        if file["checksum"] == exemption["checksum"] and today > date.fromisoformat(str(exemption["until"]))
    ]


def host_problems(facts: HostFacts, wanted: Wanted, *, now: float) -> list[str]:
    """What can be seen without being root. ``now`` is the controller's clock, in seconds since 1970."""
    return [
        *_system(facts, wanted),
        *_python(facts, wanted),
        *_clock(facts, wanted, now),
        *_capacity(facts, wanted),
    ]


def _system(facts: HostFacts, wanted: Wanted) -> Iterator[str]:
    supported = "; ".join(f"{name} {', '.join(map(str, v))}" for name, v in sorted(wanted.distributions.items()))
    versions = wanted.distributions.get(facts.distribution, ())
    if facts.version not in [str(version) for version in versions]:
        found = facts.pretty or facts.distribution or "a system without /etc/os-release"
        yield (
            f"It runs {found}, which is not supported. Supported: {supported}. Install one of them, or upgrade this "
            f"host."
        )
    architecture = ARCHITECTURES.get(facts.machine, facts.machine)
    if architecture not in wanted.architectures:
        yield f"Its architecture is {architecture or 'unknown'}; supported: {', '.join(wanted.architectures)}."
    if facts.init != "systemd":
        yield (
            f"Its first process is {facts.init or 'unknown'}, not systemd, which starts and watches everything here. "
            "Containers without systemd and other init systems are not supported."
        )


def _python(facts: HostFacts, wanted: Wanted) -> Iterator[str]:
    if not facts.python:
        yield (
            "It has no Python that starts, which Ansible's modules need. Install it: apt-get install python3 "
            "(or name another one in ansible_python_interpreter)."
        )
    elif version_tuple(facts.python) < version_tuple(wanted.python):
        yield f"Its Python is {facts.python}; {wanted.python} or newer is needed."


def _clock(facts: HostFacts, wanted: Wanted, now: float) -> Iterator[str]:
    if facts.now is None:
        return
    skew = facts.now - now
    if abs(skew) > wanted.clock_skew:
        yield (
            f"Its clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this controller's (at most "
            f"{wanted.clock_skew} s are fine); certificates would seem expired or not valid yet. Set the clock, best "
            f"by a time "
            "service such as chrony, and look at the controller's, too."
        )


def _capacity(facts: HostFacts, wanted: Wanted) -> Iterator[str]:
    if wanted.needs and wanted.capacity and facts.memory and facts.cpus:
        for path, message in capacity_problems(wanted.needs, wanted.capacity, Host(facts.memory, facts.cpus)):
            yield f"{path}: {message}"


def become_problem(facts: HostFacts, method: str, detail: str) -> str:
    """Why becoming root did not work, and what to do."""
    user = facts.user or "the user of this connection"
    if not facts.become:
        return (
            f"User {user} cannot become root: {method} is not installed. Log in as root once and install it "
            f"(apt-get install {method}), or name another way in ansible_become_method."
        )
    if "password" in detail.lower():
        return (
            f"User {user} cannot become root: {method} wants a password. Run with --ask-become-pass or set "
            f"ansible_become_password in the vault, or allow it without: '{user} ALL=(ALL) NOPASSWD: ALL' in "
            f"/etc/sudoers.d/{user}."
        )
    return (
        f"User {user} cannot become root: {method} said: {detail.strip() or 'nothing'}. Let root add the user to the "
        f"group sudo, or "
        f"put '{user} ALL=(ALL) NOPASSWD: ALL' into /etc/sudoers.d/{user}; then try: ssh <host> sudo -n id"
    )


def disk_problems(root: RootFacts, wanted: Wanted) -> list[str]:
    """Whether everything that is going to be written fits, added up for each file system."""
    needs: dict[str, list[tuple[str, int]]] = defaultdict(list)
    free: dict[str, int] = {}
    missing = sum(model.size for model in wanted.models if model.folder not in root.sets)
    for path, count, purpose in [
        *((path, count, f"{size(count)} kept free at {path}") for path, count in wanted.disk.items()),
        *([(wanted.models_root, missing, f"{size(missing)} of model files that are not there yet")] if missing else []),
    ]:
        disk = root.disks.get(path)
        if disk is not None and count:
            needs[disk.mount].append((purpose, count))
            free[disk.mount] = disk.free
    return [
        f"Its file system {mount} has {size(free[mount])} free, {size(sum(count for _purpose, count in items))} are "
        f"needed: "
        f"{' and '.join(purpose for purpose, _count in items)}. Make room (old images: docker image prune), enlarge "
        f"it, or "
        "give that path a file system of its own."
        for mount, items in needs.items()
        if free[mount] < sum(count for _purpose, count in items)
    ]


def _dotted(version: Sequence[int]) -> str:
    return ".".join(str(part) for part in version)
