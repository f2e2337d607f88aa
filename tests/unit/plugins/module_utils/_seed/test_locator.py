# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a host takes a file from, for whom it waits, and when it goes to the origin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import Wanted
from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import View
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import PATIENCE, Peer, SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._seed.locator import STEP, Locator
from ansible_collections.drydock.serving.plugins.module_utils._seed.places import BIG
from ansible_collections.drydock.serving.plugins.module_utils._seed.transport import PeerTransport
from ansible_collections.drydock.serving.plugins.module_utils._seed.watch import (
    ALWAYS,
    GRACE,
    MOST,
    STRIKES,
    Watch,
    chosen,
)
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, Source, SourceError, parse_source

A, B = "a" * 64, "b" * 64
ORIGIN = parse_source("https://origin.example.org/a")
INSTANCE = "0" * 15 + "1"


class Host:
    """A peer as the client sees it: a page, or a failure."""

    def __init__(self, *events: str, syncing: bool = True, load: int = 0, places: bool = True) -> None:
        self.events, self.syncing, self.load, self.places = events, syncing, load, places
        self.failure: SourceError | None = None
        self.moved = 0
        self.body = b""
        self.asked: list[str] = []
        self.kept = 0

    def index(self, view: View, *, place: bool = False) -> str:
        self.asked.append("place" if place else "index")
        if self.failure:
            raise self.failure
        told = f"{len(self.events)} {self.syncing:d} {self.load} {place and self.places:d} {self.moved}"
        head = f"drydock-seed 2 {INSTANCE} {told}"
        first = view.since if view.instance == INSTANCE else 0
        return "\n".join([head, *self.events[first:]]) + "\n"

    def get(self, digest: str, headers: Mapping[str, str]) -> tuple[Any, Any]:
        self.asked.append(digest)
        if self.failure:
            raise self.failure
        return Body(self.body), self

    def keep(self, _connection: Any, _response: Any) -> None:
        self.kept += 1

    def close(self) -> None:
        pass


class Body:
    """An answer of a peer."""

    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, body: bytes) -> None:
        self.body = body

    @property
    def length(self) -> int:
        return len(self.body)

    def read(self, amount: int) -> bytes:
        data, self.body = self.body[:amount], self.body[amount:]
        return data


ABSENT = SourceError("unreachable", "https://h0:1: Connection refused")


class Scene:
    """This host, its peers, a clock that only moves when told, and what this host told its own server."""

    def __init__(self, *hosts: Host, own: int = 1, wait: float = 3600) -> None:
        names = [f"h{number}" for number in range(len(hosts) + 1)]
        names_of_hosts = [name for name in names if name != f"h{own}"]
        self.hosts = dict(zip(names_of_hosts, hosts, strict=True))
        self.now = 1000.0
        config = SeedConfig(
            listen=1,
            token="t" * 64,
            certificate="",
            key="",
            peers=tuple(Peer(name, name, 1) for name in names),
            name=f"h{own}",
            wait=wait,
        )
        self.watch = Watch(config, lambda peer: self.hosts[peer.name], monotonic=lambda: self.now)
        self.told: list[str] = []
        self.locate = Locator(
            self.watch,
            self.told.append,
            name=config.name,
            wait=wait,
            patience=PATIENCE,
            monotonic=lambda: self.now,
        )
        self.ask()

    def ask(self) -> None:
        for state in self.watch.states:
            self.watch.ask(state)

    def sources(self, *, size: int = 1000) -> list[str]:
        return [source.origin[1] for source in self.locate(wanted(A, size))]


def wanted(digest: str, size: int = 1000) -> Wanted:
    return Wanted(label=digest[:4], sha256=digest, size=size, sources=(ORIGIN,))


def test_a_peer_that_has_the_file_comes_before_the_origin() -> None:
    scene = Scene(Host(f"h{A}"))
    assert scene.sources() == ["h0", "origin.example.org"]
    assert scene.told == []


def test_the_peer_with_the_least_to_do_is_chosen() -> None:
    scene = Scene(Host(f"h{A}", load=5), Host(f"h{A}", load=1), Host(f"h{A}", load=3))
    assert scene.sources()[0] == "h2"


def test_the_first_host_fetches_from_the_origin_and_says_so() -> None:
    scene = Scene(Host(f"w{A}"), Host(f"w{A}"), own=0)
    assert scene.sources() == ["origin.example.org"]
    assert scene.told == [f"a{A}"]


# What is not worth waiting for: events of an earlier host (h0), and of a later one (h2).
NOT_AWAITED = {
    "nobody wants it": (Host(f"w{B}"), Host()),
    "a later one wants it": (Host(), Host(f"w{A}")),
    "its sync has ended": (Host(f"w{A}", syncing=False), Host(f"a{A}", syncing=False)),
    "a later one left it again": (Host(), Host(f"a{A}", f"l{A}")),
}


@pytest.mark.parametrize("case", NOT_AWAITED)
def test_a_host_does_not_wait_for_what_nobody_brings(case: str) -> None:
    assert Scene(*NOT_AWAITED[case]).sources() == ["origin.example.org"]


# What is: until the host has it.
AWAITED = {
    "an earlier one wants it": (Host(f"w{A}"), Host()),
    "an earlier one fetches it": (Host(f"a{A}"), Host()),
    "a later one fetches it": (Host(), Host(f"a{A}")),
}


@pytest.mark.parametrize("case", AWAITED)
def test_a_host_waits_for_who_is_about_to_have_the_file(case: str) -> None:
    scene = Scene(*AWAITED[case])
    found: list[list[str]] = []
    waiting = threading.Thread(target=lambda: found.append(scene.sources()), daemon=True)
    waiting.start()
    for _attempt in range(500):
        if scene.locate.waiting_for:
            break
        waiting.join(0.01)
    assert scene.locate.waiting_for == next(name for name, host in scene.hosts.items() if host.events)
    assert scene.told == []
    for host in scene.hosts.values():
        host.events = (*host.events, f"h{A}") if host.events else ()
    scene.ask()
    waiting.join(5)
    assert found
    assert scene.locate.waiting_for == ""
    assert found[0][-1] == "origin.example.org"
    assert len(found[0]) == 2


def test_waiting_ends_when_its_time_is_over() -> None:
    scene = Scene(Host(f"w{A}"), wait=60)
    scene.now += 61
    assert scene.sources() == ["origin.example.org"]


class Waited:
    """Stands where a host waits: a second goes by, and the others move as the test says.

    :param moving: what happens each second.
    """

    def __init__(self, scene: Scene, moving: Callable[[int], None] = lambda _second: None) -> None:
        self.scene, self.moving = scene, moving
        self.seconds = 0
        scene.locate._wait_for = self  # type: ignore[method-assign,assignment]

    def __call__(self, _states: object) -> None:
        self.seconds += 1
        self.scene.now += 1
        self.moving(self.seconds)
        self.scene.ask()


def test_a_host_that_gets_no_further_is_not_waited_for_and_not_again_for_the_next_file() -> None:
    scene = Scene(Host(f"w{A}", f"w{B}"))
    waited = Waited(scene)
    assert scene.sources() == ["origin.example.org"]
    assert waited.seconds == PATIENCE + STEP
    assert scene.watch.states[0].left is not None
    assert scene.locate(wanted(B)) == (ORIGIN,)
    assert waited.seconds == PATIENCE + STEP
    assert scene.told == [f"a{A}", f"a{B}"]


def test_a_host_that_gets_further_is_waited_for_however_long_it_takes() -> None:
    scene = Scene(Host(f"a{A}"))
    peer = scene.hosts["h0"]

    def moving(second: int) -> None:
        peer.moved += second % 300 == 0
        if second == 2000:
            peer.events = (*peer.events, f"h{A}")

    Waited(scene, moving)
    assert scene.sources() == ["h0", "origin.example.org"]
    assert scene.told == []


def test_a_host_that_gets_further_again_is_waited_for_again() -> None:
    scene = Scene(Host(f"w{A}", f"w{B}"))
    waited = Waited(scene)
    scene.sources()
    peer = scene.hosts["h0"]
    peer.moved += 1
    scene.ask()
    waited.moving = lambda _second: setattr(peer, "events", (*peer.events, f"h{B}"))
    assert [source.origin[1] for source in scene.locate(wanted(B))] == ["h0", "origin.example.org"]


def test_of_those_that_wait_for_the_same_host_the_next_one_goes_to_the_origin_and_the_others_wait_for_it() -> None:
    first, second = Host(f"w{A}"), Host(f"w{A}")
    scene = Scene(first, second, own=2)

    def moving(seconds: int) -> None:
        if seconds == PATIENCE + STEP + 1:  # h1 waits for one host, this one for two
            second.events = (f"w{A}", f"a{A}")
        second.moved += len(second.events) > 1
        if seconds == 1000:
            second.events = (*second.events, f"h{A}")

    Waited(scene, moving)
    assert scene.sources() == ["h1", "origin.example.org"]
    assert scene.told == []


def test_a_host_that_has_the_file_and_no_place_is_no_host_that_stands_still() -> None:
    scene = Scene(Host(f"h{A}", places=False))
    waited = Waited(scene, lambda second: setattr(scene.hosts["h0"], "places", second > 2 * PATIENCE))
    assert scene.sources(size=BIG) == ["h0", "origin.example.org"]
    assert waited.seconds > 2 * PATIENCE


def test_waiting_ends_when_the_sync_does() -> None:
    scene = Scene(Host(f"w{A}"))
    scene.watch.close()
    assert scene.sources() == ["origin.example.org"]


def test_an_earlier_host_that_never_answered_is_asked_once_more_before_the_origin_is() -> None:
    absent = Host()
    absent.failure = ABSENT
    scene = Scene(absent)
    scene.now += GRACE
    before = len(absent.asked)
    assert scene.sources() == ["origin.example.org"]
    assert len(absent.asked) == before + 1
    assert scene.sources() == ["origin.example.org"]
    assert len(absent.asked) == before + 1  # not before every file


def test_an_earlier_host_that_comes_up_at_the_last_moment_is_waited_for() -> None:
    late = Host(f"w{A}")
    late.failure = ABSENT
    scene = Scene(late)
    scene.now += GRACE
    late.failure = None
    late.events = (f"w{A}", f"h{A}")
    assert scene.sources() == ["h0", "origin.example.org"]
    assert scene.told == [f"a{A}", f"l{A}"]


def test_a_big_file_is_taken_from_a_host_that_has_a_place() -> None:
    scene = Scene(Host(f"h{A}", places=False), Host(f"h{A}", load=9))
    assert scene.sources(size=BIG)[0] == "h2"
    assert scene.sources(size=BIG - 1)[0] == "h0"


def test_a_stranger_is_no_source_for_the_whole_run() -> None:
    stranger = Host(f"h{A}")
    stranger.failure = SourceError("refused", "https://h0:1 answered 401")
    scene = Scene(stranger)
    stranger.failure = None
    scene.ask()
    assert scene.sources() == ["origin.example.org"]


def test_in_a_big_group_everybody_asks_the_first_ones_and_some_others() -> None:
    peers = tuple(Peer(f"h{number}", "192.0.2.1", 1) for number in range(200))

    def asked(name: str) -> list[str]:
        return [peer.name for peer in chosen(SeedConfig(1, "", "", "", peers, name))]

    assert len(asked("h100")) == MOST
    assert asked("h100")[:ALWAYS] == [f"h{number}" for number in range(ALWAYS)]
    assert asked("h100") == asked("h100") != asked("h101")
    assert sorted(asked("h100"), key=lambda name: int(name[1:])) == asked("h100")


class Inner:
    """The origin."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        self.opened.append(source.url)
        return Answer(200, {}, lambda _amount: b"", lambda: None)


def transport(scene: Scene) -> tuple[PeerTransport, Inner]:
    inner = Inner()
    made = PeerTransport(scene.watch, inner, name="h1")
    made.expect([wanted(A, 4)])
    return made, inner


def take(made: PeerTransport, source: Source) -> bytes:
    answer = made.open(source, offset=0)
    data = answer.read(100)
    answer.close()
    return data


def test_another_host_takes_over_from_one_that_fails() -> None:
    scene = Scene(Host(f"h{A}"), Host(f"h{A}", load=1))
    scene.hosts["h0"].failure = SourceError("interrupted", "https://h0:1 broke off")
    scene.hosts["h2"].body = b"abcd"
    made, inner = transport(scene)
    assert take(made, scene.locate(wanted(A))[0]) == b"abcd"
    assert inner.opened == []


def test_when_all_hosts_fail_the_downloader_is_told_to_go_on() -> None:
    scene = Scene(Host(f"h{A}"))
    scene.hosts["h0"].failure = SourceError("stalled", "https://h0:1 does not answer")
    made, _inner = transport(scene)
    with pytest.raises(SourceError) as failed:
        made.open(parse_source(f"https://h0:1/blobs/{A}"), offset=0)
    assert not failed.value.retryable
    assert "no other host" in failed.value.message


def test_a_host_whose_whole_file_is_then_asked_of_the_origin_sent_wrong_bytes() -> None:
    scene = Scene(Host(f"h{A}", f"h{B}"))
    scene.hosts["h0"].body = b"abcd"
    made, inner = transport(scene)
    take(made, parse_source(f"https://h0:1/blobs/{A}"))
    assert scene.watch.states[0].out == ""
    made.open(ORIGIN, offset=0)
    assert inner.opened == [ORIGIN.url]
    assert "wrong bytes" in scene.watch.states[0].out
    assert scene.locate(wanted(B)) == (ORIGIN,)


def test_a_host_that_keeps_breaking_off_is_left_alone() -> None:
    scene = Scene(Host(f"h{A}"))
    made, _inner = transport(scene)
    for _try in range(STRIKES):
        scene.ask()
        scene.hosts["h0"].failure = SourceError("interrupted", "https://h0:1 broke off")
        with pytest.raises(SourceError):
            made.open(parse_source(f"https://h0:1/blobs/{A}"), offset=0)
        scene.hosts["h0"].failure = None
    scene.ask()
    assert scene.locate(wanted(A)) == (ORIGIN,)


def test_other_addresses_are_fetched_as_ever() -> None:
    scene = Scene(Host(f"h{A}"))
    made, inner = transport(scene)
    for url in (ORIGIN.url, "https://h0:2/blobs/" + A, "https://h0:1/elsewhere"):
        made.open(parse_source(url), offset=0)
    assert len(inner.opened) == 3
    assert scene.hosts["h0"].asked == ["index"]
