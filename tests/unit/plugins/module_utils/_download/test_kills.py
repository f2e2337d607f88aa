# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any interleaving of kills, new starts of the machine that lose what was not on the disk, and honest or lying answers
ends in the right bytes or a clear failure, and never in a wrong file. Everything happens in one thread, so that a
failure can be seen again; what several threads do to each other is in ``test_together``.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download import journal, part
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import SourceError
from ansible_collections.drydock.serving.tests.unit.plugins.module_utils._download.scripted import (
    CONTENT,
    OTHER,
    RESET,
    SIZE,
    Behaviour,
    Fetch,
    Killed,
    Servers,
    honest,
    lies,
    longer,
    names_total,
    says,
    shifted,
    whole,
)
from hypothesis import given, settings
from hypothesis import strategies as st

BUSY = SourceError("unreachable", "https://a.example/m answered 503", retryable=True, retry_after=3)
GONE = SourceError("not_found", "https://a.example/m answered 404: no such file there")

ANSWERS = st.one_of(
    st.integers(0, 1500).map(lambda count: honest(until=count, then=RESET)),
    st.integers(0, 1500).map(lambda count: honest(until=count)),
    st.integers(0, 1500).map(lambda count: honest(until=count, then=Killed())),
    st.integers(-800, 800).map(shifted),
    st.integers(1, 800).map(lies),
    st.sampled_from(
        [
            honest(),
            honest(etag=None),
            honest(etag='W/"weak"'),
            honest(etag='"v2"'),
            honest(OTHER),
            honest(OTHER, etag='"v2"'),
            honest(CONTENT + b"x"),
            whole(),
            whole(OTHER),
            whole(CONTENT[:99]),
            longer(),
            names_total("*"),
            names_total("77"),
            names_total("9" * 5000),
            says(416, b""),
            says(206, CONTENT),
            says(206, CONTENT, Content_Range="bytes lots"),
            says(206, CONTENT[:50], Content_Range=f"bytes 0-49/{SIZE}"),
            says(200, b"<html>", Content_Length="6", Content_Type="text/html"),
            says(200, b"<html>", Transfer_Encoding="chunked", Content_Type="text/html"),
            says(200, b"x" * 500, Content_Encoding="gzip"),
            says(200, CONTENT, Content_Length="9" * 5000),
            BUSY,
            GONE,
        ]
    ),
)


class Disk:
    """Stands for ``os`` in the code under test: ends the process at a step, and can lose what was not synced."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left = -1
        self.unsynced: dict[int, list[tuple[int, bytes]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _step(self) -> bool:
        """Is this where the process ends?"""
        self.left -= 1
        return self.left == 0

    def pwrite(self, descriptor: int, data: memoryview, offset: int) -> int:
        ends = self._step()
        if ends:
            data = data[: self.chance.randint(0, len(data))]
        inode = os.fstat(descriptor).st_ino
        before = os.pread(descriptor, len(data), offset)
        self.unsynced.setdefault(inode, []).append((offset, before.ljust(len(data), b"\0")))
        count = os.pwrite(descriptor, data, offset)
        if ends or self._step():
            raise Killed
        return count

    def write(self, descriptor: int, data: memoryview) -> int:
        if self._step():
            os.write(descriptor, data[: self.chance.randint(0, len(data))])
            raise Killed
        count = os.write(descriptor, data)
        if self._step():
            raise Killed
        return count

    def fdatasync(self, descriptor: int) -> None:
        if self._step():
            raise Killed
        self.unsynced.pop(os.fstat(descriptor).st_ino, None)
        if self._step():
            raise Killed

    def lose(self, files: list[Path]) -> None:
        """The machine stops: some of what was not synced is not there, and the side-car may end anywhere."""
        for path in files:
            for offset, before in reversed(self.unsynced.pop(path.stat().st_ino, [])):
                if self.chance.random() < 0.5:
                    with path.open("r+b") as handle:
                        handle.seek(offset)
                        handle.write(before)
            if path.suffix == ".json" and self.chance.random() < 0.5:
                os.truncate(path, self.chance.randint(0, path.stat().st_size))
        self.unsynced.clear()


@contextlib.contextmanager
def machine(chance: random.Random) -> Iterator[tuple[Disk, list[str]]]:
    """The disk, and the name of the current start of the machine (change it to start anew)."""
    disk, boot = Disk(chance), ["boot-0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "os", disk)
        patch.setattr(journal, "os", disk)
        patch.setattr(part, "boot_id", lambda: boot[0])
        patch.setattr(part, "FLUSH", 900)
        yield disk, boot


END = st.sampled_from(["nothing", "kill", "power"])


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(END, st.integers(1, 60), st.lists(ANSWERS, max_size=4)), max_size=5),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_any_interleaving_of_kills_losses_and_answers_ends_in_right_bytes_or_a_named_failure(
    tmp_path_factory: pytest.TempPathFactory,
    lives: list[tuple[str, int, list[Behaviour | SourceError]]],
    seed: int,
    second: bool,
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    hosts = ("a", "b") if second else ("a",)
    with machine(random.Random(seed)) as (disk, boot):  # noqa: S311 - chance of a test
        for number, (end, step, answers) in enumerate(lives):
            disk.left = step if end != "nothing" else -1
            half = len(answers) // 2 if second else len(answers)
            servers = Servers(a=[*answers[:half], honest()], b=[*answers[half:], honest()])
            run = Fetch(folder, servers, retries=1)
            with contextlib.suppress(Killed, DrydockError):
                run.get(*hosts)
            assert set(run.finished.values()) <= {CONTENT}
            if end == "power":
                disk.lose(sorted(folder.iterdir()))
                boot[0] = f"boot-{number + 1}"
        disk.left = -1
        last = Fetch(folder, Servers(a=[honest()], b=[honest()]))
        assert last.get(*hosts) == CONTENT
        assert last.downloader.received <= 2 * SIZE


def test_a_kill_at_every_single_step_loses_at_most_one_step_of_the_journal(tmp_path: Path) -> None:
    steps = 0
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        with machine(random.Random(step)) as (disk, _boot):  # noqa: S311 - chance of a test
            disk.left = step
            first = Fetch(folder, Servers(a=[honest()]))
            with contextlib.suppress(Killed):
                first.get("a")
                break
            disk.left = -1
            again = Fetch(folder, Servers(a=[honest()]))
            assert again.get("a") == CONTENT
            assert first.downloader.received + again.downloader.received <= SIZE + 100 + 2 * 130
            steps += 1
    assert steps > 100


def test_a_loss_of_power_at_every_single_step_loses_at_most_what_was_not_on_the_disk(tmp_path: Path) -> None:
    for step in range(1, 1000):
        folder = tmp_path / str(step)
        with machine(random.Random(step)) as (disk, boot):  # noqa: S311 - chance of a test
            disk.left = step
            first = Fetch(folder, Servers(a=[honest()]))
            with contextlib.suppress(Killed):
                first.get("a")
                break
            disk.left = -1
            disk.lose(sorted(folder.iterdir()))
            boot[0] = "another"
            again = Fetch(folder, Servers(a=[honest()]))
            assert again.get("a") == CONTENT
            assert again.downloader.received <= SIZE, "what the disk had was trusted, and the digest was right at once"
