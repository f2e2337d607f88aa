# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told about a host that cannot be deployed to."""

from __future__ import annotations

import dataclasses
from datetime import date
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._host_check import judge
from ansible_collections.drydock.serving.plugins.plugin_utils._host_check.probe import Disk, HostFacts, RootFacts

GIB = 1024**3
NOW = 1_800_000_000.0
FIT = HostFacts(
    uid=1000,
    user="ops",
    now=int(NOW),
    machine="x86_64",
    distribution="debian",
    version="13",
    pretty="Debian GNU/Linux 13 (trixie)",
    init="systemd",
    python="3.13",
    memory=8 * GIB,
    cpus=4.0,
    become="/usr/bin/sudo",
)
WANTED = judge.Wanted(
    distributions={"debian": ["12", "13"], "ubuntu": ["22.04", "24.04"]},
    architectures=["amd64", "arm64"],
    python="3.9",
    clock_skew=120,
    disk={"/var/lib/docker": GIB},
    models_root="/var/lib/drydock/models",
    models=[judge.Model("/var/lib/drydock/models/sets/ocr/4.0", 2 * GIB)],
    needs={"memory": 2 * GIB, "cpus": 3.5, "largest_cpus": 1.0},
    capacity={"memory_reserve": GIB // 4, "cpu_overcommit": 2.0},
)


def told(**changes: Any) -> list[str]:
    return judge.host_problems(dataclasses.replace(FIT, **changes), WANTED, now=NOW)


def test_a_fit_host_has_no_problem() -> None:
    assert told() == []


@pytest.mark.parametrize(("distribution", "version"), [("debian", "12"), ("ubuntu", "22.04"), ("ubuntu", "24.04")])
def test_every_supported_distribution_passes(distribution: str, version: str) -> None:
    assert told(distribution=distribution, version=version) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"distribution": "fedora", "version": "42", "pretty": "Fedora Linux 42"},
            "Fedora Linux 42, which is not supp",
        ),
        ({"version": "11", "pretty": "Debian GNU/Linux 11"}, "Supported: debian 12, 13; ubuntu 22.04, 24.04"),
        ({"distribution": "", "version": "", "pretty": ""}, "a system without /etc/os-release"),
        ({"machine": "riscv64"}, "architecture is riscv64; supported: amd64, arm64"),
        ({"machine": "i686"}, "architecture is i386"),
        ({"init": "sh"}, "first process is sh, not systemd"),
        ({"python": ""}, "apt-get install python3"),
        ({"python": "3.8"}, "Python is 3.8; 3.9 or newer"),
        ({"now": int(NOW) + 500}, "500 s ahead of"),
        ({"now": int(NOW) - 500}, "500 s behind"),
        ({"memory": GIB}, "stack.services.*.resources.memory"),
        ({"cpus": 1.0}, "stack.services.*.resources.cpus"),
    ],
)
def test_a_problem_says_what_was_found_and_what_is_wanted(changes: dict[str, Any], said: str) -> None:
    (problem,) = told(**changes)
    assert said in problem


def test_all_problems_of_a_host_are_told_together() -> None:
    assert len(told(version="11", machine="i686", init="sh", python="", memory=GIB)) == 5


def test_a_clock_within_the_allowed_skew_passes() -> None:
    assert told(now=int(NOW) + 119) == []


def test_without_a_stack_memory_is_not_judged() -> None:
    wanted = dataclasses.replace(WANTED, needs={}, capacity={})
    assert judge.host_problems(dataclasses.replace(FIT, memory=1), wanted, now=NOW) == []


def disks(free: int, *sets: str, mount: str = "/") -> RootFacts:
    found = {"/var/lib/docker": Disk("/", free), "/var/lib/drydock/models": Disk(mount, free)}
    return RootFacts(uid=0, disks=found, sets=frozenset(sets))


def test_needs_on_one_file_system_are_added_up() -> None:
    assert judge.disk_problems(disks(3 * GIB), WANTED) == []
    (problem,) = judge.disk_problems(disks(3 * GIB - 1), WANTED)
    assert "3 GiB are needed" in problem
    assert "2 GiB of model files that are not there yet" in problem


def test_needs_on_two_file_systems_are_judged_apart() -> None:
    assert judge.disk_problems(disks(2 * GIB, mount="/srv"), WANTED) == []


def test_models_that_are_on_the_host_need_no_room() -> None:
    assert judge.disk_problems(disks(GIB, "/var/lib/drydock/models/sets/ocr/4.0"), WANTED) == []


@pytest.mark.parametrize(
    ("become", "detail", "said"),
    [
        ("", "sh: sudo: not found", "sudo is not installed"),
        ("/usr/bin/sudo", "Missing sudo password", "--ask-become-pass"),
        ("/usr/bin/sudo", "ops is not in the sudoers file.", "ops is not in the sudoers file"),
    ],
)
def test_a_user_that_cannot_become_root_is_told_what_to_do(become: str, detail: str, said: str) -> None:
    assert said in judge.become_problem(dataclasses.replace(FIT, become=become), "sudo", detail)


@pytest.mark.parametrize(
    ("ansible", "python", "count"),
    [("2.18.0", (3, 11, 0), 0), ("2.20.0rc1", (3, 13), 0), ("2.17.5", (3, 11), 1), ("2.17.5", (3, 10), 2)],
)
def test_an_old_controller_is_a_problem(ansible: str, python: tuple[int, ...], count: int) -> None:
    assert len(judge.controller_problems(ansible, python)) == count


@pytest.mark.parametrize(("day", "count"), [(31, 0), (1, 1)])
def test_an_exemption_holds_to_the_end_of_its_last_day(day: int, count: int) -> None:
    exemption = {"checksum": "sha256:aa", "reason": "old engine", "until": "2026-01-31"}
    files = [{"path": "det.onnx", "checksum": "sha256:aa"}, {"path": "rec.onnx", "checksum": "sha256:bb"}]
    unused = {**exemption, "checksum": "sha256:cc"}
    found = judge.exemption_problems(
        [{"name": "ocr", "files": files, "exempt": [exemption, unused]}, {"name": "other", "files": files}],
        today=date(2026, 1 if day == 31 else 2, day),
    )
    assert len(found) == count
    if found:
        assert found[0].startswith("models.ocr: 'det.onnx' was exempted from the format policy until 2026-01-31 (old")
