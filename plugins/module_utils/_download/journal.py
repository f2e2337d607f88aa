# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The side-car of a part file: an append-only account of which bytes are there and under which validator they came.

::

    drydock-part 2 <sha256> <size> <boot>     what it is about, and since which start of the machine it is written
    v <source> <etag>                         the strong ETag (as JSON) a source named; the last one counts
    + <start> <stop>                          these bytes were written
    = <start> <stop>                          these bytes are on the disk, whatever happens to the machine

A line is trusted when it is whole, and when everything before it is. Nothing here is synced: after a start of the
machine only ``=`` lines count, and what is lost of them is fetched again. The digest of the file judges in the end.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.drydock.serving.plugins.module_utils._download.stretches import Stretches

_MAGIC = "drydock-part 2"
_BOOT = Path("/proc/sys/kernel/random/boot_id")
# A side-car of 64 MiB would be of a file of terabytes; something else lies there then.
_MOST = 64 * 1024 * 1024


@functools.lru_cache(maxsize=1)
def boot_id() -> str:
    """Names this start of the machine; empty where the kernel does not tell."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


@dataclass
class Account:
    """What a side-car tells.

    :param validators: strong ETags by source.
    :param there: bytes that were written.
    :param durable: bytes that are on the disk.
    """

    validators: dict[str, str] = field(default_factory=dict)
    there: Stretches = field(default_factory=Stretches)
    durable: Stretches = field(default_factory=Stretches)


def read_account(path: Path, *, sha256: str, size: int, boot: str) -> Account:
    """What can be trusted of a side-car; nothing where it is absent, foreign or about another file."""
    account = Account()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return account
    try:
        content = b"" if not stat.S_ISREG(os.fstat(descriptor).st_mode) else _read(descriptor)
    finally:
        os.close(descriptor)
    lines = content.split(b"\n")[:-1]  # the last one has no end: torn, or empty
    words = lines[0].decode("ascii", "replace").rsplit(" ", 1) if lines else []
    if len(words) != 2 or words[0] != f"{_MAGIC} {sha256} {size}":
        return account
    for line in lines[1:]:
        if not _take(line, account, size):
            break
    if not boot or words[1] != boot:
        account.there = Stretches(account.durable)
    return account


def _read(descriptor: int) -> bytes:
    content = bytearray()
    while len(content) < _MOST:
        piece = os.read(descriptor, 1024 * 1024)
        if not piece:
            break
        content += piece
    return bytes(content)


def _take(line: bytes, account: Account, size: int) -> bool:
    """Add what one line says; false where it says nothing that can be understood."""
    try:
        mark, first, second = line.decode("utf-8").split(" ", 2)
        if mark == "v":
            etag = json.loads(second)
            account.validators[first] = etag
            return isinstance(etag, str)
        start, stop = int(first[:19]), int(second[:19])
    except ValueError:
        return False
    if mark not in ("+", "=") or not 0 <= start < stop <= size:
        return False
    account.there.add(start, stop)
    if mark == "=":
        account.durable.add(start, stop)
    return True


class Journal:
    """Writes the side-car. Used by one thread at a time."""

    def __init__(self, path: Path, *, sha256: str, size: int, boot: str) -> None:
        self._path = path
        self._header = f"{_MAGIC} {sha256} {size} {boot or '-'}\n"
        self._descriptor: int | None = None

    def begin(self, account: Account) -> None:
        """Write anew what is known, in one step, and append to it from now on."""
        self.close()
        lines = [self._header, *(_validator(source, etag) for source, etag in account.validators.items())]
        lines += [f"+ {start} {stop}\n" for start, stop in account.there]
        lines += [f"= {start} {stop}\n" for start, stop in account.durable]
        staged = self._path.with_name(self._path.name + ".new")
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()
        descriptor = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(descriptor, "".join(lines))
            staged.replace(self._path)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def validator(self, source: str, etag: str) -> None:
        """From now on this source sends under this strong ETag."""
        self._append(_validator(source, etag))

    def written(self, start: int, stop: int) -> None:
        """These bytes are in the part file."""
        self._append(f"+ {start} {stop}\n")

    def synced(self, stretches: Stretches) -> None:
        """These bytes are on the disk."""
        self._append("".join(f"= {start} {stop}\n" for start, stop in stretches))

    def close(self) -> None:
        """Write no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _append(self, text: str) -> None:
        if self._descriptor is not None:
            _write(self._descriptor, text)


def _validator(source: str, etag: str) -> str:
    return f"v {source} {json.dumps(etag)}\n"


def _write(descriptor: int, text: str) -> None:
    data = memoryview(text.encode("utf-8"))
    while data:
        data = data[os.write(descriptor, data) :]
