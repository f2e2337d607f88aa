# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that is replaced ends when its last request is answered, or when its time is over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Drainer, Retired, connections
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LISTENING = "   0: 00000000:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 10001        0 1\n"
ESTABLISHED = "   1: 020012AC:1F40 010012AC:C350 01 00000000:00000000 00:00000000 00000000 10001        0 2\n"
OUTGOING = "   2: 020012AC:C351 030012AC:1F40 01 00000000:00000000 00:00000000 00000000 10001        0 3\n"
CLOSING = "   3: 020012AC:1F40 010012AC:C352 06 00000000:00000000 00:00000000 00000000 10001        0 4\n"


class Docker:
    """Answers with the number of a container's process; remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.hangs = False
        self.away: Callable[[], bool] = lambda: False

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.calls.append(tuple(argv))
        if argv[1] == "exec" and self.hangs:
            raise DrydockError("timed_out", f"not within {timeout:g} s")
        if self.away():
            return Completed(tuple(argv), 1, err="Cannot connect to the Docker daemon")
        return Completed(tuple(argv), 0, out="77\n")


class Scene:
    """A container with connections that end as time goes by."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.now = 0.0
        self.docker = Docker()
        self.ends: Callable[[float], int] = lambda _now: 0
        self.workers: Callable[[float], int] = lambda _now: 0
        self.told: list[str] = []
        (proc / "77" / "net").mkdir(parents=True)
        self._show()

    def _show(self) -> None:
        rows = ESTABLISHED * self.ends(self.now)
        (self.proc / "77" / "net" / "tcp").write_text(HEAD + LISTENING + rows + OUTGOING + CLOSING)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self._show()

    def drain(self, *containers: Retired) -> list[str]:
        self._show()
        drainer = Drainer(
            Engine(self.docker),
            lambda: self.workers(self.now),
            clock=lambda: self.now,
            sleep=self._sleep,
            proc=self.proc,
            tell=self.told.append,
        )
        return drainer.drain(containers)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_only_established_connections_to_the_own_port_count() -> None:
    assert connections(HEAD + LISTENING + ESTABLISHED * 2 + OUTGOING + CLOSING, 8000) == 2
    assert connections("", 8000) == 0


def test_an_idle_container_is_let_go_after_a_short_look(scene: Scene) -> None:
    assert scene.drain(Retired("old", port=8000, timeout=30)) == []
    assert scene.now < 1


def test_a_request_under_way_is_waited_for(scene: Scene) -> None:
    scene.ends = lambda now: 1 if now < 12 else 0
    assert scene.drain(Retired("old", port=8000, timeout=30)) == []
    assert 12 <= scene.now < 13


def test_a_connection_that_does_not_end_is_cut_when_the_time_is_over_and_told(scene: Scene) -> None:
    scene.ends = lambda _now: 3
    assert scene.drain(Retired("old", port=8000, timeout=30)) == ["old"]
    assert 30 <= scene.now < 31


def test_a_request_that_nginx_is_still_reading_is_waited_for(scene: Scene) -> None:
    scene.workers = lambda now: 1 if now < 5 else 0
    assert scene.drain(Retired("old", port=8000, timeout=30)) == []
    assert 5 <= scene.now < 6


def test_a_websocket_to_another_service_holds_an_idle_container_no_longer_than_its_time(scene: Scene) -> None:
    scene.workers = lambda _now: 1
    assert scene.drain(Retired("old", port=8000, timeout=30)) == []
    assert 30 <= scene.now < 31


@pytest.mark.parametrize("away", [(0.0, 5.0), (2.0, 20.0)])
def test_while_the_engine_restarts_a_request_under_way_is_waited_for(scene: Scene, away: tuple[float, float]) -> None:
    scene.docker.away = lambda: away[0] <= scene.now < away[1]
    scene.ends = lambda now: 1 if now < 12 else 0
    assert scene.drain(Retired("old", port=8000, timeout=30)) == []
    assert 12 <= scene.now < 13


def test_without_a_port_there_is_nothing_to_wait_for(scene: Scene) -> None:
    scene.workers = lambda _now: 1
    assert scene.drain(Retired("worker", timeout=30)) == []
    assert scene.now == 0


def test_the_container_s_own_command_is_run_first(scene: Scene) -> None:
    scene.drain(Retired("worker", timeout=30, command=("celery", "control", "cancel_consumer")))
    assert ("docker", "exec", "worker", "celery", "control", "cancel_consumer") in scene.docker.calls


def test_a_command_that_hangs_does_not_keep_the_container(scene: Scene) -> None:
    scene.docker.hangs = True
    assert scene.drain(Retired("old", port=8000, timeout=30, command=("sleep", "inf"))) == []


def test_workers_of_nginx_that_finish_old_requests_are_counted_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "nginx.pid").write_text("10\n")
    children = tmp_path / "10" / "task" / "10"
    children.mkdir(parents=True)
    (children / "children").write_text("11 12 13 ")
    for process, title in ((11, b"nginx: worker process is shutting down\0"), (12, b"nginx: worker process\0")):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "cmdline").write_bytes(title)
    edge = Edge(tmp_path / "upstreams.conf", Docker(), proc=tmp_path, master=tmp_path / "nginx.pid")
    assert edge.old_workers() == 1


def test_without_nginx_no_worker_is_waited_for(tmp_path: Path) -> None:
    edge = Edge(tmp_path / "upstreams.conf", Docker(), proc=tmp_path, master=tmp_path / "nginx.pid")
    assert edge.old_workers() == 0


def test_who_is_waited_for_is_told_with_what_is_left_and_how_long(scene: Scene) -> None:
    scene.ends = lambda now: 2 if now < 1 else 0
    scene.workers = lambda now: 1 if now < 0.5 else 0
    scene.drain(Retired("demo-blue-api-1", port=8000, timeout=30.0))
    assert scene.told[0] == "demo-blue-api-1: connections left: 2, old processes of nginx: 1, 0 s of 30 s"
    assert "demo-blue-api-1: connections left: 2, 1 s of 30 s" in scene.told
