# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A store in a temporary directory, and the module run on it as a process of its own."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MODULE = "ansible_collections.drydock.serving.plugins.modules.model_sync"


def weights(size: int, *, seed: int = 2) -> bytes:
    """A safetensors file of exactly so many bytes, always the same for the same seed."""
    room = 200
    count = size - 8 - room
    header = json.dumps({"w": {"dtype": "U8", "shape": [count], "data_offsets": [0, count]}}).ljust(room)
    data = random.Random(seed).randbytes(count)  # noqa: S311 - a fixed seed, so that a failure can be seen again
    return room.to_bytes(8, "little") + header.encode() + data


SIZE = 3 * 1024 * 1024 + 17
CONTENT = weights(SIZE)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Host:
    """A store in a temporary directory, and the module run on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "models"

    def arguments(self, *urls: str, version: str = "1", sha256: str = SHA256, **options: Any) -> Path:
        file = {
            "path": "m.safetensors",
            "urls": list(urls),
            "checksum": f"sha256:{sha256}",
            "size": options.pop("size", SIZE),
        }
        check = options.pop("check", False)
        given = {
            "root": str(self.store),
            "models": [{"name": "ocr", "version": version, "files": [file]}],
            "owner": str(os.getuid()),
            "group": str(os.getgid()),
            "reserve": "0",
            "retry_delay": 0.01,
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            "_ansible_remote_tmp": str(self.root),
            **options,
        }
        path = self.root / f"arguments-{time.monotonic_ns()}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
        return path

    def start(self, *urls: str, environment: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, str(self.arguments(*urls, **options))],
            cwd=self.root,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def sync(self, *urls: str, environment: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        process = self.start(*urls, environment=environment, **options)
        output, errors = process.communicate(timeout=60)
        assert "Traceback" not in output + errors, output + errors
        return dict(json.loads(output))

    def active(self) -> bytes:
        return (self.store / "sets" / "ocr" / "current" / "m.safetensors").read_bytes()

    def final_names(self) -> list[str]:
        places = [self.store / "sets", self.store / "blobs"]
        return sorted(str(path) for place in places if place.exists() for path in place.rglob("*") if path.is_file())
