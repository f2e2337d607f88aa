# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions are asked of a real shell: this machine's."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.drydock.serving.plugins.plugin_utils._host_check import probe


def shell(command: str) -> str:
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout


def test_a_machine_answers_the_first_question() -> None:
    facts = probe.parse_unprivileged("Welcome!\n" + shell(probe.unprivileged_probe("python3", "sh")))
    assert facts.uid == os.getuid()
    assert facts.machine == os.uname().machine
    assert facts.now
    assert facts.memory
    assert facts.cpus
    assert facts.become.endswith("/sh")
    assert facts.pretty


def test_a_program_that_is_not_there_leaves_its_answer_empty() -> None:
    facts = probe.parse_unprivileged(shell(probe.unprivileged_probe("/no/python", "no-sudo")))
    assert facts.python == ""
    assert facts.become == ""


def test_free_space_is_told_for_paths_that_do_not_exist_yet(tmp_path: Path) -> None:
    here, later = str(tmp_path), f"{tmp_path}/it's/not yet"
    root = probe.parse_privileged(shell(probe.privileged_probe([here, later], [])))
    assert root.uid == os.getuid()
    assert root.disks[here].mount == root.disks[later].mount
    assert root.disks[here].free > 0


def test_a_model_set_is_there_when_its_manifest_is(tmp_path: Path) -> None:
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "manifest.json").touch()
    (tmp_path / "part").mkdir()
    root = probe.parse_privileged(shell(probe.privileged_probe([], [f"{tmp_path}/done", f"{tmp_path}/part"])))
    assert root.sets == {f"{tmp_path}/done"}


def test_an_answer_that_is_no_answer_says_nothing() -> None:
    facts = probe.parse_unprivileged("This account is currently not available.\n")
    assert (facts.uid, facts.now, facts.memory, facts.distribution) == (None, None, None, "")
    assert probe.parse_privileged("garbage").uid is None
