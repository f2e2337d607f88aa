# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for whom, and who is still there when a call has ended: then the files may be somebody else's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download import run as module
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.part import Part, StoppedError
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils._download.scripted import (
    CONTENT,
    OTHER,
    RESET,
    SIZE,
    Fetch,
    Servers,
    body,
    honest,
    wanted,
)

FOUR = DownloadLimits(connections=4, range_size=700, step=100)
GONE = SourceError("not_found", "https://b.example/gone answered 404: no such file there")


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets those go that hang; they are not waited for meanwhile."""
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name.startswith("drydock-"):
            thread.join(5)
            assert not thread.is_alive(), thread.name


def let_go(released: threading.Event) -> None:
    released.set()
    for thread in threading.enumerate():
        if thread.name.startswith("drydock-fetch"):
            thread.join(5)


def part_of(folder: Path) -> Part:
    item = wanted("m")
    return Part(PartFiles(data=folder / "m.part", sidecar=folder / "m.json"), item, step=100)


def test_whoever_asks_whether_it_is_given_up_holds_up_nobody(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    free: list[bool] = []

    def given_up() -> bool:
        other = threading.Thread(target=part.wake)
        other.start()
        other.join(2)
        free.append(not other.is_alive())
        return len(free) > 3

    assert part.follow(given_up) is False
    assert all(free)
    part.close()


def test_a_closed_part_is_not_touched_any_more(tmp_path: Path) -> None:
    part = part_of(tmp_path)
    part.write(0, CONTENT[:200])
    part.record(0, 200)
    part.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StoppedError):
        part.write(200, b"late")
    part.record(200, 204)
    part.validate("late", '"v9"')
    part.flush()
    part.reset()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_who_still_looks_for_sources_when_all_has_ended_opens_no_part(
    tmp_path: Path, released: threading.Event
) -> None:
    looks = threading.Event()

    def locate(item: Wanted) -> tuple[Source, ...]:
        if item.label == "m":
            looks.set()
            released.wait(30)
        else:
            looks.wait(30)
        return item.sources

    run = Fetch(tmp_path, Servers(a=[honest()], b=[GONE]), limits=FOUR)
    items = [wanted("m", "a"), wanted("gone", "b", content=OTHER)]
    with pytest.raises(DrydockError, match="gone could not be fetched"):
        run.downloader.fetch_all(items, part_of=run.part, finish=run.finish, locate=locate)
    run.part(items[0].sha256).data.write_bytes(CONTENT)  # another process fetches it now
    let_go(released)
    assert run.part(items[0].sha256).data.read_bytes() == CONTENT


@pytest.mark.parametrize("late", ["answer", "bytes"])
def test_what_comes_when_all_has_ended_is_not_written(tmp_path: Path, released: threading.Event, late: str) -> None:
    hangs = threading.Event()

    def slow(offset: int, stop: int | None, etag: str | None) -> Answer:
        answer = honest()(offset, stop, etag)
        if late == "answer":
            hangs.set()
            released.wait(30)
            return Answer(status=200, headers={}, read=body(CONTENT), close=lambda: None)

        def read(amount: int) -> bytes:
            hangs.set()
            released.wait(30)
            return answer.read(amount)

        return Answer(status=answer.status, headers=answer.headers, read=read, close=lambda: None)

    def is_gone(_offset: int, _stop: int | None, _etag: str | None) -> Answer:
        hangs.wait(30)
        raise GONE

    run = Fetch(tmp_path, Servers(a=[slow], b=[is_gone]), limits=FOUR)
    items = [wanted("m", "a"), wanted("gone", "b", content=OTHER)]
    with pytest.raises(DrydockError, match="gone could not be fetched"):
        run.all(*items)
    run.part(items[0].sha256).data.write_bytes(OTHER)
    let_go(released)
    assert run.part(items[0].sha256).data.read_bytes() == OTHER
    assert not run.part(items[0].sha256).sidecar.exists()


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("size", [700, SIZE])
def test_a_connection_that_breaks_behind_the_last_byte_has_brought_all(
    tmp_path: Path, connections: int, size: int
) -> None:
    content = CONTENT[:size]
    limits = DownloadLimits(connections=connections, range_size=700, step=100)
    run = Fetch(tmp_path, Servers(a=[honest(content, then=RESET)], b=[honest(content)]), limits=limits, retries=0)
    run.all(wanted("m", "a", "b", content=content))
    assert run.finished == {"m": content}
    assert set(run.servers.hosts()) == {"a"}
