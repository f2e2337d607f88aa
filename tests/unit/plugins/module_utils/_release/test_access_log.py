# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The edge's log is read once, line by line, however it is written, cut, rotated and spoiled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.access_log import (
    HEAD,
    AccessLog,
    Entry,
    Mark,
    mark_from,
    parse_line,
    rotated,
    tail,
)
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=30)
STEPS = st.lists(st.one_of(st.integers(0, 60), st.sampled_from(["read", "rename", "reopen"])), max_size=40)


class Nginx:
    """Writes a log in pieces of any size, and goes on in the file that it has open until it is told."""

    def __init__(self, path: Path, text: bytes) -> None:
        self.path = path
        self.text = text
        self.done = 0
        self.stream = path.open("ab", buffering=0)

    def write(self, size: int) -> None:
        self.stream.write(self.text[self.done : self.done + size])
        self.done = min(len(self.text), self.done + size)

    def rest_of_line(self) -> None:
        end = self.text.find(b"\n", self.done) + 1
        if self.done and self.text[self.done - 1 : self.done] != b"\n":
            self.write(end - self.done)

    def rename(self) -> None:
        """What logrotate does."""
        self.path.rename(rotated(self.path))
        self.path.touch()

    def reopen(self) -> None:
        self.rest_of_line()
        self.stream.close()
        self.stream = self.path.open("ab", buffering=0)


@settings(max_examples=100, deadline=None)
@given(lines=LINES, steps=STEPS, chunk=st.integers(42, 200))
def test_each_line_is_read_once_whatever_the_pieces_and_whenever_it_is_rotated(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], steps: list[Any], chunk: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "access.log"
    nginx = Nginx(path, b"".join(line + b"\n" for line in lines))
    reader = AccessLog(path, chunk=chunk)
    found: list[bytes] = []
    for step in steps:
        if step == "read":
            found += reader.lines()
        elif step == "rename":
            nginx.reopen()  # a second rotation comes a day after the first
            found += reader.lines()
            nginx.rename()
        elif step == "reopen":
            nginx.reopen()
        else:
            nginx.write(step)
    nginx.write(len(nginx.text))
    found += reader.lines()
    nginx.stream.close()
    assert found == lines


def entry(**changes: Any) -> bytes:
    told = {"ts": 100.5, "status": 200, "upstream": "127.0.0.1:18001", "upstream_seconds": "0.012", "id": "x" * 32}
    return json.dumps({**told, **changes}).encode()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (entry(), Entry(100.5, 200, "127.0.0.1:18001", 0.012)),
        (entry(upstream="", upstream_seconds=""), Entry(100.5, 200, "", None)),
        (
            entry(upstream="127.0.0.1:1, 127.0.0.1:2", upstream_seconds="5.0, 0.1"),
            Entry(100.5, 200, "127.0.0.1:2", 0.1),
        ),
        (entry(upstream="127.0.0.1:1 : 127.0.0.1:2", upstream_seconds="1 : -"), Entry(100.5, 200, "127.0.0.1:2", None)),
        (entry(upstream="drydock_api", upstream_seconds="0.000"), Entry(100.5, 200, "drydock_api", 0.0)),
        (b"", None),
        (b"half a li", None),
        (b"[]", None),
        (b'"text"', None),
        (b"[" * 100000, None),
        (b"\xff\xfe", None),
        (entry(status="many"), None),
        (b'127.0.0.1 - - [21/Nov/2026:04:15:00 +0000] "GET / HTTP/1.1" 200 2', None),
    ],
)
def test_a_line_is_a_request_or_nothing(line: bytes, expected: Entry | None) -> None:
    assert parse_line(line) == expected


def test_what_was_there_before_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    rotated(path).write_bytes(b"older\n")
    path.write_bytes(b"old\nbegun")
    reader = AccessLog.at_end(path)
    with path.open("ab") as stream:
        stream.write(b" before\nnew\n")
    assert list(reader.lines()) == [b"begun before", b"new"]


def test_a_reader_that_died_is_followed_by_one_that_begins_where_it_began(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"old\n")
    marks = AccessLog.at_end(path).marks
    with path.open("ab") as stream:
        stream.write(b"one\n")
    path.rename(rotated(path))
    path.write_bytes(b"two\n")
    kept = [mark_from(json.loads(json.dumps(mark.as_dict()))) for mark in marks]
    assert list(AccessLog(path, kept).lines()) == [b"one", b"two"]


def test_a_log_that_is_not_there_yet_is_read_when_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    reader = AccessLog.at_end(path)
    assert list(reader.lines()) == []
    path.write_bytes(b"one\n")
    assert list(reader.lines()) == [b"one"]


def test_a_later_file_of_the_same_inode_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"a longer text than the mark has seen\n")
    stale = Mark(inode=path.stat().st_ino, offset=10, head="of another file")
    assert list(AccessLog(path, [stale]).lines()) == [b"a longer text than the mark has seen"]


def test_a_file_that_was_cut_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"x" * 2 * HEAD + b"\n")
    reader = AccessLog.at_end(path)
    path.write_bytes(b"one\n")
    assert list(reader.lines()) == [b"one"]


def test_a_line_without_an_end_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    reader = AccessLog(path, chunk=64)
    path.write_bytes(b"x" * 1000 + b"\n" + entry()[:30] + b"\n")
    found = list(reader.lines())
    assert max(map(len, found)) < 64
    assert found[-1] == entry()[:30]


def test_the_tail_has_the_newest_requests_of_both_files_in_order(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    rotated(path).write_bytes(b"".join(entry(ts=second) + b"\n" for second in range(50)))
    path.write_bytes(b"".join(entry(ts=second) + b"\n" for second in range(50, 60)) + b"half")
    seen = [item.at for item in tail(path, limit=20 * len(entry(ts=10)))]
    assert seen == list(map(float, range(60 - len(seen), 60)))
    assert 15 < len(seen) < 25
    assert list(tail(tmp_path / "none")) == []
