# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load against the service that releases are tried on, as a process of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from benchmarks.release.echo.server import Server
from benchmarks.release.echo.settings import Settings
from benchmarks.release.http1 import Place
from benchmarks.release.load import Load, Mix, place_of
from lab.ca import ensure_ca, ensure_certificate
from lab.checkout import Checkout

SOURCE = Path(__file__).resolve().parents[2] / "benchmarks" / "release"
# All kinds of requests, each long enough to be met by a stop in its middle.
LONG = {"slow": 2, "slow_seconds": 0.6, "streams": 2, "stream_seconds": 0.6, "websockets": 2, "websocket_seconds": 0.6}
MIX = Mix(rate=100, kept=4, limit=5, **LONG)  # type: ignore[arg-type]  # whole numbers and others in one dictionary


class Service:
    """The service, running."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.place = Place("echo.test", "127.0.0.1", port)

    def stop(self) -> int:
        """Ask it to end; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextlib.contextmanager
def service(**environment: str) -> Iterator[Service]:
    """The service with settings of its own, on any free port."""
    settings = {"ECHO_HOST": "127.0.0.1", "ECHO_PORT": "0", "ECHO_RELEASE": "r1", **environment}
    with subprocess.Popen(
        [sys.executable, "-m", "echo", "api"],
        cwd=SOURCE,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Service(process, int(process.stdout.readline().split()[-1]))
        finally:
            process.kill()


@contextlib.contextmanager
def through_tls(folder: Path) -> Iterator[tuple[int, Path]]:
    """The service behind TLS, in a thread of this process: its port, and the authority of its certificate."""
    checkout = Checkout(folder)
    certificate = ensure_certificate(checkout, "echo", ("echo.test",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.key)
    told: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()

    async def live() -> None:
        stop = asyncio.Event()
        server = await asyncio.start_server(Server(Settings(release="r1")).handle, "127.0.0.1", 0, ssl=context)
        told.set_result((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(live(),), daemon=True)
    thread.start()
    loop, stop, port = told.result(timeout=10)
    try:
        yield port, ensure_ca(checkout).certificate
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


def reached(load: Load, finished: int) -> None:
    """Wait until so many requests have ended."""
    tick = threading.Event()
    while load.tally.finished < finished and load.elapsed < 60:
        tick.wait(0.02)


def test_a_service_that_runs_gives_a_right_answer_to_all_of_it() -> None:
    with service() as running, Load(running.place, mix=MIX, allowed={"r1"}) as load:
        reached(load, 120)
    report = load.report()
    assert report["failed"] == 0, report["first_failures"]
    assert report["releases"].keys() == {"r1"}
    assert all(report["requests"][kind]["ok"] > 0 for kind in ("short", "slow", "stream", "websocket"))
    assert report["requests"]["stream"]["checked"] > 0
    assert report["requests"]["websocket"]["checked"] > 0


def test_a_service_that_is_told_to_stop_finishes_what_it_has() -> None:
    quiet = Mix(rate=1, fresh=1, **LONG)  # type: ignore[arg-type]  # as above
    with service() as running:
        with Load(running.place, mix=quiet) as load:
            reached(load, 1)
            load.finish()
            status = running.stop()
        report = load.report()
    assert status == 0
    assert report["failed"] == 0, report["first_failures"]


def test_a_service_that_is_killed_is_told_by_kind() -> None:
    with service() as running, Load(running.place, mix=MIX) as load:
        reached(load, 50)
        running.process.kill()
        reached(load, 150)
    report = load.report()
    assert report["failures"]["connect"] > 0
    # what was on its way: long answers had not begun, streams and talks had
    assert report["failures"]["closed"] > 0
    assert report["failures"]["cut"] > 0
    assert report["failures"]["message"] > 0
    assert report["failed"] == sum(line["failed"] for line in report["requests"].values())


@pytest.mark.parametrize(
    ("environment", "allowed", "kind"),
    [({"ECHO_FAULTS": "error_rate=1"}, None, "status 500"), ({}, {"r2"}, "release")],
)
def test_wrong_answers_are_counted(environment: dict[str, str], allowed: set[str] | None, kind: str) -> None:
    short = Mix(rate=100, slow=0, streams=0, websockets=0)
    with service(**environment) as running, Load(running.place, mix=short, allowed=allowed) as load:
        reached(load, 20)
    report = load.report()
    assert report["failures"] == {kind: report["failed"]}
    assert report["failed"] == report["finished"] >= 20


@pytest.mark.parametrize("trusted", [True, False])
def test_through_tls_only_a_certificate_that_is_trusted_gives_answers(tmp_path: Path, trusted: bool) -> None:
    short = Mix(rate=100, fresh=2, slow=0, streams=0, websockets=0)
    with through_tls(tmp_path) as (port, authority):
        place = place_of(f"https://echo.test:{port}", address="127.0.0.1", ca=authority if trusted else None)
        with Load(place, mix=short) as load:
            reached(load, 30)
    report = load.report()
    assert report["failures"] == ({} if trusted else {"tls": report["finished"]})


def test_an_exception_ends_the_load_at_once() -> None:
    long = Mix(rate=100, slow=2, slow_seconds=250, streams=0, websockets=0)
    with service() as running:
        load = Load(running.place, mix=long)
        with pytest.raises(KeyError), load:
            raise KeyError
    assert load.report()["requests"].get("slow", {"ok": 0})["ok"] == 0
