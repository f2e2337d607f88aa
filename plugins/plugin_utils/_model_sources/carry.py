# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small files that a hub sends only to those with a token: the controller reads them, and hosts get the bytes from it.

A file is read only when it has to be, whole, and compared with what is wanted before anything of it leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._http import redact
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.hub import Held

MIB = 1024 * 1024
LARGEST = 16 * MIB  # bytes of one file; hubs keep what is larger than 10 MB in storage and redirect to it
MOST = 64 * MIB  # bytes of all files of one host, which the controller has in memory
MANY = 256  # files of one host; each is a transfer of its own
AT_ONCE = 8

Send = Callable[[Mapping[str, bytes]], Mapping[str, str]]
"""Brings contents, by checksum, to where they are wanted, and gives the address of each there."""


class Reader(Protocol):
    """What can read these files."""

    def read(self, held: Held, size: int) -> bytes:
        """The file, of at most so many bytes. :raises DrydockError: it did not come."""

    def advice(self) -> str:
        """What else there is, where a file cannot be carried."""


@dataclass
class File:
    """A file that a host needs.

    :param where: names it to people.
    :param found: for each of its sources an address, what the controller can read, or why there is none.
    """

    where: str
    checksum: str
    size: Any
    found: list[str | Held | DrydockError]

    @property
    def held(self) -> Held | None:
        """Its first source that only the controller can ask."""
        return next((one for one in self.found if isinstance(one, Held)), None)

    def put(self, instead: str | DrydockError) -> None:
        """What became of the sources that only the controller can ask: they come first, or fail together."""
        rest = [one for one in self.found if not isinstance(one, Held)]
        self.found = [instead, *rest]

    def urls(self, warn: Callable[[str], None]) -> list[str]:
        """The addresses for the host. :raises DrydockError: there is none."""
        reasons = [one for one in self.found if isinstance(one, DrydockError)]
        urls = [one for one in self.found if isinstance(one, str)]
        if reasons and not urls:
            raise DrydockError(reasons[0].kind, f"{self.where}: {reasons[0].message}", **reasons[0].details)
        for reason in reasons:
            warn(f"{self.where}: one source is left out. {reason.message}")
        return urls


def carry(files: Sequence[File], reader: Reader, send: Send | None) -> None:
    """Give every file that only the controller can read an address on the host, or the reason why it has none."""
    asked = [(file, file.held) for file in files]
    wanted = {file.checksum: (file, held) for file, held in asked if held is not None}
    if not wanted:
        return
    outcome: dict[str, str | DrydockError] = dict(_too_much(list(wanted.values()), reader, possible=send is not None))
    small = [entry for checksum, entry in wanted.items() if checksum not in outcome]
    contents: dict[str, bytes] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        reads = pool.map(lambda entry: _read(entry[0], entry[1], reader), small)
        for (file, _held), read in zip(small, reads, strict=True):
            if isinstance(read, DrydockError):
                outcome[file.checksum] = read
            else:
                contents[file.checksum] = read
    if contents and send is not None and not _hopeless(files, outcome):
        outcome.update(send(contents))
    for file in files:
        if file.held is not None and file.checksum in outcome:
            file.put(outcome[file.checksum])


def _hopeless(files: Sequence[File], outcome: Mapping[str, str | DrydockError]) -> bool:
    """Whether some file has no source at all, so that the run ends here and nothing is to be left on the host."""
    return any(
        all(
            isinstance(outcome.get(file.checksum) if isinstance(one, Held) else one, DrydockError) for one in file.found
        )
        for file in files
        if file.found
    )


def _too_much(wanted: Sequence[tuple[File, Held]], reader: Reader, *, possible: bool) -> dict[str, DrydockError]:
    """Files that are too large to be carried, or too many."""
    refused: dict[str, DrydockError] = {}
    total = count = 0
    for file, held in wanted:
        known = isinstance(file.size, int) and file.size >= 0
        size = file.size if known else 0
        if not possible or not known:
            why = "a host would need the token"
        elif size > LARGEST:
            why = f"its {size} bytes are more than the {LARGEST} that the controller brings to a host by itself"
        elif total + size > MOST or count == MANY:
            why = f"the controller brings at most {MOST} bytes in {MANY} files to a host by itself, and there is more"
        else:
            total, count = total + size, count + 1
            continue
        refused[file.checksum] = DrydockError(
            "refused",
            f"{redact(held.url)} is private, the hub serves it itself instead of redirecting to storage, and {why}. "
            f"{reader.advice()}",
        )
    return refused


def _read(file: File, held: Held, reader: Reader) -> bytes | DrydockError:
    try:
        content = reader.read(held, max(file.size, 1))
    except DrydockError as error:
        return error
    found = f"sha256:{hashlib.sha256(content).hexdigest()}"
    if (found, len(content)) == (file.checksum, file.size):
        return content
    return DrydockError(
        "checksum_mismatch",
        f"{redact(held.url)}: expected {file.checksum} with {file.size} bytes, found {found} with {len(content)}. "
        "Likely cause: the file was changed, or a proxy answered. Next step: lock again and compare.",
    )
