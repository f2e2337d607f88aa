# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory with the evidence of one failed release: root's alone, without secrets, and of bounded size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._release.redact import Redactor

MIB = 1024 * 1024
WHOLE = 16 * MIB  # of all files together
PART = MIB // 4  # of one file, where nothing else is said
CUT = "[the first {left_out} bytes are left out]\n"


class Bundle:
    """Writes the files of one bundle. A file that is too long keeps its end, where programs say what went wrong."""

    def __init__(self, folder: Path, redactor: Redactor, *, limit: int = WHOLE) -> None:
        self.folder = folder
        self.names: list[str] = []
        self._redactor = redactor
        self._left = limit
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def text(self, name: str, text: str, *, most: int = PART) -> None:
        """A text that programs said.

        :raises OSError: the disk takes no more.
        """
        if text.strip():
            self._write(name, (self._redactor.text(text).rstrip("\n") + "\n").encode("utf-8"), most)

    def data(self, name: str, value: Any) -> None:
        """For programs; never cut, so it has to be of bounded size already.

        :raises OSError: as above.
        """
        text = json.dumps(self._redactor.data(value), indent=2, sort_keys=True, default=str)
        self._write(name, (text + "\n").encode("utf-8"), None)

    def answer(self, name: str, body: bytes, *, most: int = MIB) -> None:
        """What a service answered, text or not, from its beginning.

        :raises OSError: as above.
        """
        try:
            clean = self._redactor.text(body[:most].decode("utf-8")).encode("utf-8")
        except UnicodeDecodeError:
            clean = self._redactor.known(body[:most].decode("latin-1")).encode("latin-1", "replace")
        self._write(name, clean, None)

    def _write(self, name: str, content: bytes, most: int | None) -> None:
        room = self._left if most is None else min(most, self._left)
        if len(content) > room:
            content = b"" if most is None else _end_of(content, room)
        if not content:
            return
        write_atomic(self.folder / name, content, mode=0o600)
        if name not in self.names:
            self.names.append(name)
            self._left -= len(content)


def _end_of(content: bytes, room: int) -> bytes:
    """The last bytes of a text, from the beginning of a line, below a line that says so."""
    said = CUT.format(left_out=len(content)).encode("ascii")  # as long as the final one, or longer
    if room <= len(said):
        return b""
    kept = content[-(room - len(said)) :]
    kept = kept[kept.find(b"\n") + 1 :] or kept
    return CUT.format(left_out=len(content) - len(kept)).encode("ascii") + kept
