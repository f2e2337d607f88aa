# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every peer has and does, as far as it told; each is asked by a thread of its own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import View
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import Peer, SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._source import SourceError

# Seconds between two questions: to one that answered, to one whose sync has ended, to one that never did.
OFTEN, SELDOM, RARELY = 0.5, 2.0, 5.0
# Hosts of one play start within seconds of each other; so long an earlier one may be silent before it counts as absent.
GRACE = 5.0
# No host asks more than so many: the first, on whom all depends, and some of the others.
MOST, ALWAYS = 24, 4
# A peer that broke off or stalled so often is left alone.
STRIKES = 3
# What a peer says of itself with these cannot change within the run.
_FOR_GOOD = frozenset({"refused", "tls"})


class Asks(Protocol):
    """One peer, as ``client.PeerClient`` documents it."""

    def index(self, view: View, *, place: bool = False) -> str:
        """A page of its catalogue. :raises SourceError: it gave none."""

    def get(self, digest: str, headers: Mapping[str, str]) -> tuple[Any, Any]:
        """An answer with a blob, and the connection it comes by. :raises SourceError: it gave none."""

    def keep(self, connection: Any, response: Any) -> None:
        """The answer was read, or is left."""

    def close(self) -> None:
        """No more is asked."""


@dataclass
class PeerState:
    """What is known of one peer. Changed only under the lock of the watch.

    :param earlier: it comes before this host, so this host waits for what it wants, too.
    :param rounds: how often it was asked.
    :param up: it answered last time.
    :param out: why it is no source any more in this run.
    :param using: how many files this host fetches from it now.
    :param strikes: how often it broke off, stalled, or had a part in wrong bytes.
    :param left: where it was when it was not waited for any longer, see ``View.mark``.
    """

    peer: Peer
    client: Asks
    earlier: bool
    view: View = field(default_factory=View)
    rounds: int = 0
    up: bool = False
    seen: bool = False
    out: str = ""
    using: int = 0
    strikes: int = 0
    left: tuple[str, int, int] | None = None

    @property
    def serves(self) -> bool:
        """Can something be had from it?"""
        return self.up and not self.out


def chosen(config: SeedConfig) -> list[Peer]:
    """Whom this host asks: all others, or where they are many, the first ones and some by lot, the same every time."""
    others = [peer for peer in config.peers if peer.name != config.name]
    if len(others) <= MOST:
        return others
    lot = {peer.name: hashlib.sha256(f"{config.name}\n{peer.name}".encode()).digest() for peer in others[ALWAYS:]}
    taken = set(sorted(lot, key=lot.__getitem__)[: MOST - ALWAYS])
    return [peer for index, peer in enumerate(others) if index < ALWAYS or peer.name in taken]


class Watch:
    """Keeps asking the peers until it is closed.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, config: SeedConfig, connect: Callable[[Peer], Asks], *, monotonic: Callable[[], float]) -> None:
        order = {peer.name: index for index, peer in enumerate(config.peers)}
        own = order.get(config.name, len(order))
        self._monotonic = monotonic
        self.began = monotonic()
        self.change = threading.Condition(threading.RLock())
        self.closed = threading.Event()
        self.states: Sequence[PeerState] = tuple(
            PeerState(peer=peer, client=connect(peer), earlier=order[peer.name] < own) for peer in chosen(config)
        )

    def start(self) -> None:
        """Begin to ask."""
        self.began = self._monotonic()
        for state in self.states:
            threading.Thread(target=self._keep_asking, args=(state,), name="drydock-peer", daemon=True).start()

    def close(self) -> None:
        """Ask no more; who waits for a change is woken."""
        self.closed.set()
        with self.change:
            self.change.notify_all()
        for state in self.states:
            state.client.close()

    def ask(self, state: PeerState, *, place: bool = False) -> bool:
        """Ask one peer now. :return: whether it took this host in, where a place was asked for."""
        before = View(instance=state.view.instance, since=state.view.since)
        try:
            page = state.client.index(before, place=place)
            with self.change:
                if (state.view.instance, state.view.since) == (before.instance, before.since):
                    state.view.read(page)
                else:
                    state.view.read_state(page)
                state.up = state.seen = True
                given = place and state.view.place
        except SourceError as error:
            given = False
            self.lost(state, error.kind, error.message)
        except ValueError:
            given = False
            self.lost(state, "refused", f"{state.peer.base} does not answer as a peer does")
        with self.change:
            state.rounds += 1
            self.change.notify_all()
        return given

    def lost(self, state: PeerState, kind: str, why: str) -> None:
        """A peer failed; some failures are for good."""
        with self.change:
            state.up = False
            if kind in _FOR_GOOD:
                state.out = why
            self.change.notify_all()

    def strike(self, state: PeerState, why: str, *, count: int = 1) -> None:
        """It failed in the middle of a file."""
        with self.change:
            state.strikes += count
            if state.strikes >= STRIKES:
                state.out = why
            self.change.notify_all()

    def _keep_asking(self, state: PeerState) -> None:
        while not self.closed.is_set() and not state.out:
            self.ask(state)
            self.closed.wait(self._pause(state))

    def _pause(self, state: PeerState) -> float:
        with self.change:
            if state.up:
                return OFTEN if state.view.syncing else SELDOM
            return OFTEN if self._monotonic() - self.began < GRACE else SELDOM if state.seen else RARELY
