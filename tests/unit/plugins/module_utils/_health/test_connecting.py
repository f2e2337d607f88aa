# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, their addresses and one deadline over all of them."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health import connecting
from ansible_collections.drydock.serving.plugins.module_utils._health.connecting import (
    Resolver,
    UnresolvedError,
    connected,
    time_left,
)

FAR = 30.0


def found(*addresses: str) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]


class Names:
    """A resolver of names that can be told to hang; numbers it knows by itself."""

    def __init__(self, *addresses: str) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.addresses = addresses

    def __call__(self, host: str, port: int | None, *, type: int, flags: int = 0) -> list[Any]:  # noqa: A002  # its name
        if flags:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        self.asked.append(host)
        self.answers.wait()
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found(*self.addresses)


def test_a_name_server_that_is_silent_holds_nobody_beyond_the_deadline_and_is_told() -> None:
    names = Names("192.0.2.1")
    with pytest.raises(UnresolvedError, match=r"the name x\.example was not resolved in time: does its name server"):
        Resolver(names)("x.example", 80, time.monotonic())
    names.answers.set()


def test_a_name_that_is_still_looked_up_is_not_asked_for_once_more() -> None:
    names = Names("192.0.2.1")
    resolver = Resolver(names)
    for _attempt in range(3):
        with pytest.raises(UnresolvedError):
            resolver("x.example", 80, time.monotonic())
    names.answers.set()
    assert resolver("x.example", 443, time.monotonic() + FAR) == [(*found("")[0][:4], ("192.0.2.1", 443))]
    assert names.asked.count("x.example") <= 2, "the one that hung, and at most one after it"


def test_a_name_is_asked_for_again_by_the_next_attempt() -> None:
    names = Names("192.0.2.1")
    names.answers.set()
    resolver = Resolver(names)
    resolver("x.example", 80, time.monotonic() + FAR)
    names.addresses = ("192.0.2.2",)
    assert resolver("x.example", 80, time.monotonic() + FAR)[0][4] == ("192.0.2.2", 80)


def test_a_name_that_means_nothing_is_told_as_the_system_does() -> None:
    names = Names()
    names.answers.set()
    with pytest.raises(socket.gaierror, match="not known"):
        Resolver(names)("x.example", 80, time.monotonic() + FAR)


def test_a_number_needs_no_thread() -> None:
    asked: list[int] = []

    def ask(_host: str, port: int | None, *, type: int, flags: int = 0) -> list[Any]:  # noqa: A002  # its name
        asked.append(flags)
        return found("192.0.2.1")

    Resolver(ask)("192.0.2.1", 80, time.monotonic() + FAR)
    assert asked == [socket.AI_NUMERICHOST]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Addresses:
    """Stands for sockets: each address takes the time it is given, or answers at once."""

    def __init__(self, clock: Clock, **answers: OSError | None) -> None:
        self.clock, self.answers = clock, answers
        self.given: dict[str, float] = {}
        self.closed: list[str] = []

    def socket(self, *_kind: int) -> One:
        return One(self)


class One:
    def __init__(self, all_of_them: Addresses) -> None:
        self.all, self.name, self.limit = all_of_them, "", 0.0

    def settimeout(self, seconds: float) -> None:
        self.limit = seconds

    def setsockopt(self, *_option: int) -> None:
        pass

    def connect(self, address: tuple[str, int]) -> None:
        self.name = address[0]
        self.all.given[self.name] = self.limit
        answer = self.all.answers[self.name]
        if isinstance(answer, socket.timeout):
            self.all.clock.now += self.limit
        if answer is not None:
            raise answer

    def close(self) -> None:
        self.all.closed.append(self.name)


def connect(monkeypatch: pytest.MonkeyPatch, **answers: OSError | None) -> tuple[Addresses, Any]:
    """To a name with these addresses within eight seconds: what each was given, and the connection or the failure."""
    clock = Clock()
    addresses = Addresses(clock, **answers)
    monkeypatch.setattr(connecting, "time", clock)
    monkeypatch.setattr(connecting, "addresses_of", lambda *_name: found(*answers))
    monkeypatch.setattr(socket, "socket", addresses.socket)
    try:
        outcome: Any = connected("x.example", 80, clock.now + 8)
    except OSError as error:
        outcome = error
    return addresses, outcome


SILENT, SHUT = socket.timeout("timed out"), ConnectionRefusedError(111, "Connection refused")


def test_all_addresses_of_a_name_have_to_share_the_time_of_one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses, outcome = connect(monkeypatch, a=SILENT, b=SILENT, c=SILENT, d=SILENT)
    assert addresses.given == {"a": 2.0, "b": 2.0, "c": 2.0, "d": 2.0}
    assert addresses.clock.now == 108.0
    assert outcome is SILENT
    assert addresses.closed == ["a", "b", "c", "d"]


def test_an_address_that_is_silent_does_not_hide_one_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses, outcome = connect(monkeypatch, a=SILENT, b=None)
    assert outcome.name == "b"
    assert addresses.given == {"a": 4.0, "b": 4.0}
    assert addresses.closed == ["a"]


def test_time_that_one_address_leaves_is_the_next_one_s(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses, outcome = connect(monkeypatch, a=SHUT, b=SHUT)
    assert addresses.given == {"a": 4.0, "b": 8.0}
    assert outcome is SHUT


def test_there_is_no_time_left_after_the_deadline() -> None:
    with pytest.raises(socket.timeout):
        time_left(time.monotonic() - 1)
