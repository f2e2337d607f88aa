# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release tells Ansible: it lies in a file on the host until somebody fetches it, and is shown with ``-vvv``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.modules import release

from tests.unit.plugins.module_utils._release.world import World

CANARY, WRITTEN_OUT, PASSWORD = "canary-Vq8wT2mZ", "canary-written-out", "canary-of-the-registry"
NOTE = {"schema": 1, "settled": True, "maintenance": {"since": "2026-11-21T04:15:00Z", "by": "ann@host"}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def spoil(world: World) -> None:
    """A newer version of the collection was here."""
    world.desired(world.stack).layout.make()
    journal = {"schema": 99, "release": "r9", "step": "up", "previous": None, "hash": "x"}
    Layout(root=world.root, secrets=world.secrets).journal.write_text(json.dumps(journal))


def told(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> dict[str, Any]:
    """The result in check mode, on a host without an engine."""
    monkeypatch.setenv("PATH", "/nonexistent")
    files = [{"dest": dest, "content": content.decode()} for dest, content in world.desired(world.stack).files.items()]
    files.append({"dest": "services/config/api/settings", "content": f"password = {WRITTEN_OUT}"})
    given = {
        "stack": world.stack,
        "files": files,
        "secrets": {"db_password": CANARY},
        "registries": {"registry.example.org": {"username": "ann", "password": PASSWORD}},
        "_ansible_check_mode": True,
        **arguments,
    }
    with patch_module_args(given), pytest.raises(SystemExit):
        release.main()
    return dict(json.loads(capsys.readouterr().out))


def test_a_diff_that_was_asked_for_is_told(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WRITTEN_OUT in json.dumps(told(world, capsys, monkeypatch, _ansible_diff=True)["diff"])


@pytest.mark.parametrize("fails", [False, True])
def test_neither_a_secret_nor_what_is_in_a_file_is_among_the_arguments_that_are_told(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    if fails:
        spoil(world)
    result = told(world, capsys, monkeypatch)
    assert bool(result.get("failed")) is fails
    assert [word for word in (CANARY, WRITTEN_OUT, PASSWORD) if word in json.dumps(result)] == []
    assert [item["dest"] for item in result["invocation"]["module_args"]["files"]][-1] == "services/config/api/settings"


@pytest.mark.parametrize(("stamp", "good"), [("20261121T041500Z", True), ("", True), ("../../etc", False)])
def test_the_time_in_a_name_is_one(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stamp: str, good: bool
) -> None:
    result = told(world, capsys, monkeypatch, stamp=stamp)
    assert (result.get("failure") or {}).get("kind") == (None if good else "invalid_input")


@pytest.mark.parametrize("fails", [False, True])
def test_a_warning_is_one_and_does_not_speak_of_ansible_itself(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    if fails:
        spoil(world)
    note = Layout(root=world.root, secrets=world.secrets).gate_note
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(NOTE))
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: said.append(text))
    result = told(world, capsys, monkeypatch)
    assert bool(result.get("failed")) is fails
    assert ["closed for maintenance since 2026-11-21T04:15:00Z by ann@host" in text for text in said] == [True]
    assert {"deprecations", "warnings"}.isdisjoint(result)
