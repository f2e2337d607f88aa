# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sharing what a sync brings with the hosts of the group: the server it leaves behind, and the peers it asks.

Nothing of this can make a sync fail. What is wrong with it becomes a notice, and the files come from the origin.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import signal
import socket
import ssl
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._seed.catalogue import MOVED
from ansible_collections.drydock.serving.plugins.module_utils._seed.client import PeerClient
from ansible_collections.drydock.serving.plugins.module_utils._seed.config import Peer, SeedConfig
from ansible_collections.drydock.serving.plugins.module_utils._seed.daemon import Task, fork
from ansible_collections.drydock.serving.plugins.module_utils._seed.locator import Locator, Wanted
from ansible_collections.drydock.serving.plugins.module_utils._seed.transport import PeerTransport
from ansible_collections.drydock.serving.plugins.module_utils._seed.watch import Watch
from ansible_collections.drydock.serving.plugins.module_utils._source import Transport

BACKLOG = 128
# A server of an earlier run gets so long to end before it is killed, and so long after.
POLITE, FIRM = 2.0, 1.0


class Layout(Protocol):
    """The paths of a store that matter here."""

    @property
    def blobs(self) -> Path: ...

    @property
    def state(self) -> Path: ...


class Seeding:
    """The group, as one sync uses it.

    :raises DrydockError: kind ``invalid_input``, the certificate cannot be read.
    :param gid: group of the blobs.
    :param file_mode: permission bits of the blobs.
    """

    def __init__(self, config: SeedConfig, *, gid: int, file_mode: int) -> None:
        self._config = config
        self._gid = gid
        self._mode = file_mode
        try:
            self._watch = Watch(config, self._connect, monotonic=time.monotonic)
        except (ValueError, ssl.SSLError):
            raise DrydockError(
                "invalid_input",
                "seed.certificate: is not a certificate in PEM. Nothing was touched. Next step: leave it to the action "
                "plugin.",
            ) from None
        self._transport: PeerTransport | None = None
        self._locator: Locator | None = None
        self._guard = threading.Lock()
        self._tell: int | None = None
        self.notices: list[str] = []
        """What did not work, for people. The sync itself does not suffer."""

    @property
    def waiting_for(self) -> str:
        """As ``Locator.waiting_for``."""
        return "" if self._locator is None else self._locator.waiting_for

    def transport(self, inner: Transport) -> Transport:
        """What fetches from peers, too."""
        self._transport = PeerTransport(self._watch, inner, name=self._config.name)
        return self._transport

    @contextlib.contextmanager
    def supply(self, layout: Layout, wanted: Sequence[Wanted]) -> Iterator[Locator]:
        """Serve and ask the group for the length of the block; the server stays behind until nobody asks any more.

        To be entered before the process has a second thread, because it forks.
        """
        self._tell = self._serve(layout, wanted)
        try:
            if self._transport is not None:
                self._transport.expect(wanted)
            self._watch.start()
            self._locator = Locator(
                self._watch,
                self._say,
                name=self._config.name,
                wait=self._config.wait,
                patience=self._config.patience,
                monotonic=time.monotonic,
            )
            yield self._locator
        finally:
            self._watch.close()
            self._note()
            self._hang_up()

    def moved(self) -> None:
        """Bytes came, so the hosts that wait for this one go on waiting."""
        self._say(MOVED)

    def _say(self, event: str) -> None:
        with self._guard:
            if self._tell is not None:
                with contextlib.suppress(OSError):  # it ended, or does not listen: a hint is lost, no more
                    os.write(self._tell, f"{event}\n".encode("ascii"))

    def _hang_up(self) -> None:
        """Who is left behind in the network may still have something to say, and the number is another file's soon."""
        with self._guard:
            tell, self._tell = self._tell, None
        if tell is not None:
            os.close(tell)

    def _note(self) -> None:
        for state in self._watch.states:
            if state.out:
                self.notices.append(f"Seeding: {state.peer.name} was left out: {state.out}.")
            elif state.left is not None:
                self.notices.append(
                    f"Seeding: {state.peer.name} got no further for {self._config.patience:g} s, so this host did not "
                    "wait for what it was to bring. Next step: see what its sync does (state/status.json in its store)."
                )

    def _connect(self, peer: Peer) -> PeerClient:
        return PeerClient(peer, self._config, sleep=self._pause)

    def _pause(self, seconds: float) -> None:
        self._watch.closed.wait(seconds)

    def _serve(self, layout: Layout, wanted: Sequence[Wanted]) -> int | None:
        """Start the server; ``None`` where that is not possible, with a notice."""
        try:
            return self._start(layout, [item.sha256 for item in wanted])
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            self.notices.append(
                f"Seeding: this host does not serve its models to the group on port {self._config.listen} ({why}); the "
                "others fetch from the origin what no other host has. Next step: see what listens there "
                "(ss -ltnp), or choose another model_store_seed_port."
            )
            return None

    def _start(self, layout: Layout, wanted: Sequence[str]) -> int:
        gid = self._reading_group()
        with contextlib.ExitStack() as held:
            lock = _only_one(layout.state / "seed.lock")
            held.callback(os.close, lock)
            blobs = os.open(layout.blobs, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            held.callback(os.close, blobs)
            context = server_context(self._config.certificate, self._config.key, layout.state)
            listener = held.enter_context(listening(self._config))
            task = Task(
                config=self._config,
                listener=listener,
                context=context,
                blobs=blobs,
                wanted=wanted,
                gid=gid,
                lock=lock,
            )
            return fork(task)[1]

    def _reading_group(self) -> int | None:
        """The group that the server must be in to read blobs. :raises ValueError: only their owner may."""
        if self._mode & 0o004:
            return None
        if self._mode & 0o040 and self._gid != -1:
            return self._gid
        raise ValueError(f"mode {self._mode:04o} lets only the owner read, and the server runs as nobody")


def _only_one(path: Path) -> int:
    """The lock that a server holds as long as it lives; one of an earlier run is ended, since its token is of no use.

    :raises OSError: it does not end.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for number, patience in ((signal.SIGTERM, POLITE), (signal.SIGKILL, FIRM)):
            until = time.monotonic() + patience
            while not _locked(descriptor):
                holder = os.pread(descriptor, 32, 0).strip()
                if holder.isdigit() and _has_open(int(holder), descriptor):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(holder), number)
                if time.monotonic() >= until:
                    break
                time.sleep(0.05)
            else:
                os.ftruncate(descriptor, 0)
                return descriptor
        raise OSError("the server of an earlier run does not end")
    except BaseException:
        os.close(descriptor)
        raise


def _has_open(number: int, descriptor: int) -> bool:
    """Has this process that file open? The number was written by a process without rights, which must not choose whom
    root kills."""
    wanted = os.fstat(descriptor)
    try:
        names = os.listdir(f"/proc/{number}/fd")  # noqa: PTH208 - numbers, not paths
    except PermissionError:
        return os.geteuid() != 0  # an ordinary user may not look, but ends nobody else's processes either
    except OSError:
        return False
    for name in names:
        with contextlib.suppress(OSError):
            found = os.stat(f"/proc/{number}/fd/{name}")  # noqa: PTH116 - as above
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def server_context(certificate: str, key: str, state: Path) -> ssl.SSLContext:
    """What serves with this certificate. The key is only ever in memory, or in a file without a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    with tempfile.TemporaryFile(dir=state) if not hasattr(os, "memfd_create") else _memory() as handle:
        lines = [certificate, "-----BEGIN PRIVATE KEY-----", *textwrap.wrap(key, 64), "-----END PRIVATE KEY-----", ""]
        handle.write("\n".join(lines).encode("ascii"))
        handle.flush()
        context.load_cert_chain(f"/proc/self/fd/{handle.fileno()}")
    return context


def _memory() -> IO[bytes]:
    return os.fdopen(os.memfd_create("drydock-seed", os.MFD_CLOEXEC), "w+b")


def listening(config: SeedConfig) -> socket.socket:
    """A socket on the port: on the address that the others use, where this host has it, else on all.

    :raises OSError: the port is taken.
    """
    own = config.own.address if config.own else ""
    port = config.listen
    with contextlib.suppress(OSError, ValueError):  # a name may mean another address here than elsewhere
        version = ipaddress.ip_address(own).version
        return _bound(socket.AF_INET if version == 4 else socket.AF_INET6, own, port)
    try:
        return _bound(socket.AF_INET6, "::", port)
    except OSError:
        return _bound(socket.AF_INET, "0.0.0.0", port)  # noqa: S104 - the firewall and the token say who gets in


def _bound(family: int, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
