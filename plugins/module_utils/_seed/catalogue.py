# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files a host has, fetches or still wants, told to its peers as a log that they read on from where they were.

One page of it is text: a line ``drydock-seed 2 <instance> <next> <syncing> <load> <place> <moved>``, then a line for
each event, a letter and a digest: ``w`` wanted, ``a`` being fetched from the origin, ``l`` left to others, ``h`` there.
``moved`` is another number than before when the sync got further since.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

DIGEST = re.compile(r"[0-9a-f]{64}")
_EVENT = re.compile(r"[wahl][0-9a-f]{64}")
_HEAD = re.compile(r"drydock-seed 2 ([0-9a-f]{16}) (\d{1,9}) ([01]) (\d{1,6}) ([01]) (\d{1,9})")
MOVED = "m"
"""What a sync says when bytes came since it last said so; no event, as nobody needs to read up on it."""
# Wanted files are looked for again after so many seconds; a file has its name only when it is whole and right.
LOOK = 0.5


class Catalogue:
    """What this host tells. Used from several threads.

    :param instance: names this process, so that a peer notices that another one took its place.
    :param is_there: is this blob on the disk?
    :param monotonic: seconds that never jump.
    """

    def __init__(self, instance: str, is_there: Callable[[str], bool], *, monotonic: Callable[[], float]) -> None:
        self._instance = instance
        self._is_there = is_there
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._log: list[str] = []
        self._have: set[str] = set()
        self._open: dict[str, str] = {}
        self._looked = -LOOK
        self._moved = 0
        self.syncing = True

    def begin(self, have: Iterable[str], wanted: Iterable[str]) -> None:
        """What is there when serving begins, and what this host's own sync is about to bring."""
        with self._guard:
            for digest in have:
                self._add("h", digest)
            for digest in wanted:
                if digest not in self._have:
                    self._add("w", digest)

    def tell(self, event: str) -> None:
        """Take what the sync says; anything else than an event about a wanted file is ignored."""
        with self._guard:
            self._moved += event == MOVED
            if _EVENT.fullmatch(event) and event[0] in "al" and event[1:] in self._open:
                self._add(event[0], event[1:])

    def end(self) -> None:
        """The sync has ended. What it brought last is told together with that: nobody sees one without the other."""
        with self._guard:
            self._find()
            self.syncing = False

    def has(self, digest: str) -> bool:
        """May this blob be asked for?"""
        self._look()
        return digest in self._have

    def is_coming(self, digest: str) -> bool:
        """Does the sync of this host still bring it?"""
        return self.syncing and digest in self._open

    def page(self, instance: str, since: int, *, load: int, place: bool) -> str:
        """Everything after event ``since`` of this instance; all of it to who read another one."""
        self._look()
        with self._guard:
            first = since if instance == self._instance and since <= len(self._log) else 0
            told = f"{len(self._log)} {self.syncing:d} {load} {place:d} {self._moved}"
            head = f"drydock-seed 2 {self._instance} {told}"
            return "\n".join([head, *self._log[first:]]) + "\n"

    def _add(self, letter: str, digest: str) -> None:
        self._log.append(letter + digest)
        if letter == "h":
            self._have.add(digest)
            self._open.pop(digest, None)
        else:
            self._open[digest] = letter

    def _look(self) -> None:
        with self._guard:
            now = self._monotonic()
            if now - self._looked < LOOK or not self._open:
                return
            self._looked = now
            self._find()

    def _find(self) -> None:
        for digest in [digest for digest in self._open if self._is_there(digest)]:
            self._add("h", digest)


@dataclass
class View:
    """What a peer told so far.

    :param since: how much of its log was read.
    :param load: how many files it is sending.
    :param place: whether it took this host in, see ``places``.
    :param moved: another number than before when its sync got further.
    """

    instance: str = "0" * 16
    since: int = 0
    syncing: bool = False
    load: int = 0
    place: bool = False
    moved: int = 0
    have: set[str] = field(default_factory=set)
    fetching: set[str] = field(default_factory=set)
    wanted: set[str] = field(default_factory=set)

    def read(self, page: str) -> None:
        """Take in a page. :raises ValueError: it is not one."""
        head, *events = page.split("\n")
        found = _HEAD.fullmatch(head)
        if found is None or events[-1:] != [""] or not all(_EVENT.fullmatch(event) for event in events[:-1]):
            raise ValueError("is not a page of a catalogue")
        if found[1] != self.instance:
            self.have, self.fetching, self.wanted = set(), set(), set()
        self.instance, self.since = found[1], int(found[2])
        self._take_state(found)
        for event in events[:-1]:
            self._take(event[0], event[1:])

    def read_state(self, page: str) -> None:
        """Take in only what the first line says, where the events are known already."""
        found = _HEAD.match(page)
        if found is None:
            raise ValueError("is not a page of a catalogue")
        self._take_state(found)

    @property
    def mark(self) -> tuple[str, int, int]:
        """Stays the same as long as it gets no further."""
        return self.instance, self.since, self.moved

    def _take_state(self, head: re.Match[str]) -> None:
        self.syncing, self.load, self.place = head[3] == "1", int(head[4]), head[5] == "1"
        self.moved = int(head[6])

    def _take(self, letter: str, digest: str) -> None:
        for kept, letters in ((self.have, "h"), (self.fetching, "a"), (self.wanted, "wal")):
            if letter in letters:
                kept.add(digest)
            else:
                kept.discard(digest)

    def is_bringing(self, digest: str) -> bool:
        """Is it fetching the file from the origin right now?"""
        return self.syncing and digest in self.fetching

    def will_bring(self, digest: str) -> bool:
        """Does its sync want the file, too?"""
        return self.syncing and digest in self.wanted
