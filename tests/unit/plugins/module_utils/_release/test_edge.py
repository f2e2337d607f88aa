# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The upstreams of nginx, and whether it goes by them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.ask import Confirmed, confirm
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge, upstreams_text

from tests.unit.plugins.module_utils._health.fakes import FakeClock
from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker, Nginx
from tests.unit.plugins.module_utils._release.world import World

API = {"api": Confirmed("/health/ready", (18001,), exact=True)}


@pytest.fixture
def nginx(tmp_path: Path) -> Nginx:
    docker = FakeDocker()
    docker.nginx = Nginx(tmp_path / "edge" / "upstreams.conf", docker)
    return docker.nginx


def edge_of(nginx: Nginx) -> Edge:
    return Edge(nginx.upstreams, nginx.docker)


def test_each_service_with_a_port_has_an_upstream_in_an_order_of_its_own() -> None:
    one = upstreams_text({"b": [2], "a": [1]})
    assert one == upstreams_text({"a": [1], "b": [2]})
    assert one.decode().count("upstream drydock_") == 2
    assert "server 127.0.0.1:1 max_fails=0;" in one.decode()


def test_of_several_replicas_the_one_with_least_to_do_is_asked_and_one_that_fails_left_alone() -> None:
    text = upstreams_text({"api": [18001, 19002]}).decode()
    assert "least_conn;" in text
    assert re.findall(r"server 127\.0\.0\.1:(\d+) max_fails=3 fail_timeout=5s;", text) == ["18001", "19002"]
    assert text.index("least_conn") < text.index("server") < text.index("keepalive")


def test_nginx_lets_go_of_idle_connections_before_common_servers_hang_up() -> None:
    assert upstreams_text({"api": [18000]}).decode().count("keepalive_timeout 1s;") == 1


def test_what_nginx_refuses_is_taken_back(nginx: Nginx) -> None:
    edge = edge_of(nginx)
    edge.lead(b"one")
    nginx.broken = True
    with pytest.raises(DrydockError, match="unknown directive") as failure:
        edge.lead(b"two")
    assert failure.value.kind == "edge_invalid"
    assert edge.read() == b"one"
    assert nginx.loaded == "one"


def test_an_edge_that_is_not_there_is_no_failure(tmp_path: Path) -> None:
    edge = Edge(tmp_path / "edge" / "upstreams.conf", FakeDocker())
    assert edge.lead(b"one") is False
    assert edge.read() == b"one"


def wait(answers: list[tuple[int, str] | OSError]) -> None:
    """Confirm against answers that come one after another; the last one stays."""
    clock = FakeClock()

    def ask(path: str) -> tuple[int, str]:
        assert path == "/health/ready"
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer

    def sleep(seconds: float) -> None:
        clock.now += seconds

    confirm(API, ask, clock=clock, sleep=sleep)


def test_an_old_worker_s_answers_are_waited_out() -> None:
    wait([(200, "127.0.0.1:18501"), ConnectionRefusedError("refused"), (503, ""), (200, "127.0.0.1:18001")])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, "127.0.0.1:18501"), "status 200 from 127.0.0.1:18501"),
        ((500, "127.0.0.1:18001"), "status 500 from 127.0.0.1:18001"),
        ((404, "127.0.0.1:18001"), "status 404"),
        ((503, ""), "status 503 from nowhere"),
        (ConnectionRefusedError("refused"), "no answer"),
    ],
)
def test_an_answer_that_stays_wrong_is_told(answer: tuple[int, str] | OSError, words: str) -> None:
    with pytest.raises(DrydockError, match=words) as failure:
        wait([answer])
    assert failure.value.kind == "edge_unconfirmed"
    assert "port 18001" in failure.value.message


def test_a_route_without_a_health_path_may_say_no_but_not_fail() -> None:
    clock = FakeClock()
    wanted = {"api": Confirmed("/v1", (18001,), exact=False)}
    confirm(wanted, lambda _path: (405, "127.0.0.1:18001"), clock=clock, sleep=lambda _seconds: None)


REPLICAS = {"api": Confirmed("/v1", (18001, 19002), exact=False)}


def asked_in_turn(*ports: int) -> Callable[[str], tuple[int, str]]:
    """An edge that leads to these, in turn."""
    turn = itertools.cycle(ports)
    return lambda _path: (200, f"127.0.0.1:{next(turn)}")


def test_a_switch_is_confirmed_when_every_replica_has_answered_whoever_was_asked_for() -> None:
    slept: list[float] = []
    confirm(REPLICAS, asked_in_turn(19002, 18501, 18001), clock=FakeClock(), sleep=slept.append)
    assert len(slept) == 2


def test_a_replica_that_never_answers_is_told_by_its_port() -> None:
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    with pytest.raises(DrydockError, match="api has to answer from port 19002, seen was") as failure:
        confirm(REPLICAS, asked_in_turn(18001), clock=clock, sleep=sleep)
    assert failure.value.kind == "edge_unconfirmed"


class Processes:
    """nginx's workers as /proc tells them."""

    def __init__(self, place: Path) -> None:
        self.proc = place / "proc"
        self.master = place / "nginx.pid"
        self.master.write_text("1\n")
        (self.proc / "1" / "task" / "1").mkdir(parents=True)

    def are(self, **titles: str) -> None:
        """Process numbers, after a ``p``, and what each calls itself."""
        (self.proc / "1" / "task" / "1" / "children").write_text(" ".join(key[1:] for key in titles))
        for key, title in titles.items():
            (self.proc / key[1:]).mkdir(exist_ok=True)
            (self.proc / key[1:] / "cmdline").write_bytes(f"nginx: {title}\0\0".encode())

    def edge(self, place: Path) -> Edge:
        return Edge(place / "upstreams.conf", FakeDocker(), proc=self.proc, master=self.master)


def test_a_reload_is_done_when_no_process_of_before_takes_requests(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    edge = processes.edge(tmp_path)
    processes.are(p10="worker process", p11="worker process", p12="cache manager process")
    before = edge.workers()
    assert before == {"10", "11"}
    turns = iter(
        [
            {"p10": "worker process", "p11": "worker process", "p20": "worker process"},
            {"p10": "worker process is shutting down", "p20": "worker process"},
        ]
    )
    edge.wait_left(before, clock=FakeClock(), sleep=lambda _seconds: processes.are(**next(turns)))
    assert next(turns, None) is None


def test_a_reload_that_nginx_does_not_carry_out_is_told(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    edge = processes.edge(tmp_path)
    processes.are(p10="worker process")
    clock = FakeClock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    with pytest.raises(DrydockError, match="still takes requests by the configuration before") as failure:
        edge.wait_left(edge.workers(), clock=clock, sleep=sleep)
    assert failure.value.kind == "edge_unconfirmed"


@pytest.mark.parametrize("lets_go", [True, False])
def test_a_release_that_is_given_up_stops_nothing_before_nginx_has_let_go_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, lets_go: bool
) -> None:
    def wait_left(_edge: Edge, _before: frozenset[str], **_clocks: object) -> None:
        assert world.docker.containers[("demo-green", "api")].state == "running"
        if not lets_go:
            raise DrydockError("edge_unconfirmed", "still takes requests")

    nginx = world.with_edge()
    world.release()
    nginx.deaf = True
    monkeypatch.setattr(Edge, "wait_left", wait_left)
    error = world.failing(world.with_api(image="api:2"))
    assert ("were left running" in error.message) is not lets_go
    assert (world.docker.containers[("demo-green", "api")].state == "running") is not lets_go
    assert world.docker.containers[("demo-blue", "api")].state == "running"
