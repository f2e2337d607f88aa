# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells of its files, who gets a place, how long a server lives, and what an option may look like."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import LOOK, MOVED, Catalogue, View
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import Peer, parse_seed
from ansible_collections.drydock.serving.plugins.module_utils._seed.daemon import Lifetime
from ansible_collections.drydock.serving.plugins.module_utils._seed.places import KEPT, Places
from ansible_collections.drydock.serving.plugins.module_utils._seed.pulse import EVERY, Pulse
from hypothesis import given
from hypothesis import strategies as st

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
INSTANCE = "0123456789abcdef"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Disk(set[str]):
    def __call__(self, digest: str) -> bool:
        return digest in self


def catalogue(disk: Disk, clock: Clock) -> Catalogue:
    made = Catalogue(INSTANCE, disk, monotonic=clock)
    made.begin([A], [B, C])
    return made


def read(view: View, made: Catalogue) -> View:
    view.read(made.page(view.instance, view.since, load=2, place=False))
    return view


def test_a_peer_learns_what_is_there_what_is_wanted_and_what_is_being_fetched() -> None:
    disk, clock = Disk(), Clock()
    made = catalogue(disk, clock)
    made.tell(f"a{B}")
    view = read(View(), made)
    assert view.have == {A}
    assert (view.is_bringing(B), view.will_bring(B), view.is_bringing(C), view.will_bring(C)) == (
        True,
        True,
        False,
        True,
    )
    assert view.load == 2


def test_a_page_holds_only_what_is_new() -> None:
    disk, clock = Disk(), Clock()
    made = catalogue(disk, clock)
    view = read(View(), made)
    assert made.page(INSTANCE, view.since, load=0, place=False).count("\n") == 1
    disk.add(B)
    clock.now += LOOK
    assert made.page(INSTANCE, view.since, load=0, place=False).splitlines()[1:] == [f"h{B}"]
    assert read(view, made).have == {A, B}
    assert not view.will_bring(B)


def test_a_peer_of_another_process_gets_everything_and_forgets_what_it_knew() -> None:
    disk, clock = Disk(), Clock()
    view = View(instance="f" * 16, since=2, have={C})
    assert read(view, catalogue(disk, clock)).have == {A}


def test_what_came_last_is_told_together_with_the_end() -> None:
    disk, clock = Disk(), Clock()
    made = catalogue(disk, clock)
    view = read(View(), made)
    disk |= {B}
    made.end()
    assert read(view, made).have == {A, B}
    assert not view.syncing
    assert not view.will_bring(C)


def test_a_file_that_is_left_is_wanted_but_not_being_fetched() -> None:
    made = catalogue(Disk(), Clock())
    for event in (f"a{B}", f"l{B}"):
        made.tell(event)
    view = read(View(), made)
    assert not view.is_bringing(B)
    assert view.will_bring(B)


def test_a_peer_sees_that_a_sync_gets_further_without_anything_to_read_up_on() -> None:
    made = catalogue(Disk(), Clock())
    view = read(View(), made)
    before = view.mark
    assert read(view, made).mark == before
    made.tell(MOVED)
    assert made.page(INSTANCE, view.since, load=0, place=False).count("\n") == 1
    assert read(view, made).mark != before


def test_a_sync_that_reads_back_what_it_has_says_that_it_moves() -> None:
    beats: list[float] = []
    inner = SimpleNamespace(update=lambda *_given: None)
    Pulse(inner, lambda: beats.append(1.0), monotonic=Clock()).update("a", 0, "")
    assert beats


def test_a_sync_says_that_it_moves_once_in_a_while_and_only_when_bytes_came_now() -> None:
    clock, beats, told = Clock(), [], []
    inner = SimpleNamespace(
        begin=lambda *given: told.append(given), update=lambda *given: told.append(given), done=told.append
    )
    pulse = Pulse(inner, lambda: beats.append(clock.now), monotonic=clock)
    pulse.begin(2, 100, 10)
    pulse.update("a", 10, "")
    pulse.update("a", -10, "")
    assert beats == []
    for _piece in range(5):
        pulse.update("a", 10, "https://origin.example.org/a")
        clock.now += EVERY / 2
    pulse.done("a")
    assert len(beats) == 3
    assert (told[0], told[-1], len(told)) == ((2, 100, 10), "a", 9)


@pytest.mark.parametrize("event", ["", "a", f"h{B}", f"x{B}", f"a{A}", f"a{'d' * 64}", f"a{B}\nh{C}", f"a{B.upper()}"])
def test_the_sync_cannot_make_the_catalogue_claim_what_is_not_there(event: str) -> None:
    disk, clock = Disk(), Clock()
    made = catalogue(disk, clock)
    before = made.page(INSTANCE, 0, load=0, place=False)
    made.tell(event)
    assert made.page(INSTANCE, 0, load=0, place=False) == before


def test_blobs_may_be_asked_for_when_they_have_their_name() -> None:
    disk, clock = Disk(), Clock()
    made = catalogue(disk, clock)
    assert (made.has(A), made.has(B), made.is_coming(B), made.has("d" * 64)) == (True, False, True, False)
    disk.add(B)
    clock.now += LOOK
    assert made.has(B)
    made.end()
    assert not made.is_coming(C)


PAGES = ["", "drydock-seed 2 0 0 0 0 0 0\n", f"drydock-seed 2 {INSTANCE} 1 1 0 0 0\nx{A}\n", f"h{A}\n", "<html>\n"]


@pytest.mark.parametrize("page", PAGES)
def test_what_is_no_page_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="is not a page"):
        View().read(page)


@given(st.text(max_size=200))
def test_no_page_makes_the_reader_fall_in_another_way(page: str) -> None:
    with contextlib.suppress(ValueError):
        View().read(page)


def test_two_at_once_get_big_files_and_a_place_is_free_again_when_nobody_uses_it() -> None:
    clock = Clock()
    places = Places(monotonic=clock)
    assert [places.take(who) for who in ("one", "two", "three", "one")] == [True, True, False, True]
    with places.used("one"):
        clock.now += KEPT + 1
        assert [places.take(who) for who in ("three", "four", "one")] == [True, False, True]
    clock.now += KEPT - 1
    assert not places.take("four")
    clock.now += 2
    assert places.take("four")


# Lifetimes: now, end of the sync, last request; all since the beginning. Is it over?
MOMENTS = {
    "the sync runs and nobody asks": (5000, None, 0, False),
    "the sync has just ended": (101, 100, 0, False),
    "nobody asked after the sync": (160, 100, 50, True),
    "somebody asked a moment ago": (200, 100, 150, False),
    "nobody asks any more": (211, 100, 150, True),
    "somebody asks for ever": (3701, 100, 3700, True),
    "the sync hangs": (24 * 3600, None, 24 * 3600, True),
}


@pytest.mark.parametrize("case", MOMENTS)
def test_a_server_never_lives_for_long(case: str) -> None:
    now, synced, last, over = MOMENTS[case]
    lifetime = Lifetime(idle=60, after=3600)
    assert lifetime.is_over(now, began=0, synced=synced, last=last) is over


GIVEN: dict[str, Any] = {
    "listen": 18480,
    "token": "t" * 64,
    "certificate": "CERTIFICATE",
    "key": "s3cr3tk3y" * 8,
    "name": "one",
    "peers": [{"name": "one", "address": "192.0.2.1"}, {"name": "two", "address": "2001:db8::2", "port": 1}],
}


def test_peers_listen_on_the_same_port_unless_they_have_their_own() -> None:
    config = parse_seed(GIVEN)
    assert config.peers == (Peer("one", "192.0.2.1", 18480), Peer("two", "2001:db8::2", 1))
    assert (config.idle, config.wait, config.own) == (60, 3600, config.peers[0])
    assert config.peers[1].base == "https://[2001:db8::2]:1"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no token": ({"token": None}, "seed.token: is missing"),
    "a short token": ({"token": "s3cr3t"}, "seed.token: expected 32"),
    "a token with a line break": ({"token": "t" * 64 + "\n"}, "seed.token: expected 32"),
    "a key in PEM": ({"key": "-----BEGIN PRIVATE KEY-----\ns3cr3t\n"}, "seed.key: expected a private key in base64"),
    "no port": ({"listen": 0}, "seed.listen: expected a port"),
    "no time": ({"idle": 0}, "seed.idle: expected more than 0"),
    "an address that is none": ({"peers": [{"name": "x", "address": "a/b"}]}, "seed.peers[0].address"),
    "a peer twice": ({"peers": [GIVEN["peers"][0]] * 2}, "one is listed more than once"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_option_is_named_and_no_secret_repeated(case: str) -> None:
    changes, says = WRONG[case]
    with pytest.raises(DrydockError) as refused:
        parse_seed({**GIVEN, **changes})
    assert refused.value.kind == "invalid_input"
    assert says in refused.value.message
    assert "s3cr3t" not in refused.value.message
