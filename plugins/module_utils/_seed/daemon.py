# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that serves: forked by a sync, cut off from it and from Ansible, without rights, and never for long."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import resource
import secrets
import signal
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import DIGEST, Catalogue
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._seed.server import Server

# However long a sync takes and its peers ask: a day is enough.
MAXIMUM = 24 * 3600.0
NOBODY = 65534
OPEN_FILES = 1024
NICENESS = 5
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_LINE = 66  # an event and its end


@dataclass(frozen=True)
class Lifetime:
    """When serving ends. Moments are monotonic seconds.

    :param idle: seconds after the last request of the group, once the sync has ended.
    :param after: seconds after the sync has ended, whoever asks.
    :param maximum: seconds in all.
    """

    idle: float
    after: float
    maximum: float = MAXIMUM

    def is_over(self, now: float, *, began: float, synced: float | None, last: float) -> bool:
        """:param synced: when the sync ended; ``None`` while it runs."""
        if now - began >= self.maximum:
            return True
        return synced is not None and (now - max(synced, last) >= self.idle or now - synced >= self.after)


@dataclass(frozen=True)
class Task:
    """What the process is started with, all of it open, so that it needs no further right but to read blobs.

    :param listener: bound and listening.
    :param blobs: descriptor of the directory of blobs.
    :param wanted: what the sync is about to bring.
    :param gid: group to read blobs as; ``None`` where everybody may.
    :param lock: descriptor that holds the lock of the store's server, and gets the process's number.
    """

    config: SeedConfig
    listener: socket.socket
    context: ssl.SSLContext
    blobs: int
    wanted: Sequence[str]
    gid: int | None
    lock: int


def fork(task: Task) -> tuple[int, int]:
    """Start it. Gives its number, and the descriptor that tells it what the sync does and, closed, that it ended."""
    news, tell = os.pipe()
    number = os.fork()
    if number:
        os.close(news)
        os.set_blocking(tell, False)
        return number, tell
    code = 1
    try:
        _run(task, news)
        code = 0
    finally:
        os._exit(code)  # never back into the module, whatever happened


def _run(task: Task, news: int) -> None:
    os.setsid()
    _forget_signals()
    _cut_off({task.listener.fileno(), task.blobs, task.lock, news})
    os.ftruncate(task.lock, 0)
    os.pwrite(task.lock, f"{os.getpid()}\n".encode(), 0)
    have = list(_blobs_in(task.blobs))
    _give_up_rights(task)
    catalogue = Catalogue(secrets.token_hex(8), lambda digest: _is_there(task.blobs, digest), monotonic=time.monotonic)
    catalogue.begin(have, task.wanted)
    server = Server(
        task.listener,
        task.context,
        catalogue,
        token=task.config.token,
        blobs=task.blobs,
        monotonic=time.monotonic,
    )
    lifetime = Lifetime(idle=task.config.idle, after=task.config.wait)
    ended: list[float] = []
    threading.Thread(target=_listen, args=(news, catalogue, ended), daemon=True).start()
    began = time.monotonic()

    def is_over() -> bool:
        synced = ended[0] if ended else None
        return not os.fstat(task.blobs).st_nlink or lifetime.is_over(
            time.monotonic(), began=began, synced=synced, last=server.last
        )

    server.serve(is_over)


def _listen(news: int, catalogue: Catalogue, ended: list[float]) -> None:
    """Take what the sync says, until it ended, however it did."""
    rest = b""
    while True:
        data = os.read(news, 64 * _LINE)
        if not data:
            catalogue.end()
            ended.append(time.monotonic())
            return
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            catalogue.tell(line.decode("ascii", "replace"))


def _forget_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)


def _cut_off(kept: Iterable[int]) -> None:
    """Leave what was inherited: Ansible waits for the end of the output, and the store's lock lies in a descriptor."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    keep = {0, 1, 2, *kept}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        if int(name) not in keep:
            with contextlib.suppress(OSError):  # the one that read this directory
                os.close(int(name))
    os.umask(0o077)


def _give_up_rights(task: Task) -> None:
    """Nobody, in a directory where there is nothing but blobs, never to become more, unreadable for other nobodies."""
    libc = ctypes.CDLL(None, use_errno=True)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)  # what the host is there for comes first
    "drydock".encode("idna")  # what Python loads on first use must be loaded before the root changes
    with contextlib.suppress(AttributeError):
        libc.prctl(_PR_SET_NAME, b"drydock-seed", 0, 0, 0)
    if os.geteuid() == 0:
        uid, nogroup = _nobody()
        gid = nogroup if task.gid is None else task.gid
        os.fchdir(task.blobs)
        os.chroot(".")
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    else:
        os.fchdir(task.blobs)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    for limit, value in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_NOFILE, OPEN_FILES)):
        hard = resource.getrlimit(limit)[1]
        allowed = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (allowed, allowed))
    threading.stack_size(256 * 1024)


def _nobody() -> tuple[int, int]:
    """Number and group of who owns nothing."""
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        return NOBODY, NOBODY
    return found.pw_uid, found.pw_gid


def _is_there(blobs: int, digest: str) -> bool:
    try:
        found = os.stat(f"{digest[:2]}/{digest}", dir_fd=blobs, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode)


def _blobs_in(blobs: int) -> Iterator[str]:
    """Digests of all blobs that have their name."""
    for prefix in os.listdir(blobs):
        with contextlib.suppress(OSError):
            place = os.open(prefix, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=blobs)
            try:
                names = os.listdir(place)  # noqa: PTH208 - a descriptor, not a path
                yield from (name for name in names if DIGEST.fullmatch(name) and name[:2] == prefix)
            finally:
                os.close(place)
