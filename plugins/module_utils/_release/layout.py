# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a stack lives on a host. The one place that knows these paths (DESIGN: the host, after a deploy)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STAGING = ".staging"


@dataclass(frozen=True)
class Layout:
    """Paths of one stack."""

    root: Path
    secrets: Path

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def failures(self) -> Path:
        return self.root / "failures"

    @property
    def backups(self) -> Path:
        """Copies of the components' data."""
        return self.root / "backups"

    @property
    def upstreams(self) -> Path:
        """What the edge includes: where each service is reached."""
        return self.root / "edge" / "upstreams.conf"

    @property
    def gate(self) -> Path:
        """What the edge includes beside: whether requests are let through."""
        return self.root / "edge" / "gate.conf"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def journal(self) -> Path:
        return self.state / "journal.json"

    @property
    def probation(self) -> Path:
        """Which release is watched, and until when."""
        return self.state / "probation.json"

    @property
    def watching(self) -> Path:
        """Held by whoever watches it."""
        return self.state / "probation.lock"

    @property
    def prepared(self) -> Path:
        """Whose release is ready and waits to be switched."""
        return self.state / "prepared.json"

    @property
    def out_of_service(self) -> Path:
        """While this file is there, the edge tells balancers that it is not to be sent anything."""
        return self.root / "edge" / "out-of-service"

    @property
    def lease(self) -> Path:
        return self.state / "lease.json"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def gate_note(self) -> Path:
        """Why the edge is closed, while it is."""
        return self.state / "gate.json"

    @property
    def job(self) -> Path:
        """How far the run that holds the stack is, and answers from the controller."""
        return self.state / "job"

    @property
    def hook(self) -> Path:
        """Which hook runs on the host, while one does."""
        return self.state / "hook.json"

    @property
    def pulled(self) -> Path:
        """Which images this stack's releases brought to the host."""
        return self.state / "images.json"

    @property
    def warm(self) -> Path:
        """Which containers of an earlier release run on."""
        return self.state / "warm.json"

    @property
    def registry_auth(self) -> Path:
        """Logins for registries, for the length of a pull."""
        return self.state / "registry-auth"

    @property
    def fingerprint_key(self) -> Path:
        return self.state / "fingerprint.key"

    def release(self, identity: str) -> Path:
        return self.releases / identity

    def staging(self, identity: str) -> Path:
        return self.releases / (identity + STAGING)

    def make(self) -> None:
        """Create the skeleton. Data directories are reached by containers' users; the rest is root's alone."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        for path, mode in (
            (self.releases, 0o750),
            (self.config, 0o711),
            (self.data, 0o711),
            (self.upstreams.parent, 0o755),
            (self.failures, 0o700),
            (self.backups, 0o700),
            (self.state, 0o700),
        ):
            if not path.is_dir():
                path.mkdir(mode=mode)
                path.chmod(mode)
