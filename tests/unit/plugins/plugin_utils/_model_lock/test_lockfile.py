# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: stable bytes, never a half, never a template; what a new one changes and which of it is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock import lockfile
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.compare import (
    compare,
    moved,
    replaced,
    unsigned,
)
from hypothesis import given, settings
from hypothesis import strategies as st

PLACE = Path("/inventory/models.lock.yml")

_LOCKED = f"models_lock: {{ocr: {{version: '1', files: {{a: {{checksum: sha256:{'a' * 64}, size: 5, urls: URLS}}}}}}}}"


def file(digit: str, size: int = 10, url: str = "https://models.example.org/a.onnx") -> dict[str, Any]:
    return {"checksum": f"sha256:{digit * 64}", "size": size, "format": "onnx", "urls": [url]}


def entry(version: str = "1", source: str | None = None, **files: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"version": version, "license": "mit", "metrics": {}, "files": files}
    return {**found, "source": source, "requested": "hf://acme/ocr@main"} if source else found


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20).filter(
    lambda text: not lockfile.is_template(text)
)
numbers = st.integers(0, 2**63) | st.floats(allow_nan=False, allow_infinity=False)
files = st.builds(
    lambda digit, size, urls: {"checksum": f"sha256:{digit:064x}", "size": size, "format": "onnx", "urls": urls},
    st.integers(0, 2**256 - 1),
    st.integers(1, 2**50),
    st.lists(words, max_size=3),
)
entries = st.dictionaries(
    words,
    st.builds(
        lambda version, licence, metrics, files: {
            "version": version,
            "license": licence,
            "metrics": metrics,
            "files": files,
        },
        words,
        st.none() | words,
        st.dictionaries(words, numbers | st.lists(numbers, min_size=2, max_size=3), max_size=3),
        st.dictionaries(words, files, max_size=4),
    ),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(entries)
def test_what_is_written_reads_back_the_same_and_is_written_the_same_again(found: dict[str, Any]) -> None:
    content = lockfile.dump(found)
    read = lockfile.parse(content, PLACE)
    assert read == found
    assert lockfile.dump(read) == content
    assert lockfile.dump(dict(reversed(list(read.items())))) == content
    assert compare(found, read) == []


def test_ansible_reads_the_lock_as_one_variable_with_a_header_that_says_how() -> None:
    content = lockfile.dump({"ocr": entry(a=file("a"))}).decode()
    assert yaml.safe_load(content)["models_lock"]["ocr"]["version"] == "1"
    assert "ansible-playbook drydock.serving.lock" in content.split("models_lock:")[0]
    assert "version: '1'" in content


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "{% for %}", "a{#b", "#jinja2:a:'b'\n[[ c ]]"])
@pytest.mark.parametrize("place", ["license", "path", "metric", "url"])
def test_nothing_that_others_wrote_becomes_a_template(text: str, place: str) -> None:
    found = entry(a=file("a"))
    if place == "license":
        found["license"] = text
    elif place == "path":
        found["files"] = {text: file("a")}
    elif place == "metric":
        found["metrics"] = {text: 1}
    else:
        found["files"]["a"]["urls"] = [text]
    with pytest.raises(DrydockError, match="run as a template") as caught:
        lockfile.dump({"ocr": found})
    assert caught.value.kind == "refused"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("models_lock: [", "is not YAML (line "),
        ("a: 1", "something other than the variable 'models_lock'"),
        ("models_lock: {}\nmodels: {}", "something other"),
        ("- a", "something other"),
        ("models_lock: [a]", "no names and models"),
        ("models_lock: {ocr: 5}", "no version and files for ocr"),
        ("models_lock: {ocr: {version: '1', files: [a]}}", "no version and files"),
        ("models_lock: {ocr: {version: '1', files: {a: {size: 5}}}}", "no usable checksum, size and urls for ocr: a"),
        ("models_lock: {ocr: {version: '1', files: {a: {checksum: md5:5, size: 5}}}}", "no usable checksum"),
        *((_LOCKED.replace("URLS", urls), "no usable checksum") for urls in ("5", "null", "{a: b}", "[1]")),
        (_LOCKED.replace("size: 5", "size: true"), "no usable checksum"),
        (_LOCKED.replace("a:", "1:", 1), "no usable checksum"),
        *(
            (_LOCKED.replace("version:", f"{key}: x, version:"), "no version")
            for key in ("signature", "card", "metrics")
        ),
        ("models_lock: !!python/name:os.system ''", "is not YAML"),
        ("models_lock: !!bool perhaps", "is not YAML"),
        ("models_lock: !!timestamp perhaps", "is not YAML"),
        ("\x00", "is not YAML"),
    ],
)
def test_what_is_no_lock_is_not_overwritten(content: str, why: str) -> None:
    with pytest.raises(DrydockError) as caught:
        lockfile.parse(content.encode(), PLACE)
    assert caught.value.kind == "lock_unreadable"
    assert why in caught.value.message
    assert "version control" in caught.value.message


def test_an_empty_lock_locks_nothing() -> None:
    assert lockfile.parse(b"---\n", PLACE) == {}
    assert lockfile.parse(b"models_lock:\n", PLACE) == {}


def test_the_folder_is_made_and_nothing_else_is_left_in_it(tmp_path: Path) -> None:
    path = tmp_path / "group_vars" / "all" / "models.lock.yml"
    with lockfile.exclusive(path):
        lockfile.write(path, b"x")
    assert os.listdir(path.parent) == ["models.lock.yml"]  # noqa: PTH208 - hidden names as well
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_link_stays_one(tmp_path: Path) -> None:
    """Two inventories that share a lock go on sharing it."""
    real, link = tmp_path / "real.yml", tmp_path / "models.lock.yml"
    real.write_text("old")
    link.symlink_to("real.yml")
    lockfile.write(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_the_permissions_that_were_there_stay(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_bytes(b"")
    path.chmod(0o664)
    lockfile.write(path, b"x")
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_second_writer_waits_for_the_first_and_not_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    slept: list[float] = []
    with (
        lockfile.exclusive(path),
        pytest.raises(DrydockError, match="Another run") as caught,
        lockfile.exclusive(path, wait=1, clock=lambda: sum(slept), sleep=slept.append),
    ):
        pass
    assert caught.value.kind == "busy"
    assert 1 <= sum(slept) < 2
    done = threading.Event()

    def second() -> None:
        with lockfile.exclusive(path):
            done.set()

    with lockfile.exclusive(path):
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.is_set()
    thread.join(5)
    assert done.is_set()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DrydockError) as caught, lockfile.exclusive(tmp_path / "file" / "lock"):
        pass
    assert caught.value.kind == "cannot_write"


OLD, NEW = f"hf://acme/ocr@{'a' * 40}", f"hf://acme/ocr@{'b' * 40}"


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        (entry(a=file("a")), entry(a=file("b")), True),
        (entry(a=file("a")), entry("2", a=file("b")), False),
        (entry(a=file("a")), entry(a=file("a", 11)), True),
        (entry(a=file("a")), entry(b=file("b")), False),
        (entry(a=file("a", url=f"{OLD}/a")), entry(a=file("b", url=f"{OLD}/a")), True),
        (entry("1", a=file("a", url=f"{OLD}/a")), entry("2", a=file("b", url=f"{OLD}/a")), True),
        (entry(source=OLD, a=file("a", url=f"{OLD}/a")), entry(source=NEW, a=file("b", url=f"{NEW}/a")), True),
        (entry("1", OLD, a=file("a", url=f"{OLD}/a")), entry("2", NEW, a=file("b", url=f"{NEW}/a")), False),
        (
            entry(source=OLD, a=file("a", url=f"{OLD}/a")),
            {**entry(source=NEW, a=file("b", url=f"{NEW}/a")), "requested": "hf://acme/ocr@v5"},
            False,
        ),
        (entry(a=file("a", url=f"{OLD}/a")), entry(a=file("b")), True),
        (entry(a=file("a")), entry(a=file("b", url=f"{NEW}/a")), True),
        (entry(a=file("a", url="s3://bucket/a")), entry(a=file("b", url="s3://bucket/a")), True),
        (entry(a=file("a", url="oci://r/n@sha256:1")), entry(a=file("b", url="oci://r/n@sha256:2")), False),
    ],
)
def test_other_bytes_under_the_same_revision_are_refused(old: Any, new: Any, refused: bool) -> None:
    [change] = compare({"ocr": old}, {"ocr": new})
    found = replaced(change)
    assert bool(found) is refused
    for path, message in found:
        assert path == "models.ocr.files.a"
        for part in ("Expected sha256:a", "found sha256:", "Likely cause", "Next step", "models_lock_allow_changed"):
            assert part in message


def test_a_change_is_told_file_by_file_for_people_and_for_programs() -> None:
    old = entry("1", source=OLD, same=file("1"), gone=file("2"), det=file("3", 100), moved=file("4"))
    new = entry(
        "2", source=NEW, same=file("1"), det=file("5", 120), new=file("6"), moved=file("4", url="https://b.example.org")
    )
    new["license"] = "apache-2.0"
    [change] = compare({"ocr": old}, {"ocr": new})
    assert list(change.lines()) == [
        f"ocr: changed, version 1 -> 2, revision {OLD} -> {NEW}",
        "  license: mit -> apache-2.0",
        "  ~ det 100 bytes -> 120 bytes (+20), sha256:333333333333… -> sha256:555555555555…",
        "  - gone (10 bytes, sha256:222222222222…)",
        "  . moved: the same bytes, other addresses",
        "  + new (10 bytes, sha256:666666666666…)",
    ]
    result = change.as_result()
    assert result["action"] == "changed"
    assert result["version"] == {"old": "1", "new": "2"}
    assert {item["path"]: item["action"] for item in result["files"]} == {
        "det": "changed",
        "gone": "removed",
        "moved": "addresses",
        "new": "added",
    }


def test_thousands_of_files_do_not_drown_the_rest() -> None:
    many = {**entry(), "files": {f"f{number}": file("a") for number in range(1000)}}
    [change] = compare({}, {"ocr": many})
    lines = list(change.lines())
    assert len(lines) == 102
    assert "900 more files" in lines[-1]
    assert len(change.as_result()["files"]) == 1000


def test_models_come_and_go() -> None:
    changes = compare({"gone": entry(a=file("a"))}, {"new": entry(a=file("a"))})
    assert [(change.name, change.action) for change in changes] == [("gone", "removed"), ("new", "added")]
    assert next(line for change in changes for line in change.lines()) == "gone: removed (was 1)"


def test_a_signature_that_is_gone_is_worth_a_warning() -> None:
    signed = {**entry(a=file("a")), "signature": {"state": "verified"}}
    [change] = compare({"ocr": signed}, {"ocr": {**signed, "signature": {"state": "unsigned"}}})
    assert "is unsigned now" in (unsigned(change) or "")
    [change] = compare({"ocr": {**signed, "signature": {"state": "unchecked"}}}, {"ocr": signed})
    assert unsigned(change) is None


def test_a_tag_that_moved_is_worth_a_warning() -> None:
    [change] = compare({"ocr": entry(source=OLD, a=file("a"))}, {"ocr": entry(source=NEW, a=file("b"))})
    assert "another revision than when it was locked" in (moved(change) or "")
    [change] = compare({"ocr": entry("1", source=OLD)}, {"ocr": entry("2", source=NEW)})
    assert moved(change) is None
