# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several stores on this machine that seed each other, and an origin that counts what it sends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ansible_collections.drydock.serving.plugins.plugin_utils._model_seed import session
from ansible_collections.drydock.serving.tests.integration.model_host import MODULE, weights

PIECE = 64 * 1024


@dataclass
class CountingOrigin:
    """Files by name, and how many bytes of each were sent.

    :param during: called before every piece, with the name and what was sent of this answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    during: Callable[[str, int], None] = lambda _name, _sent: None
    port: int = 0
    sent: dict[str, int] = field(default_factory=dict)
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> int:
        return sum(len(content) for content in self.files.values())

    @property
    def total(self) -> int:
        return sum(self.sent.values())

    def models(self) -> list[dict[str, Any]]:
        """All files as one set."""
        files = [
            {
                "path": name,
                "urls": [f"http://127.0.0.1:{self.port}/{name}"],
                "checksum": f"sha256:{hashlib.sha256(content).hexdigest()}",
                "size": len(content),
            }
            for name, content in self.files.items()
        ]
        return [{"name": "ocr", "version": "1", "files": files}]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    origin: CountingOrigin

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        name = self.path.strip("/")
        content = self.origin.files.get(name)
        if content is None:
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        stop = int(found[2]) + 1 if found and found[2] else len(content)
        stop = min(stop, len(content))
        self.send_response(206 if found else 200)
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(stop - start))
        if found:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            for at in range(start, stop, PIECE):
                self.origin.during(name, at - start)
                piece = content[at : min(at + PIECE, stop)]
                self.wfile.write(piece)
                with self.origin.guard:
                    self.origin.sent[name] = self.origin.sent.get(name, 0) + len(piece)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


@contextlib.contextmanager
def counting(files: Mapping[str, bytes]) -> Iterator[CountingOrigin]:
    """Serve the files until the block ends."""
    origin = CountingOrigin(files=dict(files))
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"origin": origin}))
    origin.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield origin
    finally:
        server.shutdown()
        server.server_close()


def some_files(count: int, size: int) -> dict[str, bytes]:
    """Files of a set, each of its own bytes."""
    return {f"f{number:05}.safetensors": weights(size, seed=number) for number in range(count)}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on at the moment."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class Group:
    """Hosts h0, h1, … of one run. Each has a store below ``root`` and a port of its own."""

    def __init__(self, root: Path, count: int, *, idle: float = 4.0, wait: float = 60.0) -> None:
        self.root = root
        self.ports = free_ports(count)
        self.names = [f"h{number}" for number in range(count)]
        peers = [
            {"name": name, "address": "127.0.0.1", "port": port}
            for name, port in zip(self.names, self.ports, strict=True)
        ]
        made = session({"listen": 1, "name": "", "peers": peers, "idle": idle, "wait": wait}, local_tmp=str(root))
        assert made is not None
        self.seed = made
        self.running: list[subprocess.Popen[str]] = []

    def store(self, number: int) -> Path:
        return self.root / f"h{number}"

    def option(self, number: int, **changes: Any) -> dict[str, Any]:
        """The option ``seed`` of one host."""
        return {**self.seed, "listen": self.ports[number], "name": self.names[number], **changes}

    def start(
        self, number: int, models: list[dict[str, Any]], *, seed: dict[str, Any] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        given = {
            "root": str(self.store(number)),
            "models": models,
            "owner": str(os.getuid()),
            "group": str(os.getgid()),
            "reserve": "0",
            "retry_delay": 0.05,
            "seed": self.option(number) if seed is None else seed,
            "_ansible_check_mode": options.pop("check", False),
            "_ansible_remote_tmp": str(self.root),
            **options,
        }
        path = self.root / f"arguments-{number}-{time.monotonic_ns()}.json"
        path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(path)],
            cwd=self.root,
            env={**os.environ, "https_proxy": "http://127.0.0.1:9"},  # peers are asked without a proxy
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def server(self, number: int) -> int | None:
        """Process number of the server of a host's store."""
        with contextlib.suppress(OSError, ValueError):
            found = int((self.store(number) / "state" / "seed.lock").read_text())
            os.kill(found, 0)
            return found
        return None

    def end(self) -> None:
        """Nothing of this stays behind."""
        for process in self.running:
            process.kill()
            process.communicate()
        for number in range(len(self.names)):
            found = self.server(number)
            if found is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(found, signal.SIGKILL)


def outcome(process: subprocess.Popen[str], *, timeout: float = 60.0) -> dict[str, Any]:
    """The result of the module."""
    output, errors = process.communicate(timeout=timeout)
    assert "Traceback" not in output + errors, output + errors
    return dict(json.loads(output))


def until(true: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Wait for something in another process: there is nothing else to wait on."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
