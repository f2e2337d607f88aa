# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the report of all hosts, and what counts as well."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.info import empty_result
from ansible_collections.drydock.serving.plugins.plugin_utils._status import status_report, summary, table

AT = "2026-11-21T04:30:00+00:00"


def container(name: str, **changes: Any) -> dict[str, Any]:
    plain = {
        "name": f"ocr-blue-{name}-1",
        "service": name,
        "part": "blue",
        "state": "running",
        "health": "healthy",
        "restarts": 0,
        "exit_code": None,
        "oom_killed": False,
        "started": None,
        "recorded": True,
    }
    return {**plain, **changes}


def told(**changes: Any) -> dict[str, Any]:
    """What release_info says of a host that is well, with changes."""
    return {
        **empty_result(),
        "ok": True,
        "stack": "ocr",
        "release": "r002",
        "colours": ["blue"],
        "since": "2026-11-21T04:15:00Z",
        "previous": "r001",
        "models": [{"name": "ocr", "version": "4.0", "digest": "aa"}],
        "engine": "ok",
        "containers": [container("api"), container("worker")],
        "disks": [{"what": "stack", "path": "/", "total": 9, "free": 5 * 1024**3}],
        "certificate": {"path": "/c", "expires": "x", "days": 61},
        **changes,
    }


SICK = told(
    ok=False,
    problems=[{"kind": "container", "message": "The container ocr-blue-api-1 is exited.\nLook."}],
    containers=[container("api", state="exited", health=None, exit_code=137, oom_killed=True), container("worker")],
    failures=[{"id": "r003", "kind": "unhealthy", "step": "healthy", "message": "It crashed."}],
)
SILENT = {"unreachable": True, "changed": False, "msg": "No route to host"}


def report(**hosts: Any) -> dict[str, Any]:
    return status_report(list(hosts), list(hosts.values()), at=AT)


@pytest.mark.parametrize(
    ("gathered", "verdict"),
    [
        (told(), "ok"),
        (SICK, "problem"),
        (SILENT, "unreachable"),
        ({"failed": True, "msg": "Missing sudo password"}, "unknown"),
        ({}, "unknown"),
        (None, "unknown"),
        ({**told(), "failed": True, "failure": {"kind": "invalid_input"}, "msg": "name: no"}, "unknown"),
    ],
)
def test_every_host_has_a_verdict_and_only_what_is_known_to_be_well_is_well(gathered: Any, verdict: str) -> None:
    found = report(a=gathered)
    assert found["hosts"]["a"]["verdict"] == verdict
    assert found["ok"] is found["hosts"]["a"]["ok"] is (verdict == "ok")
    assert bool(found["hosts"]["a"]["problems"]) is (verdict != "ok")


def test_one_bad_host_spoils_all_and_none_is_not_well() -> None:
    assert report(a=told(), b=told())["ok"]
    assert not report(a=told(), b=SILENT)["ok"]
    assert not report()["ok"]
    assert "No host was asked" in summary(report(), "reports")


def test_what_a_silent_host_said_is_its_problem() -> None:
    found = report(a=SILENT, b={})["hosts"]
    assert found["a"]["problems"] == [{"kind": "unreachable", "message": "No route to host"}]
    assert found["a"]["status"] is None
    assert "see the output" in found["b"]["problems"][0]["message"]


def test_the_report_of_a_host_holds_everything_that_was_told() -> None:
    status = report(a=told())["hosts"]["a"]["status"]
    assert set(status) == set(empty_result()) - {"changed", "ok", "problems"}
    json.dumps(report(a=SICK, b=SILENT))


def test_a_host_that_is_well_is_one_line() -> None:
    lines = table(report(web1=told())).splitlines()
    assert len(lines) == 2
    assert lines[0].split() == [
        *("host", "verdict", "release", "colour", "since", "containers", "models", "free", "certificate")
    ]
    cells = ["web1", "ok", "r002", "blue", "2026-11-21T04:15:00Z", "2/2", "ocr:4.0", "5.0", "GiB", "61", "d"]
    assert lines[1].split() == cells


def test_what_is_wrong_is_told_below_the_table() -> None:
    text = table(report(web1=told(), web2=SICK, web3=SILENT))
    lines = text.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["web1", "ok"], ["web2", "problem"], ["web3", "unreachable"]]
    assert lines[2].split()[5] == "1/2"
    assert lines[4:10] == [
        "",
        "web2:",
        "  container: The container ocr-blue-api-1 is exited.",
        "    Look.",
        "  container ocr-blue-api-1: exited, exit code 137, out of memory",
        "  container ocr-blue-worker-1: running, healthy",
    ]
    assert "  last failure: r003 unhealthy at the step healthy: It crashed." in lines
    assert "  before: r001" in lines
    assert "  unreachable: No route to host" in lines
    assert "web1:" not in text


def test_what_a_host_says_does_not_steer_the_terminal() -> None:
    failure = {"id": "r003", "kind": "unhealthy", "step": "healthy", "message": "\x1b[2Jred\x1b]0;owned\x07\nand more"}
    shown = table(report(web1=told(problems=[{"kind": "x", "message": "a\x1b[1Ab"}], failures=[failure])))
    assert [letter for letter in shown if letter != "\n" and not letter.isprintable()] == []
    assert "[2Jred]0;owned\nand more" in shown


def test_columns_stand_below_each_other() -> None:
    lines = table(
        report(a=told(), a_long_name=told(release=None, colours=[], since=None, certificate=None))
    ).splitlines()
    place = lines[0].index("verdict")
    assert {line[place : place + 2] for line in lines[1:3]} == {"ok"}
    assert lines[2].split()[2:5] == ["none", "-", "-"]


def test_containers_of_an_engine_that_does_not_answer_are_not_counted() -> None:
    assert table(report(a=told(engine="missing"))).splitlines()[1].split()[5] == "?"


def test_who_is_at_work_and_what_restarted_is_told_where_something_is_wrong() -> None:
    lease = {"actor": "alice", "since": "04:29", "doing": "release r003", "live": True}
    kept = container("api", part="green", recorded=False, restarts=2)
    text = table(report(a={**SICK, "lease": lease, "containers": [kept]}))
    assert "  at work: alice since 04:29: release r003" in text
    assert "running, healthy, 2 restarts, not of this release" in text


def test_the_sentence_counts_verdicts_and_names_the_files() -> None:
    text = summary(report(a=told(), b=SICK, c=SILENT), "/r")
    assert text == "1 with problems, 1 unreachable, 1 ok. The whole status of each host: /r/status-<host>.json."
