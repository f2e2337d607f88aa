# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in memory, behind the protocol: hooks, and what copies data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended

from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker, KilledError


@dataclass
class Call:
    """A program that was run."""

    argv: tuple[str, ...]
    given: bytes
    environment: dict[str, str]
    timeout: float

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.given)
        return found


class FakePrograms:
    """``ends``: a word of the command -> how it ends; what is not named succeeds. A kill is Docker's."""

    def __init__(self, docker: FakeDocker) -> None:
        self._docker = docker
        self.calls: list[Call] = []
        self.ends: dict[str, Ended] = {}
        self.copy = b"a copy of the data"
        self.on_call: Callable[[Call], None] | None = None
        self.left: set[str] = set()  # marks of those that run; after a kill they still do
        self.unkillable = False

    def run(
        self, argv: Sequence[str], *, mark: str, environment: Mapping[str, str], timeout: float, given: bytes = b""
    ) -> Ended:
        assert not self.left, "beside one that runs"
        self.left.add(mark)
        ended = self._end(Call(tuple(argv), given, dict(environment), timeout))
        self.left.remove(mark)
        return ended

    def save(self, argv: Sequence[str], to: IO[bytes], *, timeout: float, watch: Callable[[], None]) -> Ended:
        ended = self._end(Call(tuple(argv), b"", {}, timeout))
        to.write(self.copy)
        to.flush()
        watch()
        return ended

    def feed(self, argv: Sequence[str], given: IO[bytes], *, timeout: float) -> Ended:
        return self._end(Call(tuple(argv), given.read(), {}, timeout))

    def end(self, mark: str) -> bool:
        if self.unkillable:
            raise DrydockError("timed_out", "It does not end.")
        found = mark in self.left
        self.left.discard(mark)
        return found

    def _end(self, call: Call) -> Ended:
        self.calls.append(call)
        self._docker.calls.append(call.argv)
        if self._docker.die_at is not None and len(self._docker.calls) > self._docker.die_at:
            raise KilledError
        if self.on_call is not None:
            self.on_call(call)
        found = [ended for word, ended in self.ends.items() if word in call.argv]
        return found[0] if found else Ended(code=0)

    def said(self, word: str) -> list[Call]:
        """The calls with this word."""
        return [call for call in self.calls if word in call.argv]
