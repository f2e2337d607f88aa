# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a file comes from: a peer that has it, or the origin; and when it is worth waiting for a peer.

Of the hosts that want a file, the first in the inventory fetches it from the origin; the others wait while it is at
it and take it from there. So nobody waits in a circle: a host waits for one that comes before it, or for one that is
fetching the very file right now, and for none that gets no further. Whatever goes wrong with the others, every host can
still go to the origin itself.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from ansible_collections.drydock.serving.plugins.module_utils._seed.places import BIG
from ansible_collections.drydock.serving.plugins.module_utils._seed.watch import GRACE, PeerState, Watch
from ansible_collections.drydock.serving.plugins.module_utils._source import Source, parse_source

# How long the first answers of all peers are waited for; a little more than a connection may take.
FIRST_ROUND = 3.0
LOOK_AGAIN = 1.0
# A host is so much more patient for each one it waits for, so that the first of them goes to the origin and not all.
STEP = 5.0


class Wanted(Protocol):
    """A file that is to be fetched."""

    @property
    def sha256(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def sources(self) -> tuple[Source, ...]: ...


class Locator:
    """Called in the thread that is about to fetch a file; from several at once.

    :param tell: tells this host's own server what the sync does, as ``catalogue`` describes it.
    :param name: of this host.
    :param wait: seconds that may be waited for peers, from now on.
    :param patience: seconds without any sign of progress after which a peer is not waited for.
    :param monotonic: seconds that never jump.
    """

    def __init__(
        self,
        watch: Watch,
        tell: Callable[[str], None],
        *,
        name: str,
        wait: float,
        patience: float,
        monotonic: Callable[[], float],
    ) -> None:
        self._watch = watch
        self._tell = tell
        self._name = name
        self._monotonic = monotonic
        self._until = monotonic() + wait
        self._patience = patience
        self._once = threading.Lock()
        self._first = True
        self._waits: dict[int, list[str]] = {}

    @property
    def waiting_for(self) -> str:
        """The hosts that some thread waits for just now, in words; empty when none does."""
        names = sorted({name for waited in list(self._waits.values()) for name in waited})
        return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else "".join(names)

    def __call__(self, wanted: Wanted) -> Sequence[Source]:
        """The ordered sources of a file. May wait for a peer that is about to have it."""
        self._hear_all()
        still = _Stillness(self._monotonic)
        while True:
            holder = self._holder(wanted)
            if holder is not None:
                return (source_at(holder, wanted.sha256), *wanted.sources)
            coming = self._coming(wanted.sha256)
            bringing = coming or holders(self._watch, wanted.sha256, self._name)  # of which none has a place
            if not bringing:
                if self._take(wanted.sha256):
                    return wanted.sources
                continue
            if self._watch.closed.is_set() or self._monotonic() >= self._until:
                return wanted.sources
            if coming and still.lasts(coming) >= self._patience + STEP * len(coming):
                self._leave(coming)
                continue
            self._wait_for(bringing)

    def _leave(self, states: list[PeerState]) -> None:
        """Wait for none of them until it gets further."""
        with self._watch.change:
            for state in states:
                state.left = state.view.mark

    def _wait_for(self, states: list[PeerState]) -> None:
        self._waits[threading.get_ident()] = [state.peer.name for state in states]
        try:
            with self._watch.change:
                self._watch.change.wait(LOOK_AGAIN)
        finally:
            del self._waits[threading.get_ident()]

    def _hear_all(self) -> None:
        """Wait until every peer had the time to answer once."""
        with self._watch.change:
            left = self._watch.began + FIRST_ROUND - self._monotonic()
            self._watch.change.wait_for(
                lambda: self._watch.closed.is_set() or all(state.rounds for state in self._watch.states),
                timeout=max(0.0, left),
            )

    def _holder(self, wanted: Wanted) -> PeerState | None:
        """The peer to take it from: the one with the least to do."""
        states = holders(self._watch, wanted.sha256, self._name)
        if not states or wanted.size < BIG or self._monotonic() >= self._until:
            return states[0] if states else None
        return next((state for state in states if self._watch.ask(state, place=True)), None)

    def _coming(self, digest: str) -> list[PeerState]:
        """Who else is about to have it."""
        with self._watch.change:
            young = self._monotonic() - self._watch.began < GRACE
            return [
                state
                for state in self._watch.states
                if state.left != state.view.mark
                and (
                    state.view.is_bringing(digest) or (state.earlier and state.view.will_bring(digest))
                    if state.serves
                    else young and state.earlier and not state.seen and not state.out
                )
            ]

    def _take(self, digest: str) -> bool:
        """Tell the others that this host fetches it; false where somebody else turns out to be about to have it."""
        self._tell(f"a{digest}")
        with self._once:
            if self._first:
                self._first = False
                self._ask_absent()
        if self._coming(digest) or holders(self._watch, digest, self._name):
            self._tell(f"l{digest}")
            return False
        return True

    def _ask_absent(self) -> None:
        """Before the first byte comes from the origin: has an earlier host come up since it was last asked?"""
        with self._watch.change:
            absent = [state for state in self._watch.states if state.earlier and not state.seen and not state.out]
        threads = [threading.Thread(target=self._watch.ask, args=(state,), daemon=True) for state in absent]
        for thread in threads:
            thread.start()
        until = self._monotonic() + FIRST_ROUND
        for thread in threads:
            thread.join(max(0.0, until - self._monotonic()))


class _Stillness:
    """How long the hosts that are waited for have been where they are."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._marks: dict[str, tuple[str, int, int]] = {}
        self._since = 0.0

    def lasts(self, states: list[PeerState]) -> float:
        """In seconds; it ends when one of them moves, goes or comes."""
        marks, now = {state.peer.name: state.view.mark for state in states}, self._monotonic()
        if marks != self._marks:
            self._marks, self._since = marks, now
        return now - self._since


def holders(watch: Watch, digest: str, name: str) -> list[PeerState]:
    """Peers that have the file, those with the least to do first; equals in an order that differs from host to host."""
    with watch.change:
        found = [state for state in watch.states if state.serves and digest in state.view.have]
        return sorted(found, key=lambda state: (state.view.load + state.using, _lot(name, state.peer.name, digest)))


def source_at(state: PeerState, digest: str) -> Source:
    """The file at a peer."""
    return parse_source(f"{state.peer.base}/blobs/{digest}")


def _lot(*words: str) -> bytes:
    return hashlib.sha256("\n".join(words).encode()).digest()
