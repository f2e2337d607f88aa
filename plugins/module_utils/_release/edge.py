# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx in front of the services: the file that says where each one is, and the one reload that switches.

The release owns this file; the role ``edge`` only includes it. Where nginx does not include it (no nginx yet, or
another one), it is written for later, and there is nothing to reload or to confirm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Callable

from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Record, closed, upstream_ports
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import NOT_FOUND, Runner

MODE = 0o644
SEVERAL = "max_fails=3 fail_timeout=5s"
HEADER = "# Written by the releases of drydock.serving; changes made here are undone by the next run.\n"
MASTER = Path("/run/nginx.pid")
WORKER = b"nginx: worker process"
OLD_WORKER = WORKER + b" is shutting down"
# Connections are let go of sooner than common servers do (gunicorn after 2 seconds, uvicorn after 5): a request that is
# sent just when the other end hangs up is lost, where it may not be sent twice.
KEPT = "    keepalive 32;\n    keepalive_timeout 1s;\n"
RELOAD_TIMEOUT = 15.0
RELOAD_INTERVAL = 0.05
RELOAD = ("systemctl", "reload", "nginx.service")
RELOAD_DIRECTLY = ("nginx", "-s", "reload")  # by no job of systemd: within one of its jobs that would be waited for


def upstreams_text(ports: Mapping[str, Sequence[int]]) -> bytes:
    """One upstream for each service that has a port on the loopback, with a server for each replica."""
    found = [
        f"upstream drydock_{name} {{\n    zone drydock_{name} 64k;\n{_servers(each)}{KEPT}}}\n"
        for name, each in sorted(ports.items())
    ]
    return (HEADER + "".join(found)).encode("utf-8")


def closed_text(names: Iterable[str]) -> bytes:
    """Upstreams of services that the release does not have, and that nginx's own configuration may still lead to: it
    answers for them itself, where it would otherwise refuse its whole configuration.
    """
    found = [f"upstream drydock_{name} {{\n    server 127.0.0.1:9 down;\n}}\n" for name in sorted(names)]
    return "".join(found).encode("utf-8")


def led_to(record: Record) -> bytes:
    """What leads nginx to a recorded release."""
    return upstreams_text(upstream_ports(record)) + closed_text(closed(record))


def _servers(ports: Sequence[int]) -> str:
    """Of several the one with the fewest requests is asked, and one that fails is left alone for a while.

    With one there is no better one to turn to. What is asked again elsewhere is said by ``proxy_next_upstream``: only
    what did not reach the first, or changes nothing when it is done twice.
    """
    if len(ports) == 1:
        return f"    server 127.0.0.1:{ports[0]} max_fails=0;\n"
    return "    least_conn;\n" + "".join(f"    server 127.0.0.1:{port} {SEVERAL};\n" for port in ports)


class Edge:
    """The upstreams of one stack in the host's nginx."""

    def __init__(
        self,
        path: Path,
        runner: Runner,
        *,
        proc: Path = Path("/proc"),
        master: Path = MASTER,
        reloading: Sequence[str] = RELOAD,
    ) -> None:
        self._path = path
        self._runner = runner
        self._reloading = reloading
        self._proc = proc
        self._master = master

    def read(self) -> bytes | None:
        """What is written there now; None when nothing is."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, content: bytes) -> None:
        self._path.parent.mkdir(mode=0o755, exist_ok=True)
        write_atomic(self._path, content, mode=MODE)

    def lead(self, content: bytes) -> bool:
        """Have nginx go by this content; false where it does not read the file (yet).

        :raises DrydockError: ``edge_invalid``, ``edge_failed``. What was there before is then written again.
        """
        before = self.read()
        self.write(content)
        try:
            read = self.included()
            if read:
                self.reload()
        except DrydockError:
            if before is not None:
                self.write(before)
            raise
        return read

    def included(self) -> bool:
        """Does the host's nginx run, and read this file?

        :raises DrydockError: ``edge_invalid`` when nginx refuses its configuration.
        """
        done = self._runner.run(["nginx", "-T"])
        if done.code == NOT_FOUND:
            return False
        if not done.ok:
            raise DrydockError(
                "edge_invalid",
                f"nginx refuses its configuration: {done.tail(3)}. It goes on with the one it has loaded. Look at "
                "`nginx -t` on the host and put it right (the tag `edge`), then run again.",
            )
        if f"# configuration file {self._path}:" not in done.out:
            return False
        return self._runner.run(["systemctl", "is-active", "--quiet", "nginx.service"]).ok

    def reload(self) -> None:
        """Have nginx take what is written: new requests by it, those under way to their end by the old.

        :raises DrydockError: ``edge_failed``.
        """
        done = self._runner.run(self._reloading)
        if not done.ok:
            raise DrydockError(
                "edge_failed",
                f"nginx could not be reloaded: {done.tail(3)}. Look at `systemctl status nginx`, then run again.",
            )

    def old_workers(self) -> int:
        """How many of nginx's processes still finish requests that came before the last reload."""
        return sum(1 for child in self._children() if self._command(child).startswith(OLD_WORKER))

    def workers(self) -> frozenset[str]:
        """The processes of nginx that take new requests."""
        return frozenset(child for child in self._children() if self._command(child).rstrip(b"\0 ") == WORKER)

    def wait_left(
        self,
        before: frozenset[str],
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        timeout: float = RELOAD_TIMEOUT,
    ) -> None:
        """Wait until none of these processes takes new requests: a reload is told to nginx, and done a moment later.

        :raises DrydockError: ``edge_unconfirmed``.
        """
        deadline = clock() + timeout
        while before & self.workers():
            if clock() >= deadline:
                raise DrydockError(
                    "edge_unconfirmed",
                    f"{timeout:g} s after its reload nginx still takes requests by the configuration before. Look at "
                    "`journalctl -u nginx` and nginx's error.log.",
                )
            sleep(RELOAD_INTERVAL)

    def _children(self) -> list[str]:
        try:
            master = self._master.read_text(encoding="ascii").strip()
            return (self._proc / master / "task" / master / "children").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return []

    def _command(self, process: str) -> bytes:
        try:
            return (self._proc / process / "cmdline").read_bytes()
        except OSError:
            return b""
