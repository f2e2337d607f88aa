# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that give each other what one of them fetched: module processes here, each with a store and a port."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.tests.integration.seed_group import (
    CountingOrigin,
    Group,
    counting,
    outcome,
    some_files,
    until,
)

MIB = 1024 * 1024
FILES = {**some_files(6, 200_000), "big.safetensors": next(iter(some_files(1, 40 * MIB).values()))}
SMALL = some_files(3, 300_000)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    tmp_path.chmod(0o755)  # the server is nobody, where the test is root
    made = Group(tmp_path, 4)
    yield made
    made.end()


@pytest.fixture
def origin() -> Iterator[CountingOrigin]:
    with counting(SMALL) as running:
        yield running


def right(group: Group, number: int, origin: CountingOrigin) -> bool:
    """Has this host exactly the bytes of the origin?"""
    place = group.store(number) / "sets" / "ocr" / "current"
    return {path.name: path.read_bytes() for path in place.iterdir() if path.suffix == ".safetensors"} == origin.files


def is_running(number: int) -> bool:
    return Path(f"/proc/{number}").exists()


def progress(group: Group, number: int) -> int:
    """How many bytes a host says it has."""
    with contextlib.suppress(OSError, ValueError):
        return int(json.loads((group.store(number) / "state" / "status.json").read_text())["bytes_done"])
    return 0


def servers(result: dict[str, Any]) -> set[str]:
    """Where bytes came from."""
    return {entry["source"] for entry in result["sources"] if entry["bytes"]}


# Who starts after whom, in batches that start together; a batch ends before the next one starts, as with few forks.
ORDERS = {
    "all at once": [[0, 1, 2, 3]],
    "two forks": [[0, 1], [2, 3]],
    "one fork": [[0], [1], [2], [3]],
    "the last first": [[3, 2, 1, 0]],
}


@pytest.mark.parametrize("order", ORDERS)
def test_the_origin_sends_each_byte_once(group: Group, order: str) -> None:
    with counting(FILES) as origin:
        for batch in ORDERS[order]:
            results = [outcome(process) for process in [group.start(number, origin.models()) for number in batch]]
            assert not any(result.get("failed") for result in results), results
        assert all(right(group, number, origin) for number in range(4))
        assert origin.total <= 1.05 * origin.size
        assert not any(result["notices"] for result in results)


def test_a_host_that_starts_late_takes_what_is_there_and_waits_for_what_another_fetches(group: Group) -> None:
    with counting(FILES) as origin:
        origin.during = lambda _name, _sent: time.sleep(0.003)
        later = [group.start(number, origin.models()) for number in (2, 3)]
        until(lambda: origin.total > 5 * MIB)
        first = group.start(0, origin.models())
        results = [outcome(process) for process in (*later, first)]
        assert not any(result.get("failed") for result in results), results
        assert origin.total <= 1.05 * origin.size


def test_a_host_that_waits_says_for_whom(group: Group) -> None:
    with counting(some_files(1, 8 * MIB)) as origin:
        told: set[str | None] = set()
        status = group.store(1) / "state" / "status.json"

        def first_host_takes_its_time(_name: str, _sent: int) -> None:
            with contextlib.suppress(OSError, ValueError):
                told.add(json.loads(status.read_text())["waiting_for"])
            if "h0" not in told:
                time.sleep(0.2)

        origin.during = first_host_takes_its_time
        for process in [group.start(number, origin.models()) for number in (0, 1)]:
            assert not outcome(process).get("failed")
        assert "h0" in told


def test_the_others_go_on_when_the_first_and_its_server_are_killed(group: Group) -> None:
    with counting(FILES) as origin:
        origin.during = lambda _name, _sent: time.sleep(0.002)
        first = group.start(0, origin.models())
        until(lambda: group.server(0) is not None)
        others = [group.start(number, origin.models()) for number in (1, 2)]
        until(lambda: origin.total > 15 * MIB)
        first.kill()
        os.kill(group.server(0) or 0, signal.SIGKILL)
        results = [outcome(process) for process in others]
        assert not any(result.get("failed") for result in results), results
        assert right(group, 1, origin)
        assert right(group, 2, origin)
        assert origin.total <= origin.size + 30 * MIB  # what the first had, and no more


def test_a_host_that_lives_and_gets_no_further_is_not_waited_for(group: Group) -> None:
    with counting(some_files(1, 8 * MIB)) as origin:
        origin.during = lambda _name, _sent: time.sleep(0.01)
        first = group.start(0, origin.models())
        until(lambda: origin.total > MIB)
        first.send_signal(signal.SIGSTOP)
        result = outcome(group.start(1, origin.models(), seed=group.option(1, patience=1.0)))
        assert right(group, 1, origin), result
        (notice,) = result["notices"]
        assert notice.startswith("Seeding: h0 got no further for 1 s, so this host did not wait")
        first.send_signal(signal.SIGCONT)
        assert not outcome(first).get("failed")


def test_a_server_that_is_killed_while_it_sends_is_replaced_by_the_origin(group: Group) -> None:
    with counting({"big.safetensors": FILES["big.safetensors"]}) as origin:
        outcome(group.start(0, origin.models()))
        second = group.start(1, origin.models(), bandwidth="8MiB")
        until(lambda: progress(group, 1) > 4 * MIB)
        os.kill(group.server(0) or 0, signal.SIGKILL)
        result = outcome(second)
        assert right(group, 1, origin), result
        assert len(servers(result)) == 2
        assert origin.total < 2 * origin.size - 3 * MIB  # it went on where the other one ended


def test_wrong_bytes_of_a_host_are_noticed_and_it_is_asked_no_more(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models(), connections=1))
    for blob in (group.store(0) / "blobs").rglob("*"):
        if blob.is_file():
            blob.chmod(0o644)
            blob.write_bytes(bytes(blob.stat().st_size))
    result = outcome(group.start(1, origin.models(), connections=1))
    assert right(group, 1, origin), result
    assert any("h0 was left out" in notice and "wrong bytes" in notice for notice in result["notices"])
    assert origin.total == 2 * origin.size
    wrong = [entry["bytes"] for entry in result["sources"] if entry["source"].startswith("https")]
    assert wrong == [len(next(iter(origin.files.values())))]


def test_wrong_bytes_of_a_file_that_came_in_ranges_are_noticed_too(group: Group) -> None:
    with counting({"big.safetensors": FILES["big.safetensors"]}) as origin:
        outcome(group.start(0, origin.models()))
        blob = next(path for path in (group.store(0) / "blobs").rglob("*") if path.is_file())
        blob.chmod(0o644)
        with blob.open("r+b") as handle:
            handle.seek(30 * MIB)
            handle.write(b"not these")
        result = outcome(group.start(1, origin.models()))
        assert right(group, 1, origin), result
        assert any("wrong bytes" in notice for notice in result["notices"])
        assert origin.total == 2 * origin.size


def test_a_host_whose_own_sync_fails_holds_nobody_up(group: Group, origin: CountingOrigin) -> None:
    models = origin.models()
    absent = {**models[0]["files"][0], "path": "absent", "checksum": f"sha256:{1:064x}", "size": 7}
    absent["urls"] = [f"http://127.0.0.1:{origin.port}/absent"]
    first = group.start(0, [{**models[0], "files": [*models[0]["files"], absent]}])
    until(lambda: group.server(0) is not None)
    second = group.start(1, models)
    assert outcome(first)["failure"]["kind"] == "not_found"
    assert not outcome(second).get("failed")
    assert right(group, 1, origin)


# What another host may be like that has nothing to do with this run.
STRANGERS = {
    "another token": ("token", "t" * 64),
    "another certificate": ("certificate", None),
}


@pytest.mark.parametrize("case", STRANGERS)
def test_hosts_of_another_run_are_strangers(
    group: Group, origin: CountingOrigin, tmp_path_factory: pytest.TempPathFactory, case: str
) -> None:
    outcome(group.start(0, origin.models()))
    name, value = STRANGERS[case]
    other = Group(tmp_path_factory.mktemp("other"), 2)
    changed = {name: value} if value else {"certificate": other.seed["certificate"], "key": other.seed["key"]}
    result = outcome(group.start(1, origin.models(), seed=group.option(1, **changed)))
    assert right(group, 1, origin)
    assert origin.total == 2 * origin.size
    assert any("h0 was left out" in notice for notice in result["notices"]), result["notices"]
    assert group.seed["token"] not in str(result)
    assert group.seed["key"] not in str(result)


def test_a_host_that_does_not_answer_any_more_is_given_up(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models()))
    os.kill(group.server(0) or 0, signal.SIGSTOP)
    started = time.monotonic()
    assert right(group, 1, origin) if not outcome(group.start(1, origin.models())).get("failed") else False
    assert time.monotonic() - started < 15
    os.kill(group.server(0) or 0, signal.SIGCONT)


def test_a_firewall_that_drops_everything_costs_seconds_only(group: Group, origin: CountingOrigin) -> None:
    with contextlib.ExitStack() as held:
        silent = held.enter_context(socket.create_server(("127.0.0.1", group.ports[0]), backlog=0))
        for _ in range(3):  # what is beyond the queue of a server gets no answer at all
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(silent.getsockname())
        started = time.monotonic()
        result = outcome(group.start(1, origin.models()))
        assert right(group, 1, origin), result
        assert time.monotonic() - started < 20
        assert result["notices"] == []


def test_a_port_that_is_taken_is_a_notice_and_no_failure(group: Group, origin: CountingOrigin) -> None:
    result = outcome(group.start(0, origin.models(), seed=group.option(0, listen=origin.port)))
    assert right(group, 0, origin)
    assert any(f"port {origin.port}" in notice and "Address already in use" in notice for notice in result["notices"])


def test_files_that_only_their_owner_may_read_are_not_served(group: Group, origin: CountingOrigin) -> None:
    result = outcome(group.start(0, origin.models(), mode="0400"))
    assert right(group, 0, origin)
    assert any("mode 0400 lets only the owner read" in notice for notice in result["notices"])
    assert group.server(0) is None


def test_nothing_is_served_in_check_mode_nor_when_all_is_there(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models(), check=True))
    assert group.server(0) is None
    outcome(group.start(0, origin.models()))
    until(lambda: group.server(0) is None)
    again = outcome(group.start(0, origin.models()))
    assert again["changed"] is False
    assert group.server(0) is None


def test_the_next_run_takes_the_place_of_a_server_that_still_waits(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models(), seed=group.option(0, idle=3600)))
    before = group.server(0)
    shutil.rmtree(group.store(0) / "sets")
    for blob in list((group.store(0) / "blobs").rglob("*")):
        if blob.is_file():
            blob.unlink()
    result = outcome(group.start(0, origin.models()))
    after = group.server(0)
    assert not result["notices"]
    assert before is not None
    assert after is not None
    assert before != after
    until(lambda: not is_running(before))


def test_a_server_ends_when_nobody_asks_and_when_its_store_is_gone(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models(), seed=group.option(0, idle=1)))
    outcome(group.start(1, origin.models(), seed=group.option(1, idle=3600)))
    number = group.server(1)
    until(lambda: group.server(0) is None)
    assert number is not None
    shutil.rmtree(group.store(1))

    until(lambda: not is_running(number))


def test_a_server_has_no_rights_and_nothing_that_was_the_modules(group: Group, origin: CountingOrigin) -> None:
    outcome(group.start(0, origin.models()))
    process = Path(f"/proc/{group.server(0)}")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines() if ":\t" in line)
    assert status["Name"] == "drydock-seed"
    assert status["NoNewPrivs"] == "1"
    if os.getuid() == 0:
        assert status["Uid"].split() == ["65534"] * 4
        assert status["Groups"].strip() == ""
        assert status["CapEff"].strip("0 ") == ""
        assert str((process / "root").readlink()) == str(group.store(0) / "blobs" / "sha256")
        assert (process / "mem").stat().st_uid == 0  # no other nobody may look into its memory
    arguments = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
    assert group.seed["token"].encode() not in arguments
    targets = sorted(str(each.readlink()) for each in (process / "fd").iterdir())
    kinds = {key: len(list(found)) for key, found in itertools.groupby(targets, lambda target: target.split(":")[0])}
    kinds.pop("pipe", None)  # until the sync has ended
    assert kinds == {
        "/dev/null": 3,
        "socket": 1,
        str(group.store(0) / "blobs" / "sha256"): 1,
        str(group.store(0) / "state" / "seed.lock"): 1,
    }
    assert os.getsid(group.server(0) or 0) == group.server(0)
    key = group.seed["key"].encode()
    assert not [path for path in group.store(0).rglob("*") if path.is_file() and key in path.read_bytes()]


def test_many_small_files_are_asked_for_without_a_storm(group: Group) -> None:
    with counting(some_files(300, 2000)) as origin:
        results = [outcome(process) for process in [group.start(number, origin.models()) for number in range(3)]]
        assert not any(result.get("failed") for result in results), results
        assert origin.total <= 1.05 * origin.size
        assert all(right(group, number, origin) for number in range(3))
