# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting the origins, and asking them what they have sent."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data import ModelFile
from workbench import CannotRunError

HERE = Path(__file__).parent
# One process, no log, no gzip, files straight from the page cache: nginx as it is set up to give files away.
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 2; {user}
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 60; keepalive_requests 100000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; root {files}; }}
}}
"""


@dataclass(frozen=True)
class Server:
    """An origin that answers.

    :param kind: ``nginx`` or ``origin.py``, for the notes.
    """

    base: str
    kind: str

    def url(self, file: ModelFile) -> str:
        """Where a file is."""
        return f"{self.base}/{file.name}"

    def count(self) -> dict[str, int]:
        """What ``origin.py`` counted so far."""
        with urllib.request.urlopen(f"{self.base}/-/count", timeout=10) as answer:  # noqa: S310 - our own server
            found: dict[str, int] = json.load(answer)
        return found

    def count_at_rest(self) -> int:
        """Bytes that clients got, when all of them have gone."""
        for _try in range(200):
            found = self.count()
            if found["open"] == 0:
                return found["bytes"]
            time.sleep(0.05)
        raise CannotRunError(f"{found['open']} connection(s) to the origin are still open 10 s after the last run")


@contextlib.contextmanager
def counting_origin(folder: Path, *, bind: str = "127.0.0.1", delay: float = 0, rate: float = 0) -> Iterator[Server]:
    """Our own origin, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "origin.py"), str(folder), f"--bind={bind}", f"--delay={delay}", f"--rate={rate}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 - for the type checker, both are pipes
    assert process.stdout is not None  # noqa: S101
    try:
        port = process.stdout.readline().strip()
        if not port:
            raise CannotRunError("the benchmark's own origin did not start")
        yield Server(base=f"http://{bind}:{port}", kind="origin.py")
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait()


@contextlib.contextmanager
def fast_origin(files: Path, folder: Path) -> Iterator[Server]:
    """nginx where it is installed, else our own; the same for all contenders."""
    program = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        with counting_origin(files) as server:
            yield server
        return
    with nginx(program, files, folder) as server:
        yield server


@contextlib.contextmanager
def nginx(program: str, files: Path, folder: Path) -> Iterator[Server]:
    """nginx with a configuration of our own, beside whatever runs already."""
    port = _free_port()
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, files=files, port=port, user=user), encoding="utf-8")
    log = folder / "nginx.log"
    process = subprocess.Popen([program, "-c", str(settings), "-e", str(log)], stdin=subprocess.DEVNULL)
    try:
        _wait_for_port(port, process, log)
        yield Server(base=f"http://127.0.0.1:{port}", kind="nginx")
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _try in range(100):
        with contextlib.suppress(OSError), contextlib.closing(socket.create_connection(("127.0.0.1", port), 1)):
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace")[-500:] if log.exists() else ""
    raise CannotRunError(f"nginx did not start: {said}")
