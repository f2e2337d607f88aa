# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder on the controller (``file:///folder``). Hosts will look for it at the same path."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.types import (
    Context,
    ResolvedFile,
    ResolvedSet,
    SetRequest,
)


def backend(_context: Context) -> LocalBackend:
    return LocalBackend()


class LocalBackend:
    """Every file below the folder. Links that lead out of it, links to folders and devices are refused."""

    def resolve(self, request: SetRequest, /) -> ResolvedSet:
        url = request.source or ""
        folder = _path(url)
        if not folder.is_dir():
            raise DrydockError("not_found", f"{url}: there is no such folder on this controller.")
        problems: list[str] = []
        try:
            files = [
                ResolvedFile(
                    path=path,
                    size=entry.stat().st_size,
                    sha256=None,
                    urls=(f"file://{quote(os.fsencode(folder / path))}",),
                    open=partial(_open, entry),
                )
                for path, entry in _walk(folder.resolve(), problems)
            ]
        except OSError as error:
            raise DrydockError("refused", f"{url} cannot be read: {error.strerror}. Lock again.") from None
        if problems:
            raise DrydockError("refused", f"{url} holds what no set may hold: {'; '.join(sorted(problems))}.")
        return ResolvedSet(source=url, files=tuple(files))

    def look(self, path: str, url: str, /) -> ResolvedFile:
        entry = _path(url)
        if not entry.is_file():
            raise DrydockError("not_found", f"{url}: there is no such file on this controller.")
        return ResolvedFile(
            path=path, size=entry.stat().st_size, sha256=None, urls=(url,), open=partial(_open, entry.resolve())
        )


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.hostname not in (None, "localhost") or not parts.path.startswith("/"):
        raise DrydockError("invalid_input", "expected file:///an/absolute/path.")
    return Path(unquote(parts.path))


def _walk(base: Path, problems: list[str]) -> Iterator[tuple[str, Path]]:
    """Relative path and place of every file; links to files inside the folder count as files."""

    def unreadable(error: OSError) -> None:
        problems.append(f"{_shown(Path(error.filename), base)} cannot be read ({error.strerror})")

    for here, folders, names in os.walk(base, onerror=unreadable):
        folders.sort()
        links = (Path(here) / name for name in folders)
        problems += [f"{_shown(link, base)} is a link to a folder" for link in links if link.is_symlink()]
        for name in sorted(names):
            entry = Path(here) / name
            path = entry.relative_to(base).as_posix()
            real = Path(os.path.realpath(entry))  # where links go round, the link itself
            if not real.is_relative_to(base):
                problems.append(f"{_shown(entry, base)} is a link that leads out of the folder")
            elif not real.exists() or not stat.S_ISREG(real.stat().st_mode):
                problems.append(f"{_shown(entry, base)} is not a file")
            else:
                yield path, real


def _shown(place: Path, base: Path) -> str:
    """For a message, also where the name is not UTF-8."""
    return str(place.relative_to(base)).encode(errors="backslashreplace").decode()


def _open(path: Path) -> BinaryIO:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")
    except OSError as error:
        raise DrydockError("refused", f"{path} cannot be read: {error.strerror}.") from None
