# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small parts: the pace, what is known about servers, what people are told, and what an answer claims."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.bucket import Bucket
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import DownloadLimits
from ansible_collections.drydock.serving.plugins.module_utils._download.origins import Origins
from ansible_collections.drydock.serving.plugins.module_utils._download.progress import Meter
from ansible_collections.drydock.serving.plugins.module_utils._download.receive import Pace
from ansible_collections.drydock.serving.plugins.module_utils._http import SourceError, parse_source

A, A2, B = (parse_source(url) for url in ("https://a.example/m", "https://a.example/n", "https://b.example:8443/m"))


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_kept_on_average_and_silence_is_not_saved_up() -> None:
    time = Time()
    bucket = Bucket(1000, monotonic=time)
    assert bucket.take(250) == 0
    assert bucket.take(500) == pytest.approx(0.5)
    time.now += 100
    assert bucket.take(250) == 0
    assert bucket.take(1000) == pytest.approx(1.0)


def test_without_a_bound_nobody_waits_and_portions_stay_whole() -> None:
    bucket = Bucket(0, monotonic=Time())
    assert (bucket.take(10**9), bucket.portion(512)) == (0.0, 512)


def test_a_slow_pace_comes_in_small_portions() -> None:
    assert Bucket(100_000, monotonic=Time()).portion(512 * 1024) == 12_500
    assert Bucket(10, monotonic=Time()).portion(512 * 1024) == 4096


def test_a_connection_that_drips_counts_as_stalled_and_a_slow_enough_one_does_not() -> None:
    limits = DownloadLimits(minimum_rate=100, stall_timeout=10)
    for _second in range(30):
        pace = Pace(limits, A)
        pace.took(1, 100)
    pace = Pace(limits, A)
    for _second in range(9):
        pace.took(1, 99)
    with pytest.raises(SourceError, match="990 bytes in 10 s, less than 100 bytes per second") as caught:
        pace.took(1, 99)
    assert (caught.value.kind, caught.value.retryable) == ("stalled", True)


def test_a_burst_does_not_excuse_a_stall_much_later() -> None:
    pace = Pace(DownloadLimits(minimum_rate=100, stall_timeout=10), A)
    pace.took(10, 10**9)
    with pytest.raises(SourceError, match="sent 3 bytes"):
        pace.took(10, 3)


def test_the_bound_for_slow_connections_can_be_switched_off() -> None:
    Pace(DownloadLimits(minimum_rate=0, stall_timeout=10), A).took(1000, 0)


def test_servers_that_failed_come_last_until_they_work_again() -> None:
    origins = Origins()
    origins.gave_up(A, "unreachable")
    assert origins.in_order([A, B, A2]) == [B, A, A2]
    assert (origins.is_ill(A2), origins.is_ill(B)) == (True, False)
    origins.sent(A2, 5)
    assert origins.in_order([A, B]) == [A, B]
    assert origins.told() == [{"source": "https://a.example", "bytes": 5, "failures": 1}]


@pytest.mark.parametrize("kind", ["not_found", "checksum_mismatch", "interrupted", "bad_response"])
def test_a_fault_of_one_file_says_nothing_about_its_server(kind: str) -> None:
    origins = Origins()
    origins.gave_up(A, kind)
    assert origins.in_order([A, B]) == [A, B]


def test_a_pause_is_for_the_whole_server_and_the_longest_counts() -> None:
    origins = Origins()
    origins.pause(A, 50)
    origins.pause(A2, 20)
    assert (origins.ready_at(A2), origins.ready_at(B)) == (50, 0)


def test_servers_are_told_by_scheme_host_and_port() -> None:
    origins = Origins()
    for url in ("https://b.example:8443/m?sig=x", "http://[2001:db8::1]:80/m", "file:///srv/m"):
        origins.sent(parse_source(url), 1)
    assert [entry["source"] for entry in origins.told()] == [
        "https://b.example:8443",
        "http://[2001:db8::1]",
        "file://",
    ]


def test_the_meter_tells_rate_and_time_left_and_does_not_count_what_was_there_before() -> None:
    time = Time()
    meter = Meter(monotonic=time)
    meter.begin(2, 10_000)
    meter.update("a", 4000, "")
    first = meter.snapshot()
    assert (first["bytes_done"], first["rate"], first["eta"]) == (4000, 0, None)
    time.now += 2
    meter.update("a", 2000, "https://a.example/m")
    meter.done("a")
    assert meter.snapshot() == {
        "bytes_done": 6000,
        "bytes_total": 10_000,
        "files_done": 1,
        "files_total": 2,
        "rate": 1000,
        "eta": 4,
        "source": "https://a.example/m",
        "file": "a",
    }


def test_the_rate_is_of_the_last_seconds_and_thrown_away_bytes_are_gone() -> None:
    time = Time()
    meter = Meter(monotonic=time)
    meter.begin(1, 10**6)
    for _second in range(60):
        time.now += 1
        meter.update("a", 10, "s")
        meter.snapshot()
    for _second in range(12):
        time.now += 1
        meter.update("a", 1000, "s")
        rate = meter.snapshot()["rate"]
    assert rate == 1000
    meter.update("a", -12_600, "")
    assert (meter.snapshot()["bytes_done"], meter.snapshot()["rate"]) == (0, 1000)


def test_the_meter_ticks_while_it_is_used() -> None:
    ticked = threading.Event()
    seen: list[dict[str, Any]] = []

    def tick(snapshot: dict[str, Any]) -> None:
        seen.append(snapshot)
        ticked.set()

    with Meter(monotonic=Time(), on_tick=tick, interval=0.001) as meter:
        meter.begin(1, 5)
        assert ticked.wait(5)
    assert seen[0].keys() == meter.snapshot().keys()
