# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checkout this is: the identity in every name, and where its state lies.

Two checkouts on one machine share the engine and nothing else, so every container, network, volume and image carries
the checkout's identity as the value of the label ``drydock.lab``.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LABEL = "drydock.lab"
DOMAIN = "lab.drydock.test"


def identity(root: Path) -> str:
    """Eight hexadecimal digits that stand for the checkout at this path."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Checkout:
    """The working tree the lab belongs to."""

    root: Path

    @property
    def id(self) -> str:
        """The checkout's identity."""
        return identity(self.root)

    @property
    def label(self) -> str:
        """The label that marks everything this checkout made, as ``key=value``."""
        return f"{LABEL}={self.id}"

    @property
    def network(self) -> str:
        """Name of the lab's own network."""
        return f"drydock-{self.id}"

    @property
    def state_dir(self) -> Path:
        """Where the lab keeps its keys, certificates and caches; git ignores it."""
        return self.root / ".lab"

    @property
    def images_dir(self) -> Path:
        """Where the image definitions lie."""
        return self.root / "lab" / "images"

    def path(self, *parts: str) -> Path:
        """A file under the state directory, whose parent directory exists."""
        found = self.state_dir.joinpath(*parts)
        found.parent.mkdir(parents=True, exist_ok=True)
        return found

    def container(self, name: str) -> str:
        """Name on the engine of the lab's host or service ``name``."""
        return f"drydock-{self.id}-{name}"

    @contextlib.contextmanager
    def lock(self, topic: str) -> Iterator[None]:
        """Let one process at a time work on a topic; the lock goes when its holder ends, however it ends."""
        with self.path("locks", topic).open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def this_checkout() -> Checkout:
    """The checkout this package lies in."""
    return Checkout(root=Path(__file__).resolve().parent.parent)
