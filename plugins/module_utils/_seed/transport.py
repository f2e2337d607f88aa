# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches from peers what the locator chose, and from another peer when that one fails; everything else as ever.

Who gave a whole file that is then asked for again, of it or of the origin, gave wrong bytes: nothing else makes the
download come back. Such a peer is no source any more in this run.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._seed.client import named
from ansible_collections.drydock.serving.plugins.module_utils._seed.locator import Wanted, holders
from ansible_collections.drydock.serving.plugins.module_utils._seed.request import BLOB
from ansible_collections.drydock.serving.plugins.module_utils._seed.watch import STRIKES, PeerState, Watch
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, Source, SourceError, Transport


@dataclass
class _File:
    """What came of one file from peers.

    :param came: bytes by peer.
    """

    size: int
    came: dict[str, int] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return sum(self.came.values()) >= self.size


class PeerTransport:
    """Stands before another transport.

    :param name: of this host.
    """

    def __init__(self, watch: Watch, inner: Transport, *, name: str) -> None:
        self._watch = watch
        self._inner = inner
        self._name = name
        self._guard = threading.Lock()
        self._files: dict[str, _File] = {}
        self._digests: dict[str, str] = {}
        self._peers = {state.peer.name: state for state in watch.states}
        self._origins = {state.peer.origin: state for state in watch.states}

    def expect(self, items: Sequence[Wanted]) -> None:
        """Learn which files are to come, so that their addresses at the origin are known."""
        for item in items:
            self._files[item.sha256] = _File(item.size)
            self._digests.update({source.url: item.sha256 for source in item.sources})

    def open(self, source: Source, *, offset: int, until: int | None = None, etag: str | None = None) -> Answer:
        """As every transport."""
        chosen = self._origins.get(source.origin)
        found = BLOB.fullmatch(source.parts.path)
        if chosen is None or found is None or found[1] not in self._files:
            self._suspect(self._digests.get(source.url, ""))
            return self._inner.open(source, offset=offset, until=until, etag=etag)
        self._suspect(found[1])
        ask = {}
        if offset or until is not None:
            ask["Range"] = f"bytes={offset}-" if until is None else f"bytes={offset}-{until - 1}"
            if etag:
                ask["If-Range"] = etag
        return self._from_peers(chosen, found[1], ask)

    def _from_peers(self, chosen: PeerState, digest: str, ask: dict[str, str]) -> Answer:
        """From the chosen one, or from who else has it."""
        states = holders(self._watch, digest, self._name)
        said = f"{chosen.peer.base} is no source any more"
        for state in sorted(states, key=lambda state: state is not chosen):
            try:
                response, connection = state.client.get(digest, ask)
            except SourceError as error:
                said = error.message
                self._failed(state, error)
                continue
            return self._answer(state, digest, response, connection)
        raise SourceError("not_found", f"{said}, and no other host of the group has the file")

    def _answer(self, state: PeerState, digest: str, response: http.client.HTTPResponse, connection: Any) -> Answer:
        using = [state]
        with self._watch.change:
            state.using += 1

        def read(amount: int) -> bytes:
            try:
                data = response.read(amount)
            except (OSError, http.client.HTTPException, ValueError) as error:
                failure = named(state.peer, error)
                self._failed(state, failure)
                raise SourceError("interrupted", failure.message, retryable=True) from None
            with self._guard:
                came = self._files[digest].came
                came[state.peer.name] = came.get(state.peer.name, 0) + len(data)
            if not data and response.length:
                self._failed(state, SourceError("interrupted", f"{state.peer.base} ended before the file did"))
            return data

        def close() -> None:
            with self._watch.change:
                if using:
                    using.pop().using -= 1
            state.client.keep(connection, response)

        def abort() -> None:
            with contextlib.suppress(OSError, AttributeError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

        return Answer(
            status=response.status, headers=dict(response.headers.items()), read=read, close=close, abort=abort
        )

    def _failed(self, state: PeerState, error: SourceError) -> None:
        if self._watch.closed.is_set() or error.kind == "not_found":
            with self._watch.change:
                state.view.have.clear()  # it says more about itself when it is asked the next time
                state.view.instance = "0" * 16
            return
        self._watch.lost(state, error.kind, error.message)
        self._watch.strike(state, error.message)

    def _suspect(self, digest: str) -> None:
        """A file whose bytes all came from peers is asked for again: they were wrong."""
        with self._guard:
            file = self._files.get(digest)
            if file is None or not file.is_whole:
                return
            came, file.came = file.came, {}
        for name in came:
            whole = len(came) == 1
            self._watch.strike(
                self._peers[name],
                f"{self._peers[name].peer.base} sent wrong bytes",
                count=STRIKES if whole else 1,
            )
