# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One writer at a time. The kernel drops the lock when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError

POLL_SECONDS = 0.2
_LOOKS, _LOOK_AGAIN = 5, 0.02


@contextlib.contextmanager
def held(
    path: Path,
    *,
    timeout: float,
    shared: bool = False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the lock file ``path`` (created when missing; its directory must exist) for the length of the block.

    :param timeout: how long to wait for another holder, in seconds.
    :param shared: several readers may hold it together; a reader makes nothing, so without the file it holds nothing.
    :param waiting: told who holds it, again and again while it is waited for.
    :raises DrydockError: ``busy`` when another holder keeps it for longer than that.
    """
    descriptor = _open(path, shared)
    if descriptor is None:  # check mode on a host where nothing ever ran
        yield
        return
    try:
        deadline = clock() + timeout
        while not _try_lock(descriptor, shared):
            if waiting is not None:
                waiting(_holder(path, sleep))
            if clock() >= deadline:
                raise DrydockError(
                    "busy",
                    f"Another run has held {path} for more than {timeout:g} s ({_holder(path, sleep)}). "
                    "Wait for it to end, then run again.",
                    path=str(path),
                )
            sleep(POLL_SECONDS)
        if not shared:
            with contextlib.suppress(OSError):  # a full disk: who holds it is only for the message
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _me().encode(), 0)
        try:
            yield
        finally:
            if not shared:
                os.ftruncate(descriptor, 0)  # or the next holder could be taken for this one
    finally:
        os.close(descriptor)


def _open(path: Path, shared: bool) -> int | None:
    flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        if shared:
            return None
        raise


def _try_lock(descriptor: int, shared: bool) -> bool:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _me() -> str:
    user = os.environ.get("SUDO_USER") or str(os.getuid())
    return f"process {os.getpid()} of {user}, since {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}\n"


def _holder(path: Path, sleep: Callable[[float], None]) -> str:
    """What the holder wrote down; it may just have begun, and not have done so yet."""
    for _look in range(_LOOKS):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            told = path.read_text(encoding="utf-8").strip()
            if told:
                return told
        sleep(_LOOK_AGAIN)
    return "a process that left no name"
