# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remote files as handles: few requests, any position, right bytes or a clear failure."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import Answer, SourceError
from ansible_collections.drydock.serving.plugins.module_utils._retry import RetryPolicy
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.handles import (
    BLOCK,
    digest_of,
    patiently,
    ranged,
    total,
)
from hypothesis import given, settings
from hypothesis import strategies as st

CONTENT = random.Random(3).randbytes(BLOCK * 5 + 77)  # noqa: S311 - content of a test


@dataclass
class Script:
    """A server in memory.

    :param faults: what the n-th request does wrong: called with the offset, gives an answer or raises.
    """

    content: bytes = CONTENT
    ranges: bool = True
    headers: Mapping[str, str] = field(default_factory=dict)
    faults: dict[int, Callable[[int], Answer]] = field(default_factory=dict)
    opened: list[int] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def open(self, offset: int) -> Answer:
        self.opened.append(offset)
        fault = self.faults.get(len(self.opened))
        return fault(offset) if fault else self.answer(offset)

    def answer(self, offset: int, *, until: int | None = None) -> Answer:
        whole = not self.ranges or not offset
        body = io.BytesIO((self.content if whole else self.content[offset:])[:until])
        size = len(self.content)
        told = {"Content-Length": str(size)} if whole else {"Content-Range": f"bytes {offset}-{size - 1}/{size}"}
        return Answer(
            status=200 if whole else 206, headers={**told, **self.headers}, read=body.read, close=lambda: None
        )

    def handle(self, size: int = len(CONTENT)) -> io.BufferedIOBase:
        policy = RetryPolicy(retries=2, delay=1)
        return ranged(self.open, size, shown="the file", policy=policy, sleep=self.slept.append)  # type: ignore[return-value]


moves = st.lists(st.tuples(st.integers(0, len(CONTENT) + 10), st.integers(0, 3 * BLOCK)), max_size=8)


@settings(max_examples=60, deadline=None)
@given(moves, st.booleans(), st.sets(st.integers(1, 12)))
def test_any_way_of_reading_gives_the_bytes_of_the_file(
    reads: list[tuple[int, int]], ranges: bool, broken: set[int]
) -> None:
    script = Script(ranges=ranges)
    for number in broken - {step + 1 for step in broken} - {step + 2 for step in broken}:
        script.faults[number] = lambda offset: script.answer(offset, until=1000)
    with script.handle() as handle:
        for position, length in reads:
            assert handle.seek(position) == position
            assert handle.read(length) == CONTENT[position : position + length]
            assert handle.tell() == max(position, min(position + length, len(CONTENT)))


def test_reading_from_start_to_end_is_one_request() -> None:
    script = Script()
    with script.handle() as handle:
        assert digest_of(handle, told=lambda _size: None) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))  # type: ignore[arg-type]
    assert script.opened == [0]


def test_head_and_tail_and_head_again_are_two_requests() -> None:
    script = Script(content=CONTENT * 8)
    with script.handle(len(CONTENT) * 8) as handle:
        handle.read(8)
        handle.seek(-22, io.SEEK_END)
        assert handle.read() == CONTENT[-22:]
        handle.seek(0)
        assert handle.read(100) == CONTENT[:100]
    assert len(script.opened) == 2


def test_a_connection_that_breaks_is_taken_up_where_it_broke() -> None:
    script = Script()
    script.faults[1] = lambda offset: script.answer(offset, until=BLOCK + 5)
    with script.handle() as handle:
        assert handle.read() == CONTENT
    assert script.opened == [0, BLOCK + 5]
    assert script.slept == [1]


def test_a_source_that_never_gives_more_is_given_up() -> None:
    script = Script()
    script.faults = {number: lambda offset: script.answer(offset, until=0) for number in range(1, 9)}
    with script.handle() as handle, pytest.raises(SourceError, match="ended after 0 of") as caught:
        handle.read()
    assert caught.value.kind == "interrupted"
    assert script.slept == [1, 2]


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_length_than_was_said_is_refused(size: int) -> None:
    with Script().handle(size) as handle, pytest.raises(DrydockError, match="contradicts itself") as caught:
        handle.read(1)
    assert caught.value.kind == "size_mismatch"


def test_more_than_was_said_is_noticed_also_without_a_length() -> None:
    script = Script()
    script.faults[1] = lambda _offset: Answer(
        status=200, headers={}, read=io.BytesIO(CONTENT + b"more").read, close=lambda: None
    )
    with script.handle() as handle, pytest.raises(DrydockError, match="found more"):
        handle.read()


def test_a_file_that_changes_between_two_requests_is_noticed() -> None:
    script = Script(content=CONTENT * 8, headers={"ETag": '"one"'})
    with script.handle(len(CONTENT) * 8) as handle:
        handle.read(1)
        script.headers = {"ETag": '"two"'}
        handle.seek(-1, io.SEEK_END)
        with pytest.raises(DrydockError, match="changed while it was read") as caught:
            handle.read(1)
    assert caught.value.kind == "changed_meanwhile"


@pytest.mark.parametrize(
    ("status", "headers", "start", "expected"),
    [
        (200, {"Content-Length": "7"}, 0, 7),
        (206, {"Content-Range": "bytes 5-9/10"}, 5, 10),
        (206, {"Content-Range": "bytes 5-9/*", "Content-Length": "5"}, 5, 10),
        (200, {}, 0, None),
        (200, {"Content-Length": "seven"}, 0, None),
        (200, {"Content-Length": "9" * 5000}, 0, int("9" * 19)),
    ],
)
def test_the_length_is_read_from_the_headers(
    status: int, headers: dict[str, str], start: int, expected: int | None
) -> None:
    answer = Answer(status=status, headers=headers, read=lambda _size: b"", close=lambda: None)
    assert total(answer, start) == expected


def test_what_cannot_pass_is_not_tried_again() -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise SourceError("not_found", "no")

    with pytest.raises(SourceError):
        patiently(call, policy=RetryPolicy(), sleep=lambda _seconds: pytest.fail("waited"))
    assert calls == [1]


class Drip:
    """A server that sends byte by byte, and a clock that goes on with each."""

    def __init__(self, seconds: float) -> None:
        self.now = 0.0
        self.seconds = seconds

    def open(self, offset: int) -> Answer:
        body = io.BytesIO(CONTENT[offset:])

        def read(_amount: int) -> bytes:
            self.now += self.seconds
            return body.read(1)

        told = {"Content-Range": f"bytes {offset}-{len(CONTENT) - 1}/{len(CONTENT)}"}
        return Answer(status=206, headers=told, read=read, close=lambda: None)

    def handle(self) -> BinaryIO:
        policy = RetryPolicy(retries=2, delay=1)
        return ranged(
            self.open, len(CONTENT), shown="a", policy=policy, sleep=lambda _pause: None, clock=lambda: self.now
        )


def test_a_server_that_drips_is_given_up() -> None:
    drip = Drip(0.9)
    with pytest.raises(SourceError, match="which never ends"):
        drip.handle().read(BLOCK)
    assert drip.now < 4 * 61


def test_a_slow_server_is_not_given_up_nor_one_that_nobody_asked_for_a_while() -> None:
    drip = Drip(0.0005)
    handle = drip.handle()
    assert handle.read(BLOCK) == CONTENT[:BLOCK]
    drip.now += 3600
    assert handle.read(5) == CONTENT[BLOCK : BLOCK + 5]
