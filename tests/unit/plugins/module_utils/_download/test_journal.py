# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a side-car is believed, after kills, torn writes and new starts of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.journal import (
    Account,
    Journal,
    boot_id,
    read_account,
)
from ansible_collections.drydock.serving.plugins.module_utils._download.stretches import Stretches
from hypothesis import given
from hypothesis import strategies as st

SHA256 = "ab" * 32
SIZE = 1000
HEADER = f"drydock-part 2 {SHA256} {SIZE} monday\n"


def read(path: Path, boot: str = "monday") -> Account:
    return read_account(path, sha256=SHA256, size=SIZE, boot=boot)


def written(path: Path) -> Journal:
    journal = Journal(path, sha256=SHA256, size=SIZE, boot="monday")
    journal.begin(Account(validators={"key": '"v1"'}, there=Stretches([(0, 100)])))
    journal.written(200, 300)
    journal.synced(Stretches([(0, 100), (200, 300)]))
    journal.written(300, 400)
    journal.validator("key", '"v2"')
    journal.close()
    return journal


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written(tmp_path / "x.json")
    account = read(tmp_path / "x.json")
    assert account.validators == {"key": '"v2"'}
    assert list(account.there) == [(0, 100), (200, 400)]
    assert list(account.durable) == [(0, 100), (200, 300)]


@pytest.mark.parametrize("boot", ["tuesday", ""])
def test_after_a_new_start_of_the_machine_only_what_was_on_the_disk_counts(tmp_path: Path, boot: str) -> None:
    written(tmp_path / "x.json")
    assert list(read(tmp_path / "x.json", boot).there) == [(0, 100), (200, 300)]


def test_nothing_is_appended_before_it_was_begun_or_after_it_was_closed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "x.json", sha256=SHA256, size=SIZE, boot="monday")
    journal.written(0, 5)
    assert not (tmp_path / "x.json").exists()
    written(tmp_path / "x.json").written(400, 500)
    assert read(tmp_path / "x.json").there.total == 300


# A side-car, and the bytes it is believed to tell of.
BELIEVED = {
    "nothing": ("", 0),
    "only a header": (HEADER, 0),
    "a header without an end": (HEADER[:-1], 0),
    "another file": (HEADER.replace("ab", "cd") + "+ 0 5\n", 0),
    "another size": (HEADER.replace("1000", "1001") + "+ 0 5\n", 0),
    "another schema": (HEADER.replace("part 2", "part 3") + "+ 0 5\n", 0),
    "the first schema": ('{"etag": null, "source": "x"}\n', 0),
    "one line": (HEADER + "+ 0 5\n", 5),
    "a torn line": (HEADER + "+ 0 5\n+ 5 10", 5),
    "a lost page in the middle": (HEADER + "+ 0 5\n" + "\0" * 50 + "\n+ 5 10\n", 5),
    "an unknown mark": (HEADER + "+ 0 5\n? 5 10\n+ 10 20\n", 5),
    "an empty line": (HEADER + "+ 0 5\n\n+ 5 10\n", 5),
    "backwards": (HEADER + "+ 5 0\n", 0),
    "beyond the file": (HEADER + "+ 0 1001\n", 0),
    "before the file": (HEADER + "+ -5 5\n", 0),
    "a number beyond all numbers": (HEADER + f"+ 0 {'9' * 5000}\n", 0),
    "no number": (HEADER + "+ a b\n", 0),
    "a validator that is no text": (HEADER + "v key 5\n+ 0 5\n", 0),
    "a validator that is no JSON": (HEADER + 'v key "\n+ 0 5\n', 0),
    "bytes that are no text": (HEADER + "+ 0 5\n\udcff\n+ 5 9\n", 5),
}


@pytest.mark.parametrize("case", BELIEVED)
def test_a_line_is_believed_when_it_and_all_before_it_are_whole(tmp_path: Path, case: str) -> None:
    content, total = BELIEVED[case]
    (tmp_path / "x.json").write_bytes(content.encode(errors="surrogateescape"))
    assert read(tmp_path / "x.json").there.total == total


@given(st.integers(0, 400))
def test_wherever_it_is_cut_off_nothing_is_believed_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "x.json"
    written(path)
    whole = read(path)
    path.write_bytes(path.read_bytes()[:cut])
    account = read(path)
    for stretches, most in ((account.there, whole.there), (account.durable, whole.durable)):
        assert Stretches([*most, *stretches]).total == most.total


@pytest.mark.parametrize("kind", ["directory", "link", "pipe"])
def test_what_is_no_file_of_its_own_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.json"
    written(tmp_path / "other.json")
    if kind == "directory":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "other.json")
    else:
        os.mkfifo(path)
    assert read(path).there.total == 0


def test_a_link_in_its_place_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "x.json").symlink_to(tmp_path / "victim")
    (tmp_path / "x.json.new").symlink_to(tmp_path / "victim")
    written(tmp_path / "x.json")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert read(tmp_path / "x.json").there.total == 300


def test_this_start_of_the_machine_has_a_name() -> None:
    assert boot_id() == boot_id() != ""
