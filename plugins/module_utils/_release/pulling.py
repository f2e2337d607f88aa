# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the pull of an image is, from the lines that `docker pull` writes where there is no terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed, Runner, SubprocessRunner

BEGUN = frozenset({"Pulling fs layer", "Waiting", "Downloading", "Extracting", "Verifying Checksum"})
RECEIVED = frozenset({"Download complete"})
DONE = frozenset({"Pull complete", "Already exists"})


class Layers:
    """Counts the layers of one image.

    :param tell: called with words such as ``registry.example.org/ocr:2: 3 of 7 layers, 5 received``.
    """

    def __init__(self, reference: str, tell: Callable[[str], None]) -> None:
        self._reference, self._tell = reference, tell
        self._state: dict[str, int] = {}

    def begin(self) -> None:
        """The registry is asked; nothing is known yet."""
        self._state.clear()
        self._tell(self._reference)

    def line(self, text: str) -> None:
        """One line of the command."""
        layer, colon, said = text.partition(": ")
        rank = 2 if said in DONE else 1 if said in RECEIVED else 0 if said in BEGUN else None
        if not colon or rank is None:
            return
        self._state[layer] = max(rank, self._state.get(layer, 0))
        done = sum(1 for state in self._state.values() if state == 2)
        received = sum(1 for state in self._state.values() if state)
        self._tell(f"{self._reference}: {done} of {len(self._state)} layers, {received} received")


# The runner, how `docker` is called, the image, seconds.
Puller = Callable[[Runner, Sequence[str], str, float], Completed]


def pull(runner: Runner, docker: Sequence[str], reference: str, timeout: float) -> Completed:
    """Pull an image and say nothing meanwhile."""
    return runner.run([*docker, "pull", "--quiet", reference], timeout=timeout)


def telling(tell: Callable[[str], None]) -> Puller:
    """Pull images and tell how far they are."""

    def puller(_runner: Runner, docker: Sequence[str], reference: str, timeout: float) -> Completed:
        layers = Layers(reference, tell)
        layers.begin()
        return SubprocessRunner().stream([*docker, "pull", reference], layers.line, timeout=timeout)

    return puller
