# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A big file in ranges: what each answer leads to, one request after the other."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download import part as parts
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import SourceError
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils._download.scripted import (
    CONTENT,
    OTHER,
    RESET,
    SHA256,
    SIZE,
    Behaviour,
    Fetch,
    Servers,
    honest,
    lies,
    longer,
    names_total,
    says,
    shifted,
    wanted,
    whole,
)

RANGES: list[tuple[int, int | None]] = [(start, min(SIZE, start + 700)) for start in range(0, SIZE, 700)]
WHOLE = (0, None)


def test_each_byte_is_asked_for_once_and_all_ranges_under_the_first_validator(tmp_path: Path) -> None:
    run = Fetch(tmp_path, Servers(a=[honest()]))
    assert run.get("a") == CONTENT
    asked = run.servers.asked
    assert [(start, stop) for _host, start, stop, _etag in asked] == RANGES
    assert [etag for _host, _start, _stop, etag in asked] == [None, *['"v1"'] * (len(RANGES) - 1)]
    assert run.downloader.received == SIZE
    assert run.downloader.sources == [{"source": "https://a.example", "bytes": SIZE, "failures": 0}]


# What the server does, in the order of requests, and what is asked for. The last behaviour stays.
SURVIVED: dict[str, tuple[list[Behaviour], list[tuple[int, int | None]]]] = {
    "it knows no ranges": ([whole()], [RANGES[0]]),
    "it refuses ranges": ([says(416, b""), honest()], [RANGES[0], WHOLE]),
    "it has no validator": ([honest(etag=None)], RANGES),
    "its validator is weak": ([honest(etag='W/"v1"')], RANGES),
    "it does not tell the size": ([names_total("*")], RANGES),
    "the whole comes instead of the second range": ([honest(), whole()], RANGES[:2]),
    "the second range comes from elsewhere": ([honest(), shifted(-7), honest()], [*RANGES[:2], WHOLE]),
    "the second range is of a file of another size": ([honest(), names_total("77"), honest()], [*RANGES[:2], WHOLE]),
    "the second range is refused": ([honest(), says(416, b""), honest()], [*RANGES[:2], WHOLE]),
    "the second range names no place": ([honest(), says(206, CONTENT), honest()], [*RANGES[:2], WHOLE]),
    "another validator comes with the second range": (
        [honest(), lambda start, stop, _etag: honest(etag='"v2"')(start, stop, '"v2"'), honest()],
        [*RANGES[:2], WHOLE],
    ),
    "the second range goes on too long": ([honest(), longer(), honest()], [*RANGES[:2], WHOLE]),
    "the second range is longer than asked": (
        [honest(), lambda start, _stop, etag: honest()(start, SIZE, etag), honest()],
        [*RANGES[:2], WHOLE],
    ),
    "the second range has another length than it says": (
        [honest(), says(206, CONTENT[700:1400], Content_Range=f"bytes 700-1399/{SIZE}", Content_Length="9"), honest()],
        [*RANGES[:2], WHOLE],
    ),
    "the second range is shorter than asked": (
        [honest(), lambda start, stop, etag: honest()(start, (stop or SIZE) - 100, etag), honest()],
        [*RANGES[:2], (1300, 2000), (2000, 2700), (2700, 3400), (3400, 4100), (4100, 4800), (4800, SIZE)],
    ),
    "the second range has the bytes of another place": (
        [honest(), lies(5), *[honest()] * 6, honest()],
        [*RANGES, WHOLE],
    ),
    "the second range breaks off": (
        [honest(), honest(until=300, then=RESET), honest()],
        [*RANGES[:2], (1000, 1700), (1700, 2400), (2400, 3100), (3100, 3800), (3800, 4500), (4500, SIZE)],
    ),
    "the second range ends early": (
        [honest(), honest(until=300), honest()],
        [*RANGES[:2], (1000, 1700), (1700, 2400), (2400, 3100), (3100, 3800), (3800, 4500), (4500, SIZE)],
    ),
    "the stream breaks off and then ranges work": (
        [says(200, CONTENT[:2000], RESET, Content_Length=str(SIZE)), honest()],
        [RANGES[0], (2000, None)],
    ),
}


@pytest.mark.parametrize("case", SURVIVED)
def test_a_fault_that_can_be_survived_ends_in_the_right_bytes(tmp_path: Path, case: str) -> None:
    behaviours, asked = SURVIVED[case]
    run = Fetch(tmp_path, Servers(a=behaviours))
    assert run.get("a") == CONTENT
    assert [(start, stop) for _host, start, stop, _etag in run.servers.asked] == asked


# What ends in a named failure, and how often it was asked.
ENDED: dict[str, tuple[list[Behaviour], str, int]] = {
    "every range has the bytes of another place": ([lies(5)], "checksum_mismatch", len(RANGES) + 1),
    "ranges never work": ([honest(), says(416, b"")], "bad_response", 3),
    "a page": ([says(200, b"<html>", Content_Length="6", Content_Type="text/html")], "size_mismatch", 1),
    "another size in the first answer": ([names_total("77")], "size_mismatch", 1),
    "gzip": ([honest(), says(206, b"x", Content_Encoding="gzip")], "bad_response", 2),
    "another file from the second range on": ([honest(), honest(OTHER, etag='"v2"')], "checksum_mismatch", 2),
    "a range nobody asked for": ([says(416, b""), says(206, CONTENT)], "bad_response", 2),
    "other bytes, told apart from mixed ones by a second try": ([honest(OTHER)], "checksum_mismatch", len(RANGES) + 1),
    "other bytes in one stream": ([whole(OTHER)], "checksum_mismatch", 1),
}


@pytest.mark.parametrize("case", ENDED)
def test_a_fault_that_cannot_be_survived_is_named_and_wrong_bytes_do_not_stay(tmp_path: Path, case: str) -> None:
    behaviours, kind, asked = ENDED[case]
    run = Fetch(tmp_path, Servers(a=behaviours))
    with pytest.raises(DrydockError) as caught:
        run.get("a")
    assert (caught.value.kind, len(run.servers.asked)) == (kind, asked)
    assert caught.value.details["expected"] == f"sha256:{SHA256}"
    assert run.part(SHA256).size() == (700 if case == "gzip" else 0)


@pytest.mark.parametrize("case", ENDED)
def test_the_next_source_is_asked_instead(tmp_path: Path, case: str) -> None:
    run = Fetch(tmp_path, Servers(a=ENDED[case][0], b=[honest()]))
    assert run.get("a", "b") == CONTENT


def test_the_next_source_goes_on_where_the_first_broke_off(tmp_path: Path) -> None:
    down = SourceError("unreachable", "https://a.example/m: Connection refused", retryable=True)
    run = Fetch(tmp_path, Servers(a=[honest(), honest(until=300, then=RESET), down], b=[honest()]), retries=1)
    assert run.get("a", "b") == CONTENT
    assert run.servers.asked[-6][:3] == ("b", 1000, 1700)
    assert run.downloader.received == SIZE


def test_bytes_of_two_sources_that_do_not_fit_are_fetched_again_from_the_second_alone(tmp_path: Path) -> None:
    down = SourceError("unreachable", "https://a.example/m: Connection refused", retryable=True)
    run = Fetch(tmp_path, Servers(a=[honest(OTHER), down], b=[honest()]), retries=0)
    assert run.get("a", "b") == CONTENT
    assert run.servers.asked[-1] == ("b", 0, None, None)


def test_a_server_that_failed_for_one_file_comes_last_for_the_next_and_gets_one_try(tmp_path: Path) -> None:
    down = SourceError("unreachable", "https://a.example: Connection refused", retryable=True)
    run = Fetch(tmp_path, Servers(a=[down], b=[honest(b"one"), honest(b"two"), down]), retries=2)
    run.all(wanted("1", "a", "b", content=b"one"), wanted("2", "a", "b", content=b"two"))
    assert run.servers.hosts() == ["a", "a", "a", "b", "b"]
    with pytest.raises(DrydockError):
        run.all(wanted("3", "a", "b", content=b"three"))
    assert run.servers.hosts()[5:] == ["b", "b", "b", "a"]


def test_the_order_of_sources_can_be_asked_for_just_before(tmp_path: Path) -> None:
    run = Fetch(tmp_path, Servers(a=[honest()], b=[honest()]))
    item = wanted("m", "a", "b")
    run.downloader.fetch_all([item], part_of=run.part, finish=run.finish, locate=lambda it: it.sources[::-1])
    assert set(run.servers.hosts()) == {"b"}


def test_a_file_nobody_has_a_source_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(DrydockError, match="m could not be fetched: no source is known") as caught:
        Fetch(tmp_path, Servers()).get()
    assert caught.value.kind == "not_found"


def test_a_bandwidth_is_kept(tmp_path: Path) -> None:
    run = Fetch(tmp_path, Servers(a=[honest()]), limits=DownloadLimits(connections=1, bandwidth=1000))
    run.get("a")
    assert sum(run.time.pauses) == pytest.approx(SIZE / 1000, abs=0.3)


def test_the_time_for_everything_is_bounded_and_what_came_stays(tmp_path: Path) -> None:
    limits = DownloadLimits(connections=1, bandwidth=1000, total_timeout=2, range_size=700, step=100)
    run = Fetch(tmp_path, Servers(a=[honest()]), limits=limits)
    with pytest.raises(DrydockError, match=r"within total_timeout \(2 s\)") as caught:
        run.get("a")
    assert caught.value.kind == "stalled"
    again = Fetch(tmp_path, Servers(a=[honest()]))
    assert again.get("a") == CONTENT
    assert run.downloader.received + again.downloader.received == SIZE


def test_the_wall_clock_may_jump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter([0.0, 4e9, -1.0, 1e12] * 1000)
    monkeypatch.setattr("time.time", lambda: next(jumps))
    limits = DownloadLimits(connections=1, range_size=700, step=100, total_timeout=1000, bandwidth=10_000)
    run = Fetch(tmp_path, Servers(a=[honest(until=300, then=RESET)] * 9 + [honest()]), limits=limits, retries=9)
    monkeypatch.setattr(run.time, "now", lambda: next(jumps))
    assert run.get("a") == CONTENT
    assert sum(run.time.pauses) < 1000


def test_that_the_bytes_of_an_earlier_run_are_read_back_is_told_with_no_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "FLUSH", 100)
    run = Fetch(tmp_path, Servers(a=[honest()]))
    earlier = parts.Part(run.part(SHA256), wanted("m", "a"), step=100)
    earlier.write(0, CONTENT[:700])
    earlier.record(0, 700)
    earlier.close()
    told: list[tuple[str, int, str]] = []
    progress = SimpleNamespace(
        begin=lambda *_: None, update=lambda *given: told.append(given), done=lambda _label: None
    )
    monkeypatch.setattr(run.downloader, "_progress", progress)
    assert run.get("a") == CONTENT
    assert told[:2] == [("m", 700, ""), ("m", 0, "")]
