# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building images on the machine's engine, named by what went into them, so that what exists is not built again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from lab.checkout import Checkout
from lab.docker import Docker
from lab.progress import elapsed, say

PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy")


def tree_digest(paths: Iterable[Path], *extra: str) -> str:
    """Twelve hexadecimal digits that stand for files (relative names, modes, contents) and strings."""
    digest = hashlib.sha256()
    for root in paths:
        for path in sorted([root] if root.is_file() else root.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.name if path == root else str(path.relative_to(root))
                executable = "x" if os.access(path, os.X_OK) else "-"
                digest.update(f"{name}\0{executable}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    for text in extra:
        digest.update(b"\0" + text.encode())
    return digest.hexdigest()[:12]


def build(
    checkout: Checkout,
    docker: Docker,
    *,
    tag: str,
    context: Path,
    arguments: Mapping[str, str],
    what: str,
    timeout: float = 420,
) -> str:
    """Build ``context`` as ``tag`` unless the engine has it; return the tag."""
    if docker.has_image(tag):
        return tag
    started = elapsed()
    say(f"building {what}")
    proxies = {name: os.environ[name] for name in PROXY_VARIABLES if os.environ.get(name)}
    build_args = [f"--build-arg={key}={value}" for key, value in {**proxies, **arguments}.items()]
    docker(
        "build",
        "--quiet",
        "--force-rm",
        f"--label={checkout.label}",
        *build_args,
        f"--tag={tag}",
        str(context),
        timeout=timeout,
        env={"DOCKER_BUILDKIT": "0"},
        purpose=f"build {what}",
    )
    say(f"built {what} in {elapsed() - started:.1f} s")
    return tag
