# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions the records of releases name, so that going back to a release finds its models."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._model_store.sets import read_json

RECORD = "release.json"


@dataclass(frozen=True)
class Recorded:
    """What records name.

    :param versions: why a version stays, by name and version of the model: ``named by the release 20261120T000000Z``.
    :param unreadable: paths of records of which nobody knows what they name.
    """

    versions: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unreadable: tuple[str, ...] = ()


def read_records(releases: Path | None) -> Recorded:
    """Read every ``<releases>/*/release.json``. No directory: no release yet."""
    if releases is None:
        return Recorded()
    versions: dict[tuple[str, str], str] = {}
    unreadable = []
    try:
        folders = sorted(folder for folder in releases.iterdir() if _has_record(folder))
    except OSError as error:
        return Recorded() if error.errno == errno.ENOENT else Recorded(unreadable=(str(releases),))
    for folder in folders:
        named = _versions_in(folder / RECORD)
        if named is None:
            unreadable.append(str(folder / RECORD))
        versions.update(dict.fromkeys(named or (), f"named by the release {folder.name}"))
    return Recorded(versions, tuple(unreadable))


def _has_record(folder: Path) -> bool:
    try:
        (folder / RECORD).lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno != errno.ENOTDIR
    return True


def _versions_in(path: Path) -> list[tuple[str, str]] | None:
    """Names and versions of the models of one release (``_release/record.py``); ``None`` where nobody can tell."""
    content = read_json(path)
    models = content.get("models") if isinstance(content, Mapping) else None
    if not isinstance(models, Mapping):
        return None
    if not all(isinstance(model, Mapping) and isinstance(model.get("version"), str) for model in models.values()):
        return None
    return [(name, model["version"]) for name, model in models.items()]
