# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as a stranger gets it: built, then installed away from the checkout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv" / "bin"


@dataclass(frozen=True)
class Installed:
    """Where the built artefact was installed, and the environment in which only that copy is found."""

    collections: Path
    home: Path

    @property
    def collection(self) -> Path:
        return self.collections / "ansible_collections" / "drydock" / "serving"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_NOCOLOR": "1",
            **{name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "REQUESTS_"))},
        }

    def run(self, *argv: str, cwd: Path | None = None, timeout: int = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            cwd=cwd or self.home,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tarball that ``ansible-galaxy collection build`` makes of this checkout."""
    out = tmp_path_factory.mktemp("build")
    subprocess.run(
        [str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    return out / f"drydock-serving-{version}.tar.gz"


@pytest.fixture(scope="session")
def installed(artefact: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The artefact, installed somewhere else; its dependencies are the ones in the ``ansible`` package."""
    place = Installed(tmp_path_factory.mktemp("collections"), tmp_path_factory.mktemp("home"))
    # --force: the checkout itself stands in site-packages, and Galaxy would call that "already installed".
    result = place.run(
        "ansible-galaxy", "collection", "install", "--force", "-p", str(place.collections), str(artefact)
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return place
