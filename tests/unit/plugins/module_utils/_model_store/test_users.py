# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several stacks on one host share one store, and none takes away what another one needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._model_store import users

from .conftest import Store
from .test_releases import record

DAY = 24 * 3600


class Stack:
    """One of them."""

    def __init__(self, store: Store, releases: Path) -> None:
        self.store = store
        self.releases = releases

    def sync(self, version: str, name: str = "ocr", **how: Any) -> dict[str, Any]:
        self.store.releases = self.releases
        return self.store.sync(self.store.model(name, version, m=version.encode()), **how)


@pytest.fixture
def stacks(store: Store, tmp_path: Path, mounted: set[Path]) -> tuple[Stack, Stack]:
    store.keep = 1
    return Stack(store, tmp_path / "a" / "releases"), Stack(store, tmp_path / "b" / "releases")


def test_what_another_stack_wants_stays_before_its_release_is_recorded(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    result = other.sync("2")
    assert result["collected"] == []
    why = f"wanted by the stack with its releases in {one.releases}"
    assert result["kept"] == [{"name": "ocr", "version": "1", "reason": why}]
    assert store.versions("ocr") == ["1", "2"]


def test_what_another_stack_could_go_back_to_stays(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    record(one.releases, "20261120T000000Z", ocr="1")
    one.sync("2")
    result = other.sync("3")
    assert store.versions("ocr") == ["1", "2", "3"]
    assert f"named by the release 20261120T000000Z in {one.releases}" in [kept["reason"] for kept in result["kept"]]


def test_what_no_stack_wants_any_more_goes(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    other.sync("2")
    one.sync("3")
    other.sync("3")
    assert store.versions("ocr") == ["3"]


def test_a_record_of_another_stack_that_cannot_be_read_keeps_everything(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    record(one.releases, "20261120T000000Z", ocr="0").write_text("{")
    one.sync("2")
    result = other.sync("3")
    assert store.versions("ocr") == ["1", "2", "3"]
    assert any("cannot be read" in notice for notice in result["notices"])


def test_two_stacks_that_pull_at_one_name_are_told_of_each_other(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    (notice,) = other.sync("2")["notices"]
    assert notice.startswith(f"ocr: the stack with its releases in {one.releases} wants 1 to be current")
    assert other.sync("2")["notices"] == []
    assert one.sync("4", name="asr")["notices"] == []


def test_a_stack_is_remembered_once_and_then_costs_nothing(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    before = store.snapshot()
    assert one.sync("1")["changed"] is False
    assert store.snapshot() == before
    assert other.sync("1", check=True)["changed"] is False
    assert store.snapshot() == before
    assert other.sync("1")["changed"] is False
    assert json.loads(store.layout.users.read_text())["users"].keys() == {str(one.releases), str(other.releases)}
    before = store.snapshot()
    assert other.sync("1")["changed"] is False
    assert store.snapshot() == before


def test_a_stack_that_is_gone_is_forgotten_after_a_month(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.sync("1")
    store.now += users.FORGOTTEN_AFTER - DAY
    other.sync("2")
    assert "1" in store.versions("ocr")
    store.now += 2 * DAY
    other.sync("3")
    other.sync("4")
    assert store.versions("ocr") == ["4"]


def test_a_stack_that_has_its_directory_is_not_forgotten(store: Store, stacks: Any) -> None:
    one, other = stacks
    one.releases.mkdir(parents=True)
    one.sync("1")
    store.now += 2 * users.FORGOTTEN_AFTER
    other.sync("2")
    other.sync("3")
    assert store.versions("ocr") == ["1", "3"]


@pytest.mark.parametrize("content", ["", "[]", '{"users": 1}', '{"users": {"/x": 1, "/y": {"models": 1, "since": 1}}}'])
def test_what_cannot_be_read_is_written_anew(store: Store, stacks: Any, content: str) -> None:
    one, _other = stacks
    one.sync("1")
    store.layout.users.write_text(content)
    assert one.sync("1")["changed"] is False
    assert users.is_known(store.layout, one.releases, {"ocr": "1"})


def test_a_full_disk_does_not_fail_a_run_that_only_remembers(
    store: Store, stacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = stacks
    one.sync("1")

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(users, "write_json", full)
    result = other.sync("1")
    assert result["changed"] is False
    assert "No space left on device" in result["notices"][0]
