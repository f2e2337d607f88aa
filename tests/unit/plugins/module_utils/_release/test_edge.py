# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The upstreams of nginx, and whether it goes by them."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.ask import confirm
from ansible_collections.drydock.serving.plugins.module_utils._release.edge import Edge, upstreams_text

from tests.unit.plugins.module_utils._health.fakes import FakeClock
from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker, Nginx

API = {"api": ("/health/ready", 18001, True)}


@pytest.fixture
def nginx(tmp_path: Path) -> Nginx:
    docker = FakeDocker()
    docker.nginx = Nginx(tmp_path / "edge" / "upstreams.conf", docker)
    return docker.nginx


def edge_of(nginx: Nginx) -> Edge:
    return Edge(nginx.upstreams, nginx.docker)


def test_each_service_with_a_port_has_an_upstream_in_an_order_of_its_own() -> None:
    one = upstreams_text({"b": 2, "a": 1})
    assert one == upstreams_text({"a": 1, "b": 2})
    assert one.decode().count("upstream drydock_") == 2
    assert "server 127.0.0.1:1 max_fails=0;" in one.decode()


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
    wanted = {"api": ("/v1", 18001, False)}
    confirm(wanted, lambda _path: (405, "127.0.0.1:18001"), clock=clock, sleep=lambda _seconds: None)
