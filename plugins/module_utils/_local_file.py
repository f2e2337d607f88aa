# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of this host, or a member of a bundle on this host, answering like a server."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from urllib.parse import unquote

from ansible_collections.drydock.serving.plugins.module_utils._bundle import open_member
from ansible_collections.drydock.serving.plugins.module_utils._source import Answer, Source, SourceError


def open_file(source: Source, *, offset: int, until: int | None) -> Answer:
    """The bytes of ``file:///path`` from ``offset`` on, up to and without ``until``.

    ``file:///path/bundle.tar#<sha256>`` is the member of that digest.

    :raises SourceError: it is not there, or may not be read.
    """
    path = Path(unquote(source.parts.path))
    try:
        descriptor, base, size = open_member(path, source.parts.fragment) if source.parts.fragment else _whole(path)
    except FileNotFoundError:
        raise SourceError("not_found", f"{source.shown}: no such file on this host") from None
    except OSError as error:
        raise SourceError("refused", f"{source.shown}: {error.strerror or error}") from None
    except ValueError as error:
        raise SourceError("not_found", f"{source.shown} {error}") from None
    stop = size if until is None else min(until, size)
    place = [offset]

    def read(amount: int) -> bytes:
        try:
            data = os.pread(descriptor, max(0, min(amount, stop - place[0])), base + place[0])
        except OSError as error:  # a medium that cannot be read; the next source may have the file
            raise SourceError("refused", f"{source.shown}: {error.strerror or error}") from None
        place[0] += len(data)
        return data

    handle = io.FileIO(descriptor, "rb")
    if offset > size:
        return Answer(status=416, headers={}, read=read, close=handle.close)
    headers = {"Content-Length": str(stop - offset)}
    if not offset and until is None:
        return Answer(status=200, headers=headers, read=read, close=handle.close)
    headers["Content-Range"] = f"bytes {offset}-{stop - 1}/{size}"
    return Answer(status=206, headers=headers, read=read, close=handle.close)


def _whole(path: Path) -> tuple[int, int, int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        raise ValueError("is not a file")
    return descriptor, 0, found.st_size
