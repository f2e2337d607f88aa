# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several threads at once: who ends whom, what is counted once, and what is left behind."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, SourceError
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils._download.scripted import (
    CONTENT,
    OTHER,
    RESET,
    SHA256,
    SIZE,
    Fetch,
    Killed,
    Servers,
    honest,
    lies,
    says,
    wanted,
    whole,
)

FOUR = DownloadLimits(connections=4, range_size=700, step=100)
GONE = SourceError("not_found", "https://a.example/m answered 404: no such file there")


@pytest.fixture(autouse=True)
def _nobody_is_left_behind() -> Iterator[None]:
    """Whatever happened, no thread works on afterwards."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name.startswith("drydock-")]
    for thread in left:
        thread.join(5)
    assert not [thread.name for thread in left if thread.is_alive()]


def together(folder: Path, servers: Servers, **options: Any) -> Fetch:
    return Fetch(folder, servers, limits=FOUR, delay=0.001, **options)


def test_ranges_of_one_file_are_received_at_once_each_byte_one_time(tmp_path: Path) -> None:
    run = together(tmp_path, Servers(a=[honest()]))
    assert run.get("a") == CONTENT
    assert sorted(start for _host, start, _stop, _etag in run.servers.asked) == list(range(0, SIZE, 700))
    assert run.downloader.received == SIZE


def test_all_connections_are_used_where_the_first_few_turn_out_to_be_slow(tmp_path: Path) -> None:
    guard, all_are_here = threading.Lock(), threading.Event()
    open_now = [0]

    def slow(offset: int, stop: int | None, etag: str | None) -> Answer:
        with guard:
            open_now[0] += 1
            if open_now[0] == 6:
                all_are_here.set()
        assert all_are_here.wait(30), f"only {open_now[0]} connections were opened"
        return honest()(offset, stop, etag)

    limits = DownloadLimits(connections=6, range_size=700, step=100)
    # the first answer says whether there are ranges at all; until then nobody else asks
    run = Fetch(tmp_path, Servers(a=[honest(), slow]), limits=limits)
    assert run.get("a") == CONTENT


def test_many_files_arrive_and_each_is_finished_once(tmp_path: Path) -> None:
    contents = {f"file-{number}": bytes([number % 251]) * (1 + number * 9) for number in range(300)}

    class Library(Servers):
        def open(self, source: Any, **asked: Any) -> Answer:
            content = contents[source.parts.path[1:]]
            return honest(content)(asked["offset"], asked["until"], asked["etag"])

    run = together(tmp_path, Library())
    run.all(*[wanted(label, "a", content=content) for label, content in contents.items()])
    assert run.finished == contents
    assert list(tmp_path.iterdir()) == [] or {path.suffix for path in tmp_path.iterdir()} == {".part"}


def test_a_server_without_ranges_is_asked_once(tmp_path: Path) -> None:
    run = together(tmp_path, Servers(a=[whole()]))
    assert run.get("a") == CONTENT
    assert run.servers.asked == [("a", 0, 700, None)]


@pytest.mark.parametrize("connections", [1, 4])
def test_a_server_without_ranges_may_break_off_as_often_as_there_are_retries(tmp_path: Path, connections: int) -> None:
    breaks = says(200, CONTENT[:4000], RESET, Content_Length=str(SIZE), ETag='"v1"')
    limits = DownloadLimits(connections=connections, range_size=700, step=100)
    run = Fetch(tmp_path, Servers(a=[breaks] * 3 + [whole()]), limits=limits, delay=0.001, retries=3)
    assert run.get("a") == CONTENT
    run = Fetch(tmp_path, Servers(a=[breaks]), limits=limits, delay=0.001, retries=3)
    with pytest.raises(DrydockError, match=r"a\.example"):
        run.get("a")
    assert len(run.servers.asked) < 15


@pytest.mark.parametrize("odd", [says(416, b""), whole(), lies(3), says(206, CONTENT)])
def test_an_odd_answer_among_good_ones_ends_in_the_right_bytes(tmp_path: Path, odd: Any) -> None:
    for place in range(1, 7):
        run = together(tmp_path / str(place), Servers(a=[*[honest()] * place, odd, honest()]))
        assert run.get("a") == CONTENT


def test_wrong_bytes_over_several_connections_are_asked_for_once_more_in_one_and_then_blamed(tmp_path: Path) -> None:
    run = together(tmp_path, Servers(a=[honest(OTHER)], b=[honest()]))
    assert run.get("a", "b") == CONTENT
    assert run.servers.hosts().count("a") == 9
    assert ("a", 0, None, None) in run.servers.asked


def test_connections_that_break_together_are_one_failure(tmp_path: Path) -> None:
    broken = honest(until=10, then=RESET)
    run = together(tmp_path, Servers(a=[honest(), *[broken] * 4, honest()]), retries=4)
    assert run.get("a") == CONTENT
    assert run.downloader.received == SIZE


def test_the_first_failure_ends_everything_and_parts_stay(tmp_path: Path) -> None:
    waits, called_off = threading.Event(), threading.Event()

    def hangs(offset: int, stop: int | None, etag: str | None) -> Answer:
        answer = honest()(offset, stop, etag)
        pieces = [CONTENT[offset : offset + 300]]

        def read(_amount: int) -> bytes:
            if pieces:
                return pieces.pop()
            waits.set()
            called_off.wait(30)
            raise RESET

        return Answer(status=answer.status, headers=answer.headers, read=read, close=lambda: None, abort=called_off.set)

    def is_gone(_offset: int, _stop: int | None, _etag: str | None) -> Answer:
        waits.wait(30)
        raise GONE

    gone = wanted("gone", "b", content=OTHER)
    servers = Servers(a=[hangs], b=[is_gone])
    run = together(tmp_path, servers)
    with pytest.raises(DrydockError, match=r"gone could not be fetched.*404"):
        run.all(wanted("m", "a"), gone)
    assert called_off.is_set(), "who waited for bytes was called off"
    again = together(tmp_path, Servers(a=[honest()]))
    assert again.get("a") == CONTENT
    assert run.downloader.received + again.downloader.received <= SIZE + 200


def test_a_pause_the_server_asks_for_is_kept_by_all(tmp_path: Path) -> None:
    busy = SourceError("unreachable", "https://a.example answered 503", retryable=True, retry_after=0.2)
    contents = {str(number): bytes([number]) for number in range(40)}
    asked: list[float] = []

    class Busy(Servers):
        def open(self, source: Any, **options: Any) -> Answer:
            with self.guard:
                asked.append(time.monotonic())
                if len(asked) == 1:
                    raise busy
            return honest(contents[source.parts.path[1:]])(options["offset"], options["until"], options["etag"])

    together(tmp_path, Busy()).all(*[wanted(label, "a", content=data) for label, data in contents.items()])
    early = [moment for moment in asked[1:] if moment - asked[0] < 0.2]
    assert len(early) <= 3, "only those who had asked already"
    assert len(asked) == 41


@pytest.mark.parametrize("error", [KeyError("a bug"), OSError(errno.EIO, "Input/output error"), Killed()])
def test_what_goes_wrong_while_finishing_comes_out(tmp_path: Path, error: BaseException) -> None:
    run = together(tmp_path, Servers(a=[honest()]))

    def finish(_wanted: Wanted, _part: PartFiles) -> None:
        raise error

    with pytest.raises(type(error)):
        run.downloader.fetch_all([wanted("m", "a")], part_of=run.part, finish=finish)


def test_a_full_disk_ends_everything_and_gives_all_the_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [0]
    pwrite = os.pwrite

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        written[0] += len(data)
        if written[0] > SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", full)
    run = together(tmp_path, Servers(a=[honest()], b=[honest(OTHER)]))
    with pytest.raises(DrydockError, match="the disk became full") as caught:
        run.all(wanted("m", "a"), wanted("n", "b", content=OTHER))
    assert caught.value.kind == "no_space"
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_a_disk_that_is_full_only_when_synced_is_a_full_disk_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(DrydockError, match="the disk became full"):
        together(tmp_path, Servers(a=[honest()])).get("a")
    assert not (tmp_path / f"{SHA256}.part").exists()


def test_an_interrupt_ends_it_and_what_came_stays(tmp_path: Path) -> None:
    def interrupt(item: Wanted) -> Any:
        if item.label == "late":
            raise KeyboardInterrupt
        return item.sources

    run = together(tmp_path, Servers(a=[honest()]))
    items = [wanted("early", "a"), wanted("late", "a", content=OTHER)]
    with pytest.raises(KeyboardInterrupt):
        run.downloader.fetch_all(items, part_of=run.part, finish=run.finish, locate=interrupt)


def test_a_resumed_file_is_completed_by_several_connections(tmp_path: Path) -> None:
    first = Fetch(tmp_path, Servers(a=[honest(), honest(), honest(until=350, then=Killed())]))
    with pytest.raises(Killed):
        first.get("a")
    again = together(tmp_path, Servers(a=[honest()]))
    assert again.get("a") == CONTENT
    assert again.downloader.received == SIZE - 1660
    assert all(etag == '"v1"' for _host, _start, _stop, etag in again.servers.asked)


def test_rotten_bytes_of_an_earlier_run_are_not_the_sources_fault(tmp_path: Path) -> None:
    first = Fetch(tmp_path, Servers(a=[honest(), honest(), honest(until=350, then=Killed())]))
    with pytest.raises(Killed):
        first.get("a")
    with first.part(SHA256).data.open("r+b") as handle:
        handle.write(b"rot")
    again = together(tmp_path, Servers(a=[honest()]))
    assert again.get("a") == CONTENT
    assert again.servers.asked[-1] == ("a", 0, None, None)
