# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is noted of one task's result."""

from __future__ import annotations

from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._drift.record import (
    MAX_DIFF,
    NOT_SHOWN,
    changes,
    merge,
    problem,
)


def noted(result: dict[str, Any], *, with_diff: bool = True, **arguments: Any) -> list[dict[str, Any]]:
    return changes({"changed": True, **result}, arguments, task="Write", role="a.b.edge", with_diff=with_diff)


def test_each_file_of_a_diff_is_an_entry() -> None:
    diff = [
        {"before": "a\n", "after": "b\n", "before_header": "/etc/x", "after_header": "/etc/x"},
        {"before": "", "after": "n\n", "before_header": "/etc/y (absent)", "after_header": "/etc/y"},
        {"before": "same", "after": "same", "before_header": "/etc/z", "after_header": "/etc/z"},
    ]
    first, second = noted({"diff": diff})
    assert (first["file"], second["file"]) == ("/etc/x", "/etc/y")
    assert "-a\n+b" in first["diff"]
    assert first["role"] == "a.b.edge"


def test_a_result_without_a_diff_is_placed_by_what_the_task_works_on() -> None:
    assert noted({}, name=["nginx", "curl"])[0]["file"] == "nginx, curl"
    assert noted({"dest": "/etc/motd"}, path="/x")[0]["file"] == "/etc/motd"


def test_structures_are_compared_as_text() -> None:
    (entry,) = noted({"diff": {"before": {"state": "stopped"}, "after": {"state": "started"}}})
    assert '-  "state": "stopped"' in entry["diff"]


def test_nothing_of_a_result_without_log_is_kept() -> None:
    (entry,) = noted({"censored": "hidden", "diff": {"before": "", "after": "c4n4ry"}})
    assert entry == {"task": "Write", "role": "a.b.edge", "file": None, "diff": NOT_SHOWN}


def test_no_diff_is_kept_of_a_task_that_wants_none() -> None:
    (entry,) = noted({"dest": "/k", "diff": {"before": "", "after": "c4n4ry"}}, with_diff=False)
    assert entry["file"] == "/k"
    assert entry["diff"] == NOT_SHOWN


def test_secrets_are_hidden_in_diffs() -> None:
    (entry,) = noted({"diff": {"before": "", "after": "db_password: c4n4ry\n"}})
    assert "c4n4ry" not in entry["diff"]


def test_only_changed_items_of_a_loop_are_noted() -> None:
    results = [{"changed": False, "path": "/a"}, {"changed": True, "path": "/b"}]
    assert [entry["file"] for entry in noted({"results": results})] == ["/b"]


def test_a_huge_diff_is_cut() -> None:
    (entry,) = noted({"diff": {"prepared": "x" * (MAX_DIFF + 100)}})
    assert entry["diff"].endswith("100 characters more")


def test_a_problem_keeps_its_message_without_secrets() -> None:
    assert problem({"msg": "token: c4n4ry"}, task="T", kind="failed")["message"] == "token: [hidden]"
    assert problem({"censored": "x", "msg": "c4n4ry"}, task="T", kind="failed")["message"] == NOT_SHOWN


def test_the_same_entry_is_kept_once() -> None:
    assert merge([{"a": 1}, {"a": 2}, {"a": 1}]) == [{"a": 1}, {"a": 2}]
