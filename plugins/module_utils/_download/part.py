# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part file in the making: bytes written anywhere in it, hashed in the order of the file behind the first gap."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import threading
from collections.abc import Callable

from ansible_collections.drydock.serving.plugins.module_utils._download.journal import (
    Account,
    Journal,
    boot_id,
    read_account,
)
from ansible_collections.drydock.serving.plugins.module_utils._download.limits import MIB
from ansible_collections.drydock.serving.plugins.module_utils._download.stretches import Stretches
from ansible_collections.drydock.serving.plugins.module_utils._download.wanted import PartFiles, Wanted

# How much waits for the disk before it is pushed there, so that little is left to wait for at the end.
FLUSH = 64 * MIB
# Fits into the caches of a core, between reading and hashing.
_READ = 512 * 1024


class StoppedError(Exception):
    """Somebody else ended this; nothing is wrong with the connection."""


class Part:
    """Opened for one file. ``write`` by many threads, ``hash_on`` by one at a time.

    Once it is closed nothing of the files is touched: they may be somebody else's by then.

    :param step: files that are not bigger are not worth a journal.
    :param on_hashed: called once in a while as long as bytes are read back to be hashed, which may take as long as
        fetching them.
    :param earlier: some of its bytes are of an earlier run.
    """

    def __init__(
        self, files: PartFiles, wanted: Wanted, *, step: int = MIB, on_hashed: Callable[[], None] = lambda: None
    ) -> None:
        boot = boot_id()
        self.wanted = wanted
        self._files = files
        self._size = wanted.size
        self._step = step
        self._on_hashed = on_hashed
        files.data.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(files.data, flags, 0o600)
        self._account = read_account(files.sidecar, sha256=wanted.sha256, size=wanted.size, boot=boot)
        length = os.fstat(self._descriptor).st_size
        if any(stop > length for _start, stop in self._account.there):
            self._account = Account()
        self.earlier = bool(self._account.there)
        self._journal = Journal(files.sidecar, sha256=wanted.sha256, size=wanted.size, boot=boot)
        self._begun = False
        self._unsynced = 0
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._buffer: memoryview | None = None
        self._change = threading.Condition()
        self._woken = False
        self._syncing = threading.Lock()
        self._writing = threading.Lock()
        if not self.earlier:
            with contextlib.suppress(FileNotFoundError):
                files.sidecar.unlink()
            os.ftruncate(self._descriptor, 0)
        elif length > self._size:
            os.ftruncate(self._descriptor, self._size)

    @property
    def there(self) -> int:
        """How many bytes are recorded as being there."""
        return self._account.there.total

    def gaps(self) -> list[tuple[int, int]]:
        """The stretches that are missing."""
        with self._change:
            return self._account.there.gaps(self._size)

    def validator(self, source: str) -> str | None:
        """The strong ETag under which this source sent before."""
        return self._account.validators.get(source)

    def validate(self, source: str, etag: str) -> None:
        """Remember a strong ETag."""
        with self._change:
            if self._account.validators.get(source) != etag:
                self._account.validators[source] = etag
                if self._begun:
                    self._journal.validator(source, etag)

    def reserve(self, start: int, stop: int) -> None:
        """Take the room of a stretch in one piece: faster to write, and a file that arrives in many does not scatter.

        :raises OSError: the disk is full.
        """
        with self._writing:
            if self._descriptor < 0:
                raise StoppedError
            try:
                os.posix_fallocate(self._descriptor, start, stop - start)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                # this file system cannot; what else is wrong with it, writing will tell

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes at their place. :raises OSError: the disk is full, for example. :raises StoppedError: closed."""
        view = memoryview(data)
        with self._writing:  # the kernel lets one in as well, but those that wait would spin
            if self._descriptor < 0:
                raise StoppedError
            while view:
                count = os.pwrite(self._descriptor, view, offset)
                view, offset = view[count:], offset + count

    def feed(self, offset: int, data: bytes) -> None:
        """Hash bytes that were just written, where they are the next in the order of the file."""
        if offset == self._hashed:
            self._digest.update(data)
            self._hashed += len(data)

    def record(self, start: int, stop: int) -> bool:
        """These bytes are written; true when it is time to ``flush``."""
        if start >= stop:
            return False
        with self._change:
            if self._descriptor < 0:
                return False
            self._account.there.add(start, stop)
            self._change.notify_all()
            if self._begun:
                self._journal.written(start, stop)
            elif self._size > self._step and self._account.there.total < self._size:
                self._begun = True
                self._journal.begin(self._account)
            self._unsynced += stop - start
            if self._unsynced < FLUSH:
                return False
            self._unsynced = 0
            return True

    def flush(self) -> None:
        """Bring what is recorded to the disk. :raises OSError: the disk did not take it."""
        with self._syncing:
            if self._descriptor < 0:
                return
            with self._change:
                there, account, hashed = Stretches(self._account.there), self._account, self._hashed
            os.fdatasync(self._descriptor)
            # What is on the disk and hashed would only push out of memory what the host serves with.
            if hashed:  # a length of nothing would mean the whole file
                with contextlib.suppress(OSError):  # not every kernel takes advice
                    os.posix_fadvise(self._descriptor, 0, hashed, os.POSIX_FADV_DONTNEED)
            with self._change:
                if account is self._account:
                    account.durable = there
                    self._journal.synced(there)

    def hash_on(self) -> int:
        """Hash, reading back, up to the first gap; gives how far it came."""
        told = self._hashed
        while True:
            with self._change:
                left = self._account.there.frontier - self._hashed
            if left <= 0:
                return self._hashed
            self._buffer = buffer = self._buffer or memoryview(bytearray(min(_READ, self._size)))
            count = os.preadv(self._descriptor, [buffer[:left]], self._hashed)
            if not count:
                raise OSError(f"{self._files.data} became shorter while it was written")
            self._digest.update(buffer[:count])
            self._hashed += count
            if self._hashed - told >= FLUSH:
                told = self._hashed
                self._on_hashed()

    def follow(self, given_up: Callable[[], bool]) -> bool:
        """Hash behind the bytes that arrive; true when the whole file is hashed, false when it was given up.

        :param given_up: asked again and again, at the latest a second after ``wake``; holding nothing, as it may wait
            for somebody who waits for this part.
        """
        while not given_up():
            if self.hash_on() == self._size:
                return True
            with self._change:
                if self._account.there.frontier == self._hashed and not self._woken:
                    self._change.wait(1.0)
                self._woken = False
        return False

    def wake(self) -> None:
        """Let ``follow`` look whether it was given up."""
        with self._change:
            self._woken = True
            self._change.notify_all()

    def hexdigest(self) -> str:
        """Of the bytes hashed so far."""
        return self._digest.hexdigest()

    def reset(self) -> None:
        """Throw away everything, as if nothing had ever been received. Nobody else may use it meanwhile."""
        with self._change:
            if self._descriptor < 0:
                return
            self._journal.close()
            self._begun = False
            with contextlib.suppress(FileNotFoundError):
                self._files.sidecar.unlink()
            os.ftruncate(self._descriptor, 0)
            self._account = Account()
            self.earlier = False
            self._digest, self._hashed, self._unsynced = hashlib.sha256(), 0, 0

    def close(self) -> None:
        """Keep the files, end the work on them; waits for what is being written."""
        with self._syncing, self._writing, self._change:
            self._journal.close()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
