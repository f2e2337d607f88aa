# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the record of a release names is there when somebody goes back to that release."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from .conftest import Store


@pytest.fixture
def releases(store: Store, tmp_path: Path) -> Path:
    store.keep = 1
    store.releases = tmp_path / "releases"
    return store.releases


def record(releases: Path, identity: str, **models: str) -> Path:
    path = releases / identity / "release.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {name: {"version": version, "digest": "x"} for name, version in models.items()}
    path.write_text(json.dumps({"schema": 1, "id": identity, "models": named}))
    return path


def versions(store: Store, *wanted: str) -> dict[str, Any]:
    for version in wanted:
        result = store.sync(store.model("ocr", version, m=version.encode()))
    return result


def test_without_releases_only_what_is_asked_for_stays(store: Store, releases: Path) -> None:
    assert versions(store, "1", "2")["collected"] == ["sets/ocr/1"]
    releases.mkdir()
    (releases / "lost+found").write_text("not a directory")
    (releases / "20261120T000000Z.staging").mkdir()
    assert versions(store, "3")["collected"] == ["sets/ocr/2"]


def test_a_version_that_a_release_names_stays_and_the_result_says_why(store: Store, releases: Path) -> None:
    versions(store, "1")
    path = record(releases, "20261120T000000Z", ocr="1", asr="2")
    result = versions(store, "2")
    assert result["collected"] == []
    assert result["kept"] == [{"name": "ocr", "version": "1", "reason": "named by the release 20261120T000000Z"}]
    assert versions(store, "3")["collected"] == ["sets/ocr/2"]
    assert store.versions("ocr") == ["1", "3"]
    path.unlink()
    assert versions(store, "3")["collected"] == ["sets/ocr/1"]


def test_a_release_that_is_recorded_while_a_new_version_arrives_counts(store: Store, releases: Path) -> None:
    versions(store, "1")

    def step(name: str) -> None:
        if name == "fetch":
            record(releases, "late", ocr="1")

    result = store.sync(store.model("ocr", "2", m=b"2"), step=step)
    assert (result["collected"], [kept["version"] for kept in result["kept"]]) == ([], ["1"])


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"models": 5}', '{"models": {"ocr": {}}}', '{"models": {"a": 1}}']
)
def test_while_a_record_cannot_be_read_no_version_goes(store: Store, releases: Path, content: str) -> None:
    versions(store, "1")
    record(releases, "good")
    path = record(releases, "bad")
    path.write_text(content)
    result = versions(store, "2")
    assert store.versions("ocr") == ["1", "2"]
    assert result["kept"][0]["reason"] == "a record of a release cannot be read"
    assert str(path) in result["notices"][0]


def test_neither_a_pipe_nor_a_link_in_the_place_of_a_record_holds_anybody_up(store: Store, releases: Path) -> None:
    versions(store, "1")
    path = record(releases, "odd")
    path.unlink()
    os.mkfifo(path)
    assert versions(store, "2")["collected"] == []
    path.unlink()
    path.symlink_to("/dev/zero")
    assert versions(store, "2")["collected"] == []


def test_other_files_under_a_version_that_a_release_names_are_told_of(store: Store, releases: Path) -> None:
    versions(store, "1")
    record(releases, "20261120T000000Z", ocr="1")
    assert versions(store, "1")["notices"] == []
    (notice,) = store.sync(store.model("ocr", "1", m=b"other"))["notices"]
    assert "named by the release 20261120T000000Z" in notice
    assert store.sync(store.model("ocr", "1", m=b"other"))["notices"] == []
