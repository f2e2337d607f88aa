# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mounted model set: nothing is loaded whose digest is not the manifest's.

The set is a directory with a ``manifest.json``:
``{"name": ..., "version": ..., "files": {path: {"sha256": hex, "size": bytes}}}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ocr.errors import CannotStartError

MANIFEST = "manifest.json"
REQUIRED = ("det.onnx", "rec.onnx", "cls.onnx")
BLOCK = 1024 * 1024


@dataclass(frozen=True)
class ModelFile:
    """One file as the manifest describes it."""

    path: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ModelSet:
    """A manifest that was read, with where it lies."""

    directory: Path
    name: str
    version: str
    files: tuple[ModelFile, ...]

    def file(self, path: str) -> ModelFile:
        """The manifest's entry of a file that is known to be there."""
        return next(item for item in self.files if item.path == path)


def open_model_set(directory: Path, required: Iterable[str] = REQUIRED) -> ModelSet:
    """Read the manifest and check every file it names against it; raise CannotStartError with all that is wrong."""
    model_set = read_manifest(directory)
    named = {item.path for item in model_set.files}
    problems = [f"{path}: not in the manifest" for path in required if path not in named]
    for item in model_set.files:
        problems.extend(problems_of(directory, item))
    if problems:
        raise CannotStartError(
            f"The model set in {directory} ({model_set.name} {model_set.version}) is not what its manifest says: "
            f"{'; '.join(problems)}. Nothing was loaded. Deliver the set again, then start the service."
        )
    return model_set


def read_manifest(directory: Path) -> ModelSet:
    """The manifest of a set, its shape checked."""
    path = directory / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except OSError as exc:
        raise CannotStartError(
            f"The model set's manifest {path} cannot be read ({exc.strerror}). Is the set mounted at {directory}?"
        ) from exc
    except ValueError as exc:
        raise CannotStartError(f"The model set's manifest {path} is not JSON: {exc}.") from exc
    try:
        files = tuple(model_file(name, entry) for name, entry in content["files"].items())
        return ModelSet(directory=directory, name=str(content["name"]), version=str(content["version"]), files=files)
    except (KeyError, TypeError, AttributeError, ValueError) as exc:
        raise CannotStartError(
            f"The model set's manifest {path} does not have the expected form (name, version, "
            f"files: {{path: {{sha256, size}}}}): {type(exc).__name__} {exc}."
        ) from exc


def model_file(name: str, entry: dict[str, Any]) -> ModelFile:
    """One entry of the manifest; the path stays inside the set."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or not name:
        raise ValueError(f"{name!r} leads out of the set")
    return ModelFile(path=name, sha256=str(entry["sha256"]).lower(), size=int(entry["size"]))


def problems_of(directory: Path, expected: ModelFile) -> list[str]:
    """What is wrong with one file, in words; empty when nothing is."""
    path = directory / expected.path
    try:
        size = path.stat().st_size
        if size != expected.size:
            return [f"{expected.path}: {size} bytes, expected {expected.size}"]
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    except OSError as exc:
        return [f"{expected.path}: {exc.strerror}"]
    if digest.hexdigest() != expected.sha256:
        return [f"{expected.path}: sha256 {digest.hexdigest()}, expected {expected.sha256}"]
    return []


def load_verified(model_set: ModelSet, path: str) -> bytes:
    """A file's bytes, checked after reading: what was verified is what gets loaded."""
    expected = model_set.file(path)
    try:
        content = (model_set.directory / path).read_bytes()
    except OSError as exc:
        raise CannotStartError(f"The model {model_set.directory / path} cannot be read ({exc.strerror}).") from exc
    found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise CannotStartError(
            f"The model {model_set.directory / path} changed while the service started: sha256 {found}, "
            f"expected {expected.sha256}. Deliver the set again, then start the service."
        )
    return content
