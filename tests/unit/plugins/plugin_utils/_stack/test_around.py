# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations, hooks and backups as an operator writes them: what is read, and what is refused with its path."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from .stacks import build as model
from .stacks import violations

API = "stack.services.api"
HOOK: dict[str, Any] = {"name": "look", "when": "after", "phase": "healthy", "command": ["/usr/local/bin/look"]}
FIRST = "stack.release.hooks[0]"


def hooks(*changes: dict[str, Any]) -> dict[str, Any]:
    return {"stack.release": {"hooks": [{**HOOK, **change} for change in changes]}}


def test_what_is_left_out_has_its_default() -> None:
    found = model({f"{API}.migrate": {"command": ["upgrade", "head"]}, **hooks({})})
    assert found["services"]["api"]["migrate"] == {
        "command": ["upgrade", "head"],
        "timeout": 600,
        "irreversible": "",
        "environment": {},
    }
    assert found["services"]["worker"]["migrate"] is None
    assert found["release"]["hooks"] == [{**HOOK, "where": "host", "timeout": 60, "required": True}]
    assert found["release"]["backup"] == {"before": "migrate", "keep": 3, "timeout": 3600}


def test_components_bring_how_their_data_are_copied_without_a_secret_in_an_argument() -> None:
    components = model({})["components"]
    for name in ("postgres", "redis"):
        backup = components[name]["backup"]
        assert backup["command"]
        assert backup["verify"]
        assert any("{file}" in line for line in backup["restore"])
        assert "password=" not in " ".join(backup["command"]).lower().replace('pgpassword="$(cat', "")


@pytest.mark.parametrize("phase", [*RELEASE_STEPS, "release", "failure"])
def test_each_step_the_whole_and_a_failure_can_have_a_hook(phase: str) -> None:
    assert model(hooks({"phase": phase}))["release"]["hooks"][0]["phase"] == phase


def test_why_something_cannot_be_undone_is_a_text_and_false_means_that_it_can() -> None:
    for given, read in (("drops a column", "drops a column"), (False, "")):
        found = model({f"{API}.migrate": {"command": ["x"], "irreversible": given}})
        assert found["services"]["api"]["migrate"]["irreversible"] == read


CASES: list[tuple[dict[str, Any], str, str]] = [
    ({f"{API}.migrate": {}}, f"{API}.migrate.command", "is required"),
    ({f"{API}.migrate": {"command": "upgrade head"}}, f"{API}.migrate.command", "a list of words"),
    ({f"{API}.migrate": {"command": ["x"], "irreversible": True}}, f"{API}.migrate.irreversible", "in words why"),
    ({f"{API}.migrate": {"command": ["x"], "irreversible": " "}}, f"{API}.migrate.irreversible", "is empty"),
    ({f"{API}.migrate": {"command": ["x"], "timeout": 0}}, f"{API}.migrate.timeout", "1 to 86400"),
    (
        {f"{API}.migrate": {"command": ["x"], "environment": {"DB_PASSWORD": "x"}}},
        f"{API}.migrate.environment.DB_PASSWORD",
        "looks like a secret",
    ),
    ({f"{API}.migrate": {"command": ["x", "pg://u:p@h/d"]}}, f"{API}.migrate.command", "holds a password"),
    (hooks({"phase": "helthy"}), f"{FIRST}.phase", "healthy"),
    (hooks({"when": "during"}), f"{FIRST}.when", "before"),
    (hooks({"when": "before", "phase": "failure"}), f"{FIRST}.when", "expected after"),
    (hooks({"where": "edge"}), f"{FIRST}.where", "controller"),
    (hooks({"command": "look"}), f"{FIRST}.command", "a list of words"),
    (hooks({"command": ["look", "https://u:p@h/"]}), f"{FIRST}.command", "holds a password"),
    (hooks({"timeout": 4000}), f"{FIRST}.timeout", "1 to 3600"),
    (hooks({"name": "Look here"}), f"{FIRST}.name", "small letters"),
    (hooks({"shell": True}), f"{FIRST}.shell", "not a known key"),
    (hooks({}, {"phase": "up"}), "stack.release.hooks", "more than one"),
    ({"stack.release": {"backup": {"before": "sometimes"}}}, "stack.release.backup.before", "migrate"),
    ({"stack.release": {"backup": {"keep": 0}}}, "stack.release.backup.keep", "1 to 1000"),
]


@pytest.mark.parametrize(("changes", "path", "words"), CASES, ids=[case[1] + " " + case[2] for case in CASES])
def test_what_does_not_fit_is_refused_with_its_path(changes: dict[str, Any], path: str, words: str) -> None:
    found = [line for line in violations(changes) if line.startswith(f"{path}:")]
    assert any(words in line for line in found), violations(changes)
