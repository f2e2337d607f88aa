# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How progress reads."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sync.words import (
    Snapshot,
    board,
    brief,
    describe,
    parse,
)
from hypothesis import given
from hypothesis import strategies as st

HALF = Snapshot(
    phase="fetch",
    bytes_done=1_050_000_000,
    bytes_total=2_100_000_000,
    files_done=0,
    files_total=1,
    rate=105e6,
    eta=10,
    source="https://models.example.org",
)

LINES: dict[str, tuple[dict[str, Any], str]] = {
    "a download": ({}, "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from https://models.example.org"),
    "one of three files": (
        {"files_done": 1, "files_total": 3},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, 1 of 3 files, from https://models.example.org",
    ),
    "a rate of zero": ({"rate": 0, "eta": None, "source": ""}, "50 % of 2.1 GB, no bytes lately, time left unknown"),
    "an unknown time": ({"eta": None, "source": ""}, "50 % of 2.1 GB, 105.0 MB/s, time left unknown"),
    "nobody knows yet how much": ({"bytes_total": 0, "bytes_done": 0}, "starts"),
    "a seed": ({"source": "lab-1"}, "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from lab-1"),
    "almost": ({"bytes_done": 2_099_999_999, "eta": 0, "source": ""}, "99 % of 2.1 GB, 105.0 MB/s, 0 s left"),
    "placing": (
        {"phase": "place", "bytes_done": 2_100_000_000},
        "100 % of 2.1 GB, putting the files in place",
    ),
    "waiting for somebody": (
        {"phase": "wait", "waiting_for": "process 12 of root"},
        "waits for process 12 of root",
    ),
    "waiting for nobody in particular": ({"phase": "wait"}, "waits for another sync"),
    "waiting for a host that is not as far": (
        {"rate": 0, "eta": None, "waiting_for": "lab-1 and 2 more", "files_done": 1, "files_total": 3},
        "50 % of 2.1 GB, waits for lab-1 and 2 more to have the rest, 1 of 3 files",
    ),
    "one file waits, another moves": (
        {"waiting_for": "lab-1"},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from https://models.example.org",
    ),
    "a whole address": (
        {"source": "https://models.example.org:8443/ocr/4.0/det.onnx"},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from https://models.example.org:8443",
    ),
    "a file that came by way of the controller": (
        {"source": "file:///root/.ansible/tmp/ansible-tmp-1-2-3/drydock-carried-0a"},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from the controller",
    ),
    "a bundle": (
        {"source": "file:///srv/site.bundle"},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from file:///srv/site.bundle",
    ),
    "starting": ({"phase": "start"}, "starts"),
    "a very long source": (
        {"source": "https://" + "x" * 200},
        "50 % of 2.1 GB, 105.0 MB/s, 10 s left, from https://" + "x" * 21 + "…" + "x" * 30,
    ),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_says_it_in_words(case: str) -> None:
    changed, expected = LINES[case]
    assert describe(replace(HALF, **changed)) == expected


def test_a_status_file_is_read() -> None:
    written = {
        "schema": 1,
        "pid": 12,
        "started": 1.0,
        "updated": 2.5,
        "phase": "fetch",
        "waiting_for": None,
        "bytes_done": 5,
        "bytes_total": 10,
        "files_done": 0,
        "files_total": 1,
        "rate": 3,
        "eta": 2,
        "source": "https://a.example.org",
        "file": "m.onnx",
    }
    assert parse(json.dumps(written)) == Snapshot(
        phase="fetch",
        bytes_done=5,
        bytes_total=10,
        files_total=1,
        rate=3.0,
        eta=2.0,
        source="https://a.example.org",
        pid=12,
        updated=2.5,
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "12", "null", '{"phase": 3}', "cat: no such file"])
def test_what_is_no_status_file_is_none(text: str) -> None:
    assert parse(text) is None


def test_what_a_host_says_cannot_steer_the_terminal() -> None:
    found = parse(json.dumps({"phase": "wait", "waiting_for": "\x1b]0;owned\x07\x1b[2Jroot\r\nchanged: [x]"}))
    assert found is not None
    assert describe(found) == "waits for ]0;owned[2Jrootchanged: [x]"


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
KEYS = ["bytes_done", "bytes_total", "files_done", "files_total", "rate", "eta", "source", "waiting_for", "updated"]


@given(st.sampled_from(["fetch", "wait", "place"]), st.dictionaries(st.sampled_from(KEYS), json_values))
def test_whatever_a_status_file_holds_it_makes_one_printable_line(phase: str, rest: dict[str, Any]) -> None:
    found = parse(json.dumps({**rest, "phase": phase}))
    assert found is not None
    line = describe(found)
    assert line.isprintable()
    assert 0 <= found.percent <= 100
    assert len(board({"a": found, "b": found}, width=40)) <= 40


def test_one_host_alone_is_described_in_full() -> None:
    assert board({"lab-1": HALF}, width=200) == f"lab-1: {describe(HALF)}"


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (60, "lab-1: 50 % of 2.1 GB, 105.0 MB/s, 10 s left"),
        (40, "lab-1: 50 % of 2.1 GB, 105.0 MB/s"),
        (10, "lab-….1 GB"),
    ],
)
def test_a_narrow_terminal_loses_what_matters_least(width: int, expected: str) -> None:
    assert board({"lab-1": HALF}, width=width) == expected


def test_several_hosts_are_summed_up_and_shown_as_far_as_there_is_room() -> None:
    hosts = {"lab-1": HALF, "lab-2": replace(HALF, bytes_done=0, rate=0), "lab-3": Snapshot(phase="wait")}
    whole = "3 hosts: 25 % of 4.2 GB, 105.0 MB/s, 1 waiting | lab-1 50 % 105.0 MB/s | lab-2 0 % 0 bytes/s | lab-3 waits"
    assert board(hosts, width=200) == whole
    assert board(hosts, width=80) == "3 hosts: 25 % of 4.2 GB, 105.0 MB/s, 1 waiting | lab-1 50 % 105.0 MB/s"


def test_hosts_for_whom_there_is_no_room_come_in_turn() -> None:
    hosts = {f"lab-{number}": HALF for number in range(4)}
    shown = [board(hosts, width=70, turn=turn).rpartition("| ")[2] for turn in range(5)]
    assert shown == [f"lab-{number} {brief(HALF)}" for number in (0, 1, 2, 3, 0)]


def test_no_hosts_make_an_empty_line() -> None:
    assert board({}, width=80) == ""
