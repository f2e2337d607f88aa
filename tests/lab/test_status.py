# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a deployed host: when all is well, and when a container was stopped behind its back."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import HOST, Playbook, Run

pytestmark = [pytest.mark.lab, pytest.mark.slow]

LOG = "/opt/ocr/state/deployments.jsonl"


def look(playbook: Playbook, reports: Path, *arguments: str) -> tuple[Run, dict[str, Any]]:
    """One run and the host's report."""
    run = playbook("playbooks/status.yml", "--extra-vars", f"drydock_reports={reports}", *arguments)
    path = reports / f"status-{HOST}.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found: dict[str, Any] = json.loads(path.read_text())
    return run, found


@pytest.fixture(scope="module", autouse=True)
def _no_failed_attempt(host: Any) -> None:
    """Attempts that other tests made fail are told as a problem until the next release, and rightly so."""
    host.check_output(f'sed -i \'/"outcome": *"failed"/d\' {LOG}')


@pytest.fixture(scope="module")
def well(deployed: Run, playbook: Playbook, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    return look(playbook, tmp_path_factory.mktemp("reports"))


@pytest.fixture
def stopped(deployed: Run, host: Any) -> Iterator[str]:
    labels = "--filter label=drydock.stack=ocr --filter label=com.docker.compose.service=worker"
    name = str(host.check_output(f"docker ps {labels} --format '{{{{.Names}}}}'"))
    host.check_output(f"docker stop {name}")
    yield name
    host.check_output(f"docker start {name}")


def test_a_deployed_host_is_well_and_one_line(well: tuple[Run, dict[str, Any]]) -> None:
    run, found = well
    assert run.code == 0, run.output[-8000:]
    assert (found["ok"], found["problems"]) == (True, [])
    assert re.search(rf"^{HOST}\s+ok\s+{found['status']['release']}\s", run.output, re.MULTILINE)
    assert run.recap()["changed"] == 0


def test_what_is_told_is_what_the_host_has(well: tuple[Run, dict[str, Any]], host: Any) -> None:
    status = well[1]["status"]
    record = json.loads(host.check_output("cat /opt/ocr/current/release.json"))
    assert (status["release"], status["actor"]) == (record["id"], record["actor"])
    assert {item["name"]: item["id"] for item in status["images"]} == {
        name: item["id"] for name, item in record["images"].items()
    }
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", item["digest"]) for item in status["images"])
    running = host.check_output("docker ps --filter label=drydock.stack=ocr --format '{{.Names}}'").split()
    told = status["containers"]
    assert sorted(item["name"] for item in told) == sorted(running)
    assert {(item["state"], item["health"], item["recorded"]) for item in told} == {("running", "healthy", True)}
    assert [disk["what"] for disk in status["disks"]] == ["stack", "images"]
    end = host.check_output("openssl x509 -noout -enddate -in " + status["certificate"]["path"])
    assert f"{status['certificate']['expires'][:4]} GMT" in end
    assert status["certificate"]["days"] > 0


def test_the_host_s_log_has_the_release_and_no_secret(well: tuple[Run, dict[str, Any]], host: Any) -> None:
    lines = [json.loads(line) for line in host.check_output(f"cat {LOG}").splitlines()]
    released = [line for line in lines if line["outcome"] == "released"]
    assert released[-1]["release"] == well[1]["status"]["release"]
    assert released[0]["services"] == ["api", "postgres", "redis", "worker"]
    assert well[1]["status"]["attempts"][0] == lines[-1]
    assert host.check_output(f"stat -c %a {LOG}") == "640"
    values = host.check_output("find /etc/ocr/secrets -type f -exec cat {} +").split()
    text = json.dumps(lines) + json.dumps(well[1]) + well[0].output
    assert [value for value in values if len(value) > 8 and value in text] == []


def test_a_stopped_container_is_named_and_the_run_ends_with_2(stopped: str, playbook: Playbook, tmp_path: Path) -> None:
    run, found = look(playbook, tmp_path)
    assert run.code == 2
    assert [item["kind"] for item in found["problems"]] == ["container"]
    assert f"The container {stopped} is exited" in run.output
    assert run.recap()["changed"] == 0


def test_a_host_that_does_not_answer_is_a_line(deployed: Run, playbook: Playbook, tmp_path: Path) -> None:
    run, found = look(playbook, tmp_path, "--extra-vars", "ansible_port=9")
    assert run.code == 2
    assert found["verdict"] == "unreachable"
    assert re.search(rf"^{HOST}\s+unreachable\s", run.output, re.MULTILINE)
