# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The downloader against scripted sources and a clock that only counts."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download import job as _download
from ansible_collections.drydock.serving.plugins.module_utils._download.downloader import Downloader
from ansible_collections.drydock.serving.plugins.module_utils._download.journal import Account, Journal, boot_id
from ansible_collections.drydock.serving.plugins.module_utils._download.stretches import Stretches
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, Source, SourceError, parse_source
from ansible_collections.drydock.serving.plugins.module_utils._model_store.sync import Clock
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
DOWN = SourceError("unreachable", "https://a.example/m: Connection refused", retryable=True)

# one step of the script: an error to raise, or a function of the asked offset that answers
Step = SourceError | Callable[[int], Answer]


def body(data: bytes, *, then: SourceError | None = None) -> Callable[[int], bytes]:
    rest = [data]

    def read(amount: int) -> bytes:
        piece, rest[0] = rest[0][:amount], rest[0][amount:]
        if not piece and then is not None:
            raise then
        return piece

    return read


def answer(status: int, data: bytes, headers: Mapping[str, str], then: SourceError | None = None) -> Answer:
    return Answer(status=status, headers=headers, read=body(data, then=then), close=lambda: None)


def good(offset: int) -> Answer:
    """A server that does everything right."""
    if offset:
        where = {
            "Content-Range": f"bytes {offset}-{SIZE - 1}/{SIZE}",
            "Content-Length": str(SIZE - offset),
            "ETag": '"v1"',
        }
        return answer(206, CONTENT[offset:], where)
    return answer(200, CONTENT, {"Content-Length": str(SIZE), "ETag": '"v1"'})


def breaks_at(count: int) -> Callable[[int], Answer]:
    """Right bytes, up to this position of the file; then the connection is reset."""
    reset = SourceError("interrupted", "https://a.example/m broke off: Connection reset by peer", retryable=True)

    def respond(offset: int) -> Answer:
        whole = good(offset)
        return answer(whole.status, CONTENT[offset:count], whole.headers, reset)

    return respond


def fixed(status: int, data: bytes, **headers: str) -> Step:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _offset: answer(status, data, named)


def ignores_ranges(_offset: int) -> Answer:
    return good(0)


class Script:
    """Plays steps by host name, and keeps what was asked as (host, offset, etag)."""

    def __init__(self, **steps: Sequence[Step]) -> None:
        self.steps = {host: list(listed) for host, listed in steps.items()}
        self.asked: list[tuple[str, int, str | None]] = []

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        host = (source.parts.hostname or "").split(".")[0]
        self.asked.append((host, offset, etag))
        step = self.steps[host].pop(0)
        if isinstance(step, SourceError):
            raise step
        return step(offset)


class Run:
    def __init__(self, tmp_path: Path, script: Script, *, retries: int = 3) -> None:
        self.part = PartFiles(data=tmp_path / "partial" / "x.part", sidecar=tmp_path / "partial" / "x.json")
        self.pauses: list[float] = []
        self.script = script
        clock = Clock(now=lambda: 0.0, monotonic=lambda: float(sum(self.pauses)), sleep=self.pauses.append)
        self.downloader = Downloader(script, RetryPolicy(retries=retries, delay=1), clock=clock)

    def fetch(self, *hosts: str, sha256: str = SHA256, size: int = SIZE) -> str:
        sources = tuple(parse_source(f"https://{host}.example/m") for host in hosts)
        wanted = Wanted(label="ocr 4.0: m", sha256=sha256, size=size, sources=sources)
        self.downloader.fetch_all([wanted], part_of=lambda _sha256: self.part, finish=lambda _wanted, _part: None)
        return f"{self.script.asked[-1][0]}.example" if self.script.asked else ""

    def content(self) -> bytes:
        return self.part.data.read_bytes()

    def begun(self, count: int, data: bytes = CONTENT) -> None:
        self.part.data.parent.mkdir()
        self.part.data.write_bytes(data[:count])
        journal = Journal(self.part.sidecar, sha256=SHA256, size=SIZE, boot=boot_id())
        journal.begin(Account(there=Stretches([(0, count)])))
        journal.close()


def test_the_bytes_arrive_once_and_are_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[good]))
    assert run.fetch("a") == "a.example"
    assert run.content() == CONTENT
    assert run.downloader.received == SIZE


# How a server can answer the request for the rest of a file of which 1000 bytes are there, and the offsets asked for.
RESUME: dict[str, tuple[list[Step], list[int]]] = {
    "goes on where asked": ([good], [1000]),
    "ignores the range": ([ignores_ranges], [1000]),
    "goes on elsewhere": ([fixed(206, CONTENT[500:], Content_Range=f"bytes 500-{SIZE - 1}/{SIZE}"), good], [1000, 0]),
    "names another size": ([fixed(206, CONTENT[1000:], Content_Range="bytes 1000-9/77"), good], [1000, 0]),
    "names no place": ([fixed(206, CONTENT[1000:]), good], [1000, 0]),
    "names a place that is none": ([fixed(206, CONTENT[1000:], Content_Range="bytes lots"), good], [1000, 0]),
    "names a place beyond all numbers": (
        [fixed(206, CONTENT[1000:], Content_Range=f"bytes {'9' * 5000}-1/1"), good],
        [1000, 0],
    ),
    "refuses the range": ([fixed(416, b""), good], [1000, 0]),
    "sends other bytes": (
        [fixed(206, b"x" * (SIZE - 1000), Content_Range=f"bytes 1000-{SIZE - 1}/{SIZE}"), good],
        [1000, 0],
    ),
    "breaks off twice": ([breaks_at(2000), breaks_at(3000), good], [1000, 2000, 3000]),
}


@pytest.mark.parametrize("case", RESUME)
def test_a_resumed_file_ends_in_the_right_bytes_whatever_the_server_does(tmp_path: Path, case: str) -> None:
    steps, asked = RESUME[case]
    run = Run(tmp_path, Script(a=list(steps)))
    run.begun(1000)
    run.fetch("a")
    assert run.content() == CONTENT
    assert [offset for _host, offset, _etag in run.script.asked] == asked


@pytest.mark.parametrize("start", [SIZE + 1, SIZE * 3])
def test_a_part_longer_than_the_file_is_started_again(tmp_path: Path, start: int) -> None:
    run = Run(tmp_path, Script(a=[good]))
    run.begun(start, data=CONTENT * 4)
    run.fetch("a")
    assert run.content() == CONTENT


def test_a_complete_part_needs_no_source(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[]))
    run.begun(SIZE)
    run.fetch("a")
    assert run.script.asked == []


def test_rotten_bytes_in_a_complete_part_are_fetched_again_from_zero(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[good]))
    run.begun(SIZE, data=b"x" * SIZE)
    run.fetch("a")
    assert run.content() == CONTENT


def test_the_validator_is_kept_with_the_part_and_only_for_its_own_source(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[breaks_at(2000), DOWN], b=[good]), retries=1)
    run.fetch("a", "b")
    assert run.script.asked == [("a", 0, None), ("a", 2000, '"v1"'), ("b", 2000, None)]
    assert run.content() == CONTENT


@pytest.mark.parametrize("etag", ['W/"weak"', "", '"a\nb"'])
def test_a_weak_or_broken_validator_is_not_used(tmp_path: Path, etag: str) -> None:
    def first(_offset: int) -> Answer:
        begun = breaks_at(2000)(0)
        return Answer(status=200, headers={**begun.headers, "ETag": etag}, read=begun.read, close=begun.close)

    run = Run(tmp_path, Script(a=[first, good]))
    run.fetch("a")
    assert run.script.asked[1] == ("a", 2000, None)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"etag": 5}', "drydock-part 2", "drydock-part 2 x 5 boot\n+ 0 5\n"]
)
def test_bytes_without_an_account_of_them_are_not_trusted(tmp_path: Path, content: str) -> None:
    run = Run(tmp_path, Script(a=[good]))
    run.begun(1000, data=b"x" * SIZE)
    run.part.sidecar.write_text(content)
    run.fetch("a")
    assert run.script.asked == [("a", 0, None)]
    assert run.content() == CONTENT


# What a source can send that is not the file, and the kind of failure when nobody else has it.
WRONG = {
    "other bytes": (fixed(200, b"x" * SIZE, Content_Length=str(SIZE)), "checksum_mismatch", "found sha256:"),
    "a page with status 200": (
        fixed(200, b"<html>", Content_Length="6", Content_Type="text/html; charset=utf-8"),
        "size_mismatch",
        "found 6 of HTML",
    ),
    "a chunked page": (
        fixed(200, b"<html>", Transfer_Encoding="chunked", Content_Type="text/html"),
        "size_mismatch",
        "found 6 of HTML",
    ),
    "a smaller file": (fixed(200, b"x", Content_Length="1"), "size_mismatch", "found 1"),
    "a length beyond all numbers": (fixed(200, b"x", Content_Length="9" * 5000), "size_mismatch", "found"),
    "a bigger file": (fixed(200, CONTENT + b"x"), "size_mismatch", "found more"),
    "gzip on the fly": (fixed(200, b"x", Content_Encoding="gzip"), "bad_response", "encoded as 'gzip'"),
    "a range nobody asked for": (fixed(206, CONTENT), "bad_response", "206"),
    "nothing at all": (fixed(200, b"", Transfer_Encoding="chunked"), "size_mismatch", "found 0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_content_moves_on_to_the_next_source(tmp_path: Path, case: str) -> None:
    run = Run(tmp_path, Script(a=[WRONG[case][0]], b=[good]))
    assert run.fetch("a", "b") == "b.example"
    assert run.content() == CONTENT
    assert run.pauses == []


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_content_without_another_source_is_named(tmp_path: Path, case: str) -> None:
    step, kind, says = WRONG[case]
    run = Run(tmp_path, Script(a=[step]))
    with pytest.raises(DrydockError) as caught:
        run.fetch("a")
    assert caught.value.kind == kind
    assert says in caught.value.message
    assert "https://a.example/m" in caught.value.message
    assert caught.value.details["expected"] == f"sha256:{SHA256}"


def test_the_second_wrong_content_ends_it_and_leaves_no_part(tmp_path: Path) -> None:
    wrong = WRONG["other bytes"][0]
    run = Run(tmp_path, Script(a=[wrong], b=[wrong], c=[good]))
    with pytest.raises(DrydockError) as caught:
        run.fetch("a", "b", "c")
    assert [host for host, _offset, _etag in run.script.asked] == ["a", "b"]
    assert f"expected sha256:{SHA256}, found sha256:{hashlib.sha256(b'x' * SIZE).hexdigest()}" in caught.value.message
    assert not run.part.data.exists()
    assert not run.part.sidecar.exists()


def test_a_source_that_is_down_is_tried_with_growing_pauses_then_named(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[DOWN] * 4))
    with pytest.raises(DrydockError, match=r"Connection refused \(4 tries\).*Next step") as caught:
        run.fetch("a")
    assert run.pauses == [1, 2, 4]
    assert caught.value.kind == "unreachable"


@pytest.mark.parametrize("kind", ["refused", "not_found", "tls", "bad_response"])
def test_what_will_not_pass_is_never_tried_again(tmp_path: Path, kind: str) -> None:
    run = Run(tmp_path, Script(a=[SourceError(kind, "no")], b=[good]))
    run.fetch("a", "b")
    assert run.pauses == []


def test_the_server_may_ask_for_a_longer_pause_within_bounds(tmp_path: Path) -> None:
    patient = SourceError("unreachable", "x answered 429", retryable=True, retry_after=40)
    hours = SourceError("unreachable", "x answered 503", retryable=True, retry_after=7200)
    run = Run(tmp_path, Script(a=[patient, hours], b=[good]))
    run.fetch("a", "b")
    assert run.pauses == [40]


def test_progress_starts_the_count_of_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_download, "PROGRESS", 100)
    run = Run(tmp_path, Script(a=[breaks_at(place) for place in range(1000, SIZE, 1000)] + [good]), retries=1)
    run.fetch("a")
    assert run.content() == CONTENT
    assert set(run.pauses) == {1}


def test_crumbs_are_no_progress(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[breaks_at(place) for place in range(1, 99)]), retries=3)
    with pytest.raises(DrydockError, match="broke off"):
        run.fetch("a")
    assert len(run.script.asked) == 4


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_it_at_once_and_gives_the_room_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    pwrite = os.pwrite

    def full(descriptor: int, data: memoryview, offset: int) -> int:
        """A disk that takes 3000 bytes."""
        if offset >= 3000:
            raise OSError(code, os.strerror(code))
        return pwrite(descriptor, data[: 3000 - offset], offset)

    monkeypatch.setattr(os, "pwrite", full)
    run = Run(tmp_path, Script(a=[good], b=[good]))
    with pytest.raises(DrydockError, match="the disk became full") as caught:
        run.fetch("a", "b")
    assert caught.value.kind == "no_space"
    assert len(run.script.asked) == 1
    assert run.part.size() == 0


def test_a_part_that_is_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[good]))
    run.part.data.parent.mkdir()
    (tmp_path / "victim").write_bytes(b"")
    run.part.data.symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        run.fetch("a")
    assert (tmp_path / "victim").read_bytes() == b""


def test_a_side_car_that_is_a_symbolic_link_is_not_written_through(tmp_path: Path) -> None:
    run = Run(tmp_path, Script(a=[good]))
    run.part.data.parent.mkdir()
    (tmp_path / "victim").write_bytes(b"precious")
    run.part.sidecar.symlink_to(tmp_path / "victim")
    run.fetch("a")
    assert (tmp_path / "victim").read_bytes() == b"precious"


class Killed(BaseException):
    """The process ends here."""


def killed_at(count: int) -> Callable[[int], Answer]:
    def respond(offset: int) -> Answer:
        whole = good(offset)
        stop: Any = Killed()
        return answer(whole.status, CONTENT[offset : max(count, offset)], whole.headers, stop)

    return respond


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.integers(0, SIZE).map(killed_at),
            st.integers(0, SIZE).map(breaks_at),
            st.sampled_from([ignores_ranges, fixed(416, b""), WRONG["other bytes"][0], fixed(206, CONTENT)]),
        ),
        max_size=8,
    ),
    st.integers(0, SIZE + 5),
    st.booleans(),
)
def test_any_sequence_of_faults_kills_and_restarts_ends_in_right_bytes_or_a_named_failure(
    tmp_path_factory: pytest.TempPathFactory, faults: list[Step], begun: int, rotten: bool
) -> None:
    tmp_path = tmp_path_factory.mktemp("run")
    script = Script(a=[*faults, *[good] * 50])
    for attempt in range(len(faults) + 3):
        run = Run(tmp_path, script, retries=2)
        if attempt == 0:
            run.begun(begun, data=b"\0" * SIZE + b"longer" if rotten else CONTENT + b"longer")
        try:
            run.fetch("a")
        except (Killed, DrydockError):
            continue
        assert run.content() == CONTENT
        return
    pytest.fail("never ended although the server became good")
