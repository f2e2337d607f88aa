# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probation from a task in a playbook to its end. Real processes, an engine in memory, no systemd: the run watches."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import release_engine
from tests.integration.test_release_job import LIMIT, Site

GREEN = "127.0.0.1:18501"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A first release that serves."""
    found = Site(tmp_path)
    code, output = found.play(stack=found.stack("api:1", probation={"seconds": 30}))
    assert code == 0, output
    return found


def current(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.world.root / "current" / "release.json").read_text()))


def on_probation(site: Site) -> bool:
    """The second release serves, and is watched."""
    note = site.world.root / "state" / "probation.json"
    with contextlib.suppress(OSError, ValueError):
        return bool(json.loads(note.read_text())["release"] == current(site)["id"])
    return False


def until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@contextlib.contextmanager
def clients(site: Site, *statuses: int) -> Iterator[None]:
    """These answers of the new container come into the edge's log, again and again, once it is on probation."""
    over = threading.Event()

    def write() -> None:
        until(lambda: on_probation(site) or over.is_set())
        log = site.world.place / "access.log"
        while not over.wait(0.1):
            told = [{"ts": time.time(), "status": s, "upstream": GREEN, "upstream_seconds": "0.01"} for s in statuses]
            with log.open("a") as stream:
                stream.write("".join(json.dumps(line) + "\n" for line in told))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kill_all_of(site: Site) -> None:
    """kill -9 of whatever works on this site."""
    mark = f"{release_engine.VARIABLE}={site.root}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGKILL)


def test_a_release_that_answers_errors_fails_the_task_and_the_host_goes_back(site: Site) -> None:
    before = current(site)["id"]
    with clients(site, 200, 500):
        code, output = site.play(stack=site.stack("api:2", probation={"seconds": 60}))
    assert code == 2, output
    said = " ".join(output.split())
    assert "did not pass its probation" in said
    assert f"the host went back to {before}" in said
    assert (current(site)["rolled_back_to"], site.serving()["api"]) == (before, "api:1")


def test_when_everything_is_killed_the_next_run_goes_on_watching_and_goes_back(site: Site) -> None:
    wanted = site.stack("api:2", probation={"seconds": 60})
    play = site.start(stack=wanted)
    until(lambda: on_probation(site))
    kill_all_of(site)
    play.wait(timeout=LIMIT)
    assert site.serving()["api"] == "api:2"
    with clients(site, 500):
        code, output = site.play(stack=wanted)
    assert code == 2, output
    assert "did not pass its probation" in " ".join(output.split())
    assert site.serving() == {"db": "db:1", "api": "api:1"}
