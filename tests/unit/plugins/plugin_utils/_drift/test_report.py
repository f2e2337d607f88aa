# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict, the table, and the command line of the run behind them."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.command import command, environment
from ansible_collections.drydock.serving.plugins.plugin_utils._drift.report import compose, summary, table

CHANGE = {"task": "Write sshd", "role": "drydock.serving.hardening", "file": "/etc/ssh/x", "diff": "-a\n+b"}
PROBLEM = {"task": "Look", "kind": "unreachable", "message": "no route\nto host"}


def report(record: dict[str, Any] | None, code: int = 0) -> dict[str, Any]:
    return compose(record, code=code, at="2026-01-02T03:04:05+00:00", playbook="site.yml", output="the end")


def host(*changes: dict[str, Any], problems: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"changes": list(changes), "problems": list(problems)}


@pytest.mark.parametrize(
    ("hosts", "code", "verdict"),
    [
        ({"a": host(), "b": host()}, 0, "clean"),
        ({"a": host(), "b": host(CHANGE)}, 0, "drift"),
        ({"a": host(), "b": host(problems=(PROBLEM,))}, 4, "unknown"),
        ({"a": host(CHANGE), "b": host(problems=(PROBLEM,))}, 4, "drift"),
        ({"a": host(CHANGE, problems=(PROBLEM,))}, 2, "drift"),
        ({"a": host()}, 1, "unknown"),
        ({}, 0, "unknown"),
    ],
)
def test_only_a_run_that_saw_every_host_unchanged_is_clean(hosts: dict[str, Any], code: int, verdict: str) -> None:
    found = report({"hosts": hosts}, code)
    assert found["verdict"] == verdict
    assert found["ok"] is (verdict == "clean")


def test_a_run_that_left_no_notes_is_unknown_and_shows_its_end() -> None:
    found = report(None, 1)
    assert found["verdict"] == "unknown"
    assert "the end" in found["problems"][0]


def test_the_table_names_host_task_and_place() -> None:
    text = table(report({"hosts": {"a": host(CHANGE), "b": host(), "c": host(problems=(PROBLEM,))}}, 4))
    assert [line.split() for line in text.splitlines()] == [
        ["host", "verdict", "task", "where"],
        ["a", "drift", "hardening:", "Write", "sshd", "/etc/ssh/x"],
        ["b", "clean", "nothing", "would", "change"],
        ["c", "unknown", "Look", "no", "route"],
    ]


def test_a_note_is_a_line_of_a_host_that_stays_clean() -> None:
    found = report({"hosts": {"a": {**host(), "notes": ["The edge is closed for maintenance"]}}})
    assert found["verdict"] == "clean"
    assert "a     clean    The edge is closed for maintenance" in table(found).splitlines()


def test_the_summary_counts_and_says_where_to_look() -> None:
    text = summary(report({"hosts": {"a": host(CHANGE), "b": host()}}), "reports/x.json")
    assert text.startswith("Drift: 1 with drift, 0 unknown, 1 clean. The whole report: reports/x.json.")


def test_the_run_takes_over_inventory_limit_variables_and_credentials() -> None:
    words = command(
        "/c/site.yml",
        {
            "inventory": ("/i/prod",),
            "subset": "lab-1",
            "extra_vars": ("a=1", "@/f.yml"),
            "vault_password_files": ("/v",),
            "tags": ("all",),
            "forks": 20,
            "private_key_file": "/k",
            "become": True,
            "check": False,
        },
    )
    assert words[:6] == [sys.executable, "-m", "ansible", "playbook", "--check", "--diff"]
    assert words[-1] == "/c/site.yml"
    line = " ".join(words)
    for expected in (
        "--limit lab-1", "--inventory /i/prod", "--extra-vars a=1", "--extra-vars @/f.yml", "--vault-password-file /v",
        "--private-key /k", "--become",
    ):  # fmt: skip
        assert expected in line


@pytest.mark.parametrize("asked", ["ask_pass", "become_ask_pass", "ask_vault_pass"])
def test_a_typed_password_is_refused_with_the_option_to_use(asked: str) -> None:
    with pytest.raises(DrydockError, match="-password-file"):
        command("site.yml", {asked: True})


def test_the_callback_is_enabled_beside_those_of_the_operator() -> None:
    found = environment({"HOME": "/h", "ANSIBLE_FORCE_COLOR": "1"}, ["a.b.c"], "/r")
    assert found["ANSIBLE_CALLBACKS_ENABLED"] == "a.b.c,drydock.serving.drift"
    assert found["HOME"] == "/h"
    assert "ANSIBLE_FORCE_COLOR" not in found
