# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thin client of the engine: the ``docker`` command, its failures as sentences."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError
from lab.proc import Result, run


@dataclass(frozen=True)
class Docker:
    """The ``docker`` command with what has to stand before it."""

    prefix: tuple[str, ...] = ()

    @classmethod
    def find(cls) -> Docker | None:
        """A client whose engine answers, by way of sudo where only that is allowed; None when no engine answers."""
        for prefix in ((), ("sudo", "-n")):
            try:
                found = run([*prefix, "docker", "version", "--format", "{{.Server.Version}}"], check=False, timeout=20)
            except LabError:  # a missing or hanging client is the same answer: no engine
                continue
            if found.returncode == 0:
                return cls(prefix=prefix)
            if "permission denied" not in found.stderr:
                return None
        return None

    def __call__(
        self,
        *args: str,
        check: bool = True,
        timeout: float = 600,
        stdin: str | None = None,
        purpose: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run one docker command."""
        return run([*self.prefix, "docker", *args], check=check, timeout=timeout, stdin=stdin, purpose=purpose, env=env)

    def lines(self, *args: str) -> list[str]:
        """What a docker command prints, line by line."""
        return self(*args).stdout.split("\n")[:-1]

    def inspect(self, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
        """What the engine knows of these objects; the ones it does not know are left out."""
        if not names:
            return []
        result = self(kind, "inspect", *names, check=False)
        found: list[dict[str, Any]] = json.loads(result.stdout or "[]")
        return found

    def copy_in(self, container: str, archive: bytes) -> None:
        """Unpack a tar archive at the root of a container."""
        command = [*self.prefix, "docker", "cp", "-", f"{container}:/"]
        result = subprocess.run(command, check=False, capture_output=True, input=archive, timeout=60)
        if result.returncode != 0:
            raise LabError(f"Could not copy files into {container}: {result.stderr.decode(errors='replace').strip()}")

    def has_image(self, reference: str) -> bool:
        """Whether the engine holds this image."""
        return self("image", "inspect", "--format", "{{.Id}}", reference, check=False).returncode == 0
