# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status as text: what is wrong stands first, and what is not known breaks nothing."""

from __future__ import annotations

from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._release.info import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.status_text import columns, status_text


def told(**changes: Any) -> dict[str, Any]:
    return {**empty_result(), "msg": "ocr: nothing released; 1 problem.", **changes}


def container(**changes: Any) -> dict[str, Any]:
    return {
        "name": "ocr-blue-api-1",
        "service": "api",
        "part": "blue",
        "state": "running",
        "health": "healthy",
        "restarts": 2,
        "exit_code": None,
        "oom_killed": False,
        "started": "2026-11-21T04:15:01.123456789Z",
        "recorded": True,
        **changes,
    }


def test_problems_stand_below_the_first_line_each_with_all_it_says() -> None:
    text = status_text(told(problems=[{"kind": "container", "message": "It is down.\nLook there."}]))
    assert text.splitlines()[:4] == [
        "ocr: nothing released; 1 problem.",
        "  container: It is down.",
        "    Look there.",
        "",
    ]


def test_a_bare_host_has_a_text() -> None:
    assert status_text(told()).splitlines() == ["ocr: nothing released; 1 problem.", "", "engine  missing"]


def test_containers_are_told_with_their_colour_and_those_of_no_release_as_such() -> None:
    gone = container(name="ocr-green-api-1", part="green", state="exited", exit_code=137, health=None, recorded=False)
    lines = status_text(told(containers=[container(), gone])).splitlines()
    assert "ocr-blue-api-1   api      blue    running, healthy" in " ".join(lines)
    assert any("exited, exit code 137, not of this release" in line and " green " in line for line in lines)
    assert any(line.endswith("2026-11-21T04:15:01Z") for line in lines)


def test_a_container_that_was_never_started_has_no_time() -> None:
    lines = status_text(told(containers=[container(state="absent", started=None, restarts=None)])).splitlines()
    assert lines[-1].split()[-2:] == ["-", "-"]


def test_who_is_at_work_stands_before_what_serves() -> None:
    lease = {"actor": "ann@ctl", "since": "04:00", "doing": "release r2", "live": True}
    lines = status_text(told(lease=lease, release="r1", colours=["blue"], since="03:00")).splitlines()
    assert lines[2].split(maxsplit=2) == ["at", "work", "ann@ctl since 04:00: release r2"]
    assert lines[3].split(maxsplit=1) == ["release", "r1 (blue) since 03:00"]


def test_a_dead_run_s_note_is_no_one_at_work() -> None:
    lease = {"actor": "ann@ctl", "since": "04:00", "doing": "release r2", "live": False}
    assert "at work" not in status_text(told(lease=lease))


def test_attempts_are_told_as_far_as_they_are_known() -> None:
    lines = status_text(told(attempts=[{"at": "04:00", "outcome": "restarted"}, {"outcome": None}])).splitlines()
    assert lines[-3].split() == ["at", "outcome", "release", "actor", "reason"]
    assert lines[-2].split() == ["04:00", "restarted", "-", "-", "-"]


def test_columns_stand_under_one_another() -> None:
    assert columns([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]
    assert columns([]) == []


def test_what_is_kept_warm_and_where_a_rollback_leads_to_is_told() -> None:
    kept = container(name="ocr-green-api-1", part="green", recorded=False, warm=True)
    warm = {"release": "r001", "until": None, "containers": ["ocr-green-api-1"]}
    text = status_text(
        told(release="r003", rolled_back_to="r001", back_to="r000", warm=warm, containers=[container(), kept])
    )
    assert "went back to  r001" in text
    assert "rollback      to r000" in text
    assert "warm          r001, until the next release: ocr-green-api-1" in text
    assert "running, healthy, kept warm" in text


def test_where_there_is_nothing_to_go_back_to_it_says_so() -> None:
    assert "there is none to go back to" in status_text(told(release="r001"))


def test_the_newest_copy_of_each_component_s_data_is_told() -> None:
    copy = {"component": "postgres", "made": "2026-11-21T04:15:00Z", "size": 3 * 1024**2, "path": "/opt/ocr/backups/x"}
    assert "backup of postgres  2026-11-21T04:15:00Z, 3.0 MiB, /opt/ocr/backups/x\n" in status_text(
        told(backups=[copy])
    )
