# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What moved on a deployed host is found in the night, named, and put back by the next run."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOST, Playbook, Run

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DROP_IN = "/etc/ssh/sshd_config.d/10-drydock.conf"
MODEL = "/var/lib/drydock/models/sets/ocr/4.0/cls.onnx"
CONTAINER = "-worker-1"  # of either colour


def look(playbook: Playbook, reports: Path, *arguments: str) -> tuple[Run, dict[str, Any]]:
    """One drift run and its report."""
    run = playbook("playbooks/drift.yml", "--extra-vars", f"drydock_reports={reports}", *arguments)
    (report,) = reports.glob("drift-*.json")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    found: dict[str, Any] = json.loads(report.read_text())
    return run, found


@pytest.fixture(scope="module")
def drifted(deployed: Run, host: Any) -> None:
    """A host on which somebody edited, deleted, damaged and stopped something."""
    host.check_output(f"echo 'PermitRootLogin yes' >> {DROP_IN}")
    host.check_output("nft flush table inet drydock")
    host.check_output(f"printf X | dd of={MODEL} bs=1 seek=1000 conv=notrunc status=none")
    host.check_output("docker stop $(docker ps --quiet --filter label=drydock.unit=worker)")


@pytest.fixture(scope="module")
def report(drifted: None, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    return look(playbook, tmp_path_factory.mktemp("reports"))


def test_drift_ends_with_2_and_a_table(report: tuple[Run, dict[str, Any]]) -> None:
    run, found = report
    assert run.code == 2, run.output[-8000:]
    assert found["verdict"] == found["hosts"][HOST]["verdict"] == "drift"
    assert re.search(rf"^{HOST}\s+drift\s", run.output, re.MULTILINE)


@pytest.mark.parametrize("what", [DROP_IN, "table inet drydock", "cls.onnx", CONTAINER])
def test_what_moved_is_named(report: tuple[Run, dict[str, Any]], what: str) -> None:
    changes = report[1]["hosts"][HOST]["changes"]
    named = [change for change in changes if what in f"{change['file']} {change['diff']}"]
    assert named, changes


def test_an_edit_is_shown_as_a_diff(report: tuple[Run, dict[str, Any]]) -> None:
    (edit,) = [change for change in report[1]["hosts"][HOST]["changes"] if change["file"] == DROP_IN]
    assert "-PermitRootLogin yes" in edit["diff"]


def test_looking_changes_nothing(report: tuple[Run, dict[str, Any]], host: Any) -> None:
    assert "PermitRootLogin yes" in host.check_output(f"cat {DROP_IN}")
    assert "accept comment" not in host.check_output("nft list table inet drydock")
    stopped = "$(docker ps --all --quiet --filter label=drydock.unit=worker)"
    assert host.check_output(f"docker inspect --format '{{{{.State.Running}}}}' {stopped}") == "false"


def test_the_report_holds_no_secret(report: tuple[Run, dict[str, Any]], host: Any) -> None:
    values = host.check_output("find /etc/ocr/secrets -type f -exec cat {} +").split()
    text = json.dumps(report[1]) + report[0].output
    assert [value for value in values if len(value) > 8 and value in text] == []


def test_a_host_that_cannot_be_reached_is_unknown_and_never_clean(
    deployed: Run, playbook: Playbook, tmp_path: Path
) -> None:
    run, found = look(playbook, tmp_path, "--extra-vars", "ansible_port=9")
    assert run.code == 2
    assert found["verdict"] == "unknown"
    assert found["hosts"][HOST]["problems"][0]["kind"] == "unreachable"


def test_after_the_next_deploy_everything_is_clean_again(
    report: tuple[Run, dict[str, Any]], playbook: Playbook, tmp_path: Path
) -> None:
    mended = playbook("site.yml")
    assert mended.code == 0, mended.output[-8000:]
    run, found = look(playbook, tmp_path)
    assert run.code == 0, run.output[-8000:]
    assert found["verdict"] == "clean"
    assert found["hosts"][HOST]["changes"] == []
