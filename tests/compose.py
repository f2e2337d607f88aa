# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose for tests that release on this machine's own engine, which often comes without."""

from __future__ import annotations

from pathlib import Path

from lab.checkout import Checkout
from lab.docker import Docker
from lab.images import host_image

PLUGIN = "/usr/libexec/docker/cli-plugins/docker-compose"  # where Debian has it


def with_compose(checkout: Checkout, engine: Docker, place: Path) -> dict[str, str]:
    """The environment that finds Compose: as it is, or with that of a lab host, put below ``place``."""
    if engine("compose", "version", check=False).returncode == 0:
        return {}
    plugins = place / "cli-plugins"
    plugins.mkdir(parents=True)
    created = engine("create", host_image(checkout, engine, with_engine=True), "true").stdout.strip()
    try:
        engine("cp", f"{created}:{PLUGIN}", str(plugins))
    finally:
        engine("rm", "--force", created)
    return {"DOCKER_CONFIG": str(place)}
