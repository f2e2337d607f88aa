# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""model_sync as a process of its own with files that come in several ranges: killed, interrupted, resumed."""

from __future__ import annotations

import hashlib
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.tests.integration.misbehaving_origin import Origin, serving
from ansible_collections.drydock.serving.tests.integration.model_host import Host, weights

MIB = 1024 * 1024
SIZE = 72 * MIB + 11
CONTENT = weights(SIZE, seed=5)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
RANGE = 16 * MIB


@pytest.fixture
def machine(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with serving(CONTENT) as running:
        yield running


def asked(origin: Origin) -> list[tuple[int, int]]:
    """The ranges that were asked for, in order of their place."""
    found = (re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")) for request in origin.requests)
    return sorted((int(one[1]), int(one[2]) + 1) for one in found if one)


def killed_at(machine: Host, origin: Origin, share: float, number: int = signal.SIGKILL) -> None:
    """Start a sync and end it when the origin has sent so much of the file in all."""

    def until(_sent: int) -> None:
        time.sleep(0.002)  # so that the module keeps pace
        if origin.sent > SIZE * share:
            process.send_signal(number)

    origin.during = until
    process = machine.start(origin.url("good"), sha256=SHA256, size=SIZE)
    process.communicate(timeout=60)
    assert process.returncode == -number
    assert machine.final_names() == []
    origin.during = lambda _sent: None


def test_a_big_file_comes_in_ranges_over_kept_connections(machine: Host, origin: Origin) -> None:
    done = machine.sync(origin.url("good"), sha256=SHA256, size=SIZE)
    assert done["bytes_fetched"] == SIZE
    assert machine.active() == CONTENT
    assert asked(origin) == [(start, min(SIZE, start + RANGE)) for start in range(0, SIZE, RANGE)]
    assert sum("if-range" in request.headers for request in origin.requests) == len(origin.requests) - 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_at_60_percent_at_most_one_range_and_one_percent_come_twice(
    machine: Host, origin: Origin, number: int
) -> None:
    killed_at(machine, origin, 0.6, number)
    done = machine.sync(origin.url("good"), sha256=SHA256, size=SIZE)
    assert machine.active() == CONTENT
    assert origin.sent - SIZE <= RANGE + SIZE // 100
    assert done["bytes_fetched"] <= 0.4 * SIZE + RANGE + SIZE // 100


def test_killed_again_and_again_it_arrives_all_the_same(machine: Host, origin: Origin) -> None:
    for share in (0.2, 0.5, 0.8, 1.0):
        killed_at(machine, origin, share)
    machine.sync(origin.url("good"), sha256=SHA256, size=SIZE)
    assert machine.active() == CONTENT
    assert origin.sent <= SIZE + 4 * (RANGE + SIZE // 100)


def test_what_a_power_cut_took_from_the_end_of_the_part_is_fetched_again(machine: Host, origin: Origin) -> None:
    killed_at(machine, origin, 0.6)
    (part,) = (machine.store / "partial").glob("*.part")
    with part.open("r+b") as handle:
        handle.truncate(part.stat().st_size // 2)
    machine.sync(origin.url("good"), sha256=SHA256, size=SIZE)
    assert machine.active() == CONTENT


def test_bytes_that_rot_between_two_runs_are_found_and_fetched_again(machine: Host, origin: Origin) -> None:
    killed_at(machine, origin, 0.6)
    (part,) = (machine.store / "partial").glob("*.part")
    with part.open("r+b") as handle:
        handle.write(b"rot")
    machine.sync(origin.url("good"), sha256=SHA256, size=SIZE)
    assert machine.active() == CONTENT


def test_another_source_goes_on_where_the_first_was_left(machine: Host, origin: Origin) -> None:
    killed_at(machine, origin, 0.6)
    with serving(CONTENT) as other:
        done = machine.sync(origin.url("absent"), other.url("good"), sha256=SHA256, size=SIZE)
        assert machine.active() == CONTENT
        assert other.sent < 0.4 * SIZE + RANGE + SIZE // 100
    assert done["bytes_fetched"] == other.sent


def test_a_bandwidth_is_kept_over_all_connections(machine: Host, origin: Origin) -> None:
    started = time.monotonic()
    machine.sync(origin.url("good"), sha256=SHA256, size=SIZE, bandwidth="40 MB")
    assert time.monotonic() - started > SIZE / 40_000_000 * 0.8
