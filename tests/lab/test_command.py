# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command named after the stack, on a deployed host with its own Python: what it tells, shows and restarts."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def state_of(host: Any, service: str) -> dict[str, Any]:
    labels = f"--filter label=drydock.stack=ocr --filter label=com.docker.compose.service={service}"
    name = host.check_output(f"docker ps {labels} --format '{{{{.Names}}}}'")
    found: dict[str, Any] = json.loads(host.check_output(f"docker inspect {name}"))[0]
    return {"id": found["Id"], "started": found["State"]["StartedAt"]}


def test_the_status_is_well_and_that_of_the_record(host: Any) -> None:
    assert host.run("ocr status").rc == 0
    told = json.loads(host.check_output("ocr status --json"))
    assert (told["ok"], told["problems"]) == (True, [])
    assert told["release"] == json.loads(host.check_output("cat /opt/ocr/current/release.json"))["id"]


def test_the_logs_are_of_every_container_in_the_order_of_time(host: Any) -> None:
    lines = [line.split(" | ", 1) for line in host.check_output("ocr logs --tail 3").splitlines()]
    running = host.check_output("docker ps --filter label=drydock.stack=ocr --format '{{.Names}}'").split()
    assert {name.strip() for name, _line in lines} == set(running)
    times = [line.split()[0] for _name, line in lines]
    assert times == sorted(times)


def test_a_restart_keeps_the_container_and_leaves_the_others_alone(host: Any) -> None:
    before = {name: state_of(host, name) for name in ("api", "worker")}
    done = host.run("ocr restart worker --reason 'a test'")
    assert (done.rc, done.stderr) == (0, "")
    after = {name: state_of(host, name) for name in ("api", "worker")}
    assert after["api"] == before["api"]
    assert after["worker"]["id"] == before["worker"]["id"]
    assert after["worker"]["started"] > before["worker"]["started"]
    last = json.loads(host.check_output("tail -n 1 /opt/ocr/state/deployments.jsonl"))
    assert (last["outcome"], last["services"], last["reason"]) == ("restarted", ["worker"], "a test")
    assert host.run("ocr status").rc == 0


def test_who_is_not_root_is_told_so_and_nothing_restarts(host: Any) -> None:
    before = state_of(host, "worker")
    done = host.run("runuser -u nobody -- ocr restart worker")
    assert (done.rc, "Run it as root: `sudo ocr restart …`" in done.stderr) == (1, True)
    assert state_of(host, "worker") == before
