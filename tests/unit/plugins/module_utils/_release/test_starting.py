# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot: what is recorded comes back in order of dependency, whatever the engine did before; and it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import newest
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._release.starting import waves
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.booting import (
    ENGINE,
    PATIENCE,
    boot,
    shut_down,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

from tests.unit.plugins.module_utils._release.fake_docker import KilledError, Nginx
from tests.unit.plugins.module_utils._release.world import World

DB, API = "demo-base-db-1", "demo-blue-api-1"


class Site:
    """A stack that serves behind nginx, and its unit."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.docker = world.docker
        self.nginx: Nginx = world.with_edge()
        self.stack = Stack("demo", Layout(root=world.root, secrets=world.secrets), "1.0.0")
        self.said: list[str] = []

    def start(self) -> list[tuple[str, ...]]:
        """The orders that the engine was given."""
        return self._run(boot)

    def stop(self) -> list[tuple[str, ...]]:
        return self._run(shut_down)

    def _run(self, what: Any) -> list[tuple[str, ...]]:
        self.said, seen = [], len(self.docker.calls)
        what(self.stack, self.world.host(), say=self.said.append)
        orders = {"start", "stop", "up", "connect", "rm", "reload"}
        return [call for call in self.docker.calls[seen:] if orders & set(call)]

    def all(self, state: str, *, warming: int = 0) -> None:
        """Every container is in this state, and healthy after so many looks."""
        for item in self.docker.containers.values():
            item.state, item.warming = state, warming
            item.health = "starting" if warming else item.health

    def outcomes(self) -> list[str]:
        return [item["outcome"] for item in newest(self.stack.layout.state / "deployments.jsonl", 10)]


@pytest.fixture
def site(world: World) -> Site:
    site = Site(world)
    world.release()
    return site


def test_what_others_need_comes_first() -> None:
    containers: dict[str, dict[str, Any]] = {
        "web": {"part": "blue", "depends_on": ["api", "redis"]},
        "api": {"part": "green", "depends_on": ["db"]},
        "redis": {"part": "base"},
        "db": {"part": "base"},
        "cron": {"part": "blue"},
    }
    assert [list(wave) for wave in waves(containers)] == [["db", "redis"], ["api", "cron"], ["web"]]


def test_services_in_a_circle_come_up_together() -> None:
    containers = {name: {"part": "blue", "depends_on": [other]} for name, other in (("a", "b"), ("b", "a"))}
    assert [list(wave) for wave in waves(containers)] == [["a", "b"]]


def test_what_is_well_is_left_alone(site: Site) -> None:
    assert site.start() == []
    assert site.outcomes() == ["released"]


def test_stopped_containers_are_started_components_first(site: Site) -> None:
    site.all("exited")
    assert site.start() == [("docker", "start", DB), ("docker", "start", API)]
    assert site.world.running() == {DB, API}
    assert site.outcomes() == ["started", "released"]
    assert not site.world.release()["changed"]


def test_services_come_up_after_those_that_they_depend_on(site: Site) -> None:
    stack = site.world.with_api()
    stack["services"]["api"]["depends_on"] = ["zeta"]
    stack["services"]["zeta"] = {**site.world.with_worker()["services"]["worker"], "depends_on": ["db"]}
    site.world.release(stack)
    site.all("exited")
    zeta = "demo-blue-zeta-1"
    assert site.start() == [("docker", "start", DB), ("docker", "start", zeta), ("docker", "start", API)]
    assert [call[-1] for call in site.stop() if call[0] == "docker"] == [API, zeta, DB]


def test_an_engine_that_is_slow_to_come_up_is_waited_for(site: Site) -> None:
    site.all("exited")
    site.docker.answering = False
    looks: list[float] = []

    def later() -> None:
        looks.append(site.world.clock())
        site.docker.answering = len(looks) > 20

    site.world.meanwhile = later
    assert site.start() == [("docker", "start", DB), ("docker", "start", API)]
    assert "does not answer yet" in site.said[0]


def test_an_engine_that_hangs_while_it_comes_up_is_waited_for_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.all("exited")
    answers, asked = site.docker.run, list[str]()

    def hanging(argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        asked.append(argv[0])
        if len(asked) < 4:
            raise DrydockError("timed_out", "docker ps did not end within 60 s")
        return answers(argv, timeout=timeout)

    monkeypatch.setattr(site.docker, "run", hanging)
    assert site.start() == [("docker", "start", DB), ("docker", "start", API)]


def test_an_engine_that_does_not_come_up_is_not_waited_for_for_ever(site: Site) -> None:
    site.all("exited")
    site.docker.answering = False
    begun = site.world.clock()
    with pytest.raises(DrydockError) as caught:
        site.start()
    assert caught.value.kind == "engine_unreachable"
    assert ENGINE <= site.world.clock() - begun < ENGINE + 10
    assert site.outcomes()[0] == "start_failed"


def test_what_the_engine_started_too_early_waits_for_what_it_needs(site: Site) -> None:
    site.all("running", warming=3)
    assert site.start() == [("docker", "stop", API), ("docker", "start", API)]
    assert site.world.running() == {DB, API}
    assert not site.world.release()["changed"]


def test_a_service_that_is_well_while_a_component_is_not_is_left_alone(site: Site) -> None:
    site.docker.containers[("demo-base", "db")].state = "exited"
    assert site.start() == [("docker", "start", DB)]


def test_a_container_that_is_gone_is_made_again_and_found_under_its_name(site: Site) -> None:
    del site.docker.containers[("demo-blue", "api")]
    assert [call for call in site.start() if "connect" in call]
    assert site.world.named() == {API}
    assert not site.world.release()["changed"]


def test_a_component_that_stays_sick_keeps_no_service_from_its_try_and_is_told(site: Site) -> None:
    site.all("exited")
    site.docker.containers[("demo-base", "db")].health = "unhealthy"
    with pytest.raises(DrydockError) as caught:
        site.start()
    assert caught.value.kind in {"unhealthy", "timed_out"}
    assert site.world.running() == {DB, API}
    assert site.outcomes()[0] == "start_failed"


def test_upstreams_that_lead_elsewhere_are_put_right(site: Site) -> None:
    upstreams = site.stack.layout.upstreams
    wanted = upstreams.read_text()
    upstreams.write_text("")
    site.start()
    assert upstreams.read_text() == wanted == site.nginx.loaded


def test_where_nothing_is_released_there_is_nothing_to_do(world: World) -> None:
    site = Site(world)
    assert site.start() == site.stop() == []
    assert "Nothing is released here" in site.said[0]


def test_containers_that_are_kept_warm_run_again_after_a_reboot(site: Site) -> None:
    site.world.release(site.world.with_api(image="api:2") | {"release": {"keep_warm": True}})
    assert API in site.world.running()
    site.all("exited")
    site.start()
    assert site.world.running() == {DB, "demo-green-api-1", API}
    assert not site.world.release(site.world.with_api(image="api:2") | {"release": {"keep_warm": True}})["changed"]


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_release_that_the_power_cut_interrupted_is_settled_first(site: Site, step: str) -> None:
    def cut(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        site.world.release(site.world.with_api(image="api:2"), on_step=cut)
    site.all("running", warming=2)  # what was there, the engine has started
    site.start()
    record = site.world.current
    assert site.world.running() == {item["name"] for item in record.containers.values()}
    assert site.nginx.ask("/") == (200, f"127.0.0.1:{record.containers['api']['host_port']}")
    assert not site.stack.layout.journal.exists()
    served = "api:2" if record.containers["api"]["part"] == "green" else "api:1"
    site.world.release(site.world.with_api(image=served))
    assert site.world.leftovers() == []


@pytest.mark.parametrize("step", ["switch", "confirm"])
def test_an_nginx_that_refuses_its_configuration_keeps_no_container_from_its_start(site: Site, step: str) -> None:
    def cut(reached: str) -> None:
        if reached == step:
            raise KilledError

    with pytest.raises(KilledError):
        site.world.release(site.world.with_api(image="api:2"), on_step=cut)
    site.all("exited")
    site.nginx.broken = True
    with pytest.raises(DrydockError) as caught:
        site.start()
    assert caught.value.kind == "edge_invalid"
    assert {DB, API} <= site.world.running()
    assert site.stack.layout.journal.exists()
    site.nginx.broken = False
    site.start()
    assert site.world.running() == {DB, API}
    assert site.nginx.ask("/") == (200, "127.0.0.1:18001")
    assert not site.stack.layout.journal.exists()


def test_a_stop_closes_the_edge_and_ends_services_before_components(site: Site) -> None:
    orders = site.stop()
    assert [call for call in orders if call[0] == "docker"] == [("docker", "stop", API), ("docker", "stop", DB)]
    # a reload by systemd would wait for the very stop that it is part of: nginx is stopped after the stack
    assert [call for call in orders if "reload" in call] == [("nginx", "-s", "reload")]
    assert site.nginx.closed
    assert site.world.running() == set()
    assert site.outcomes() == ["stopped", "released"]


def test_a_start_after_a_stop_opens_the_edge_when_all_is_well(site: Site) -> None:
    site.stop()
    orders = site.start()
    assert orders[-1][1] == "reload"
    assert not site.nginx.closed
    assert site.world.running() == {DB, API}
    assert not site.world.release()["changed"]


def test_a_release_after_a_stop_brings_everything_back(site: Site) -> None:
    site.stop()
    assert site.world.release()["changed"]
    assert not site.nginx.closed
    assert site.world.running() == {DB, API}
    assert not site.world.release()["changed"]


def test_a_stop_does_not_depend_on_nginx(site: Site) -> None:
    site.nginx.broken = True
    site.stop()
    assert site.world.running() == set()


def test_a_stop_ends_what_is_of_no_release_too(site: Site) -> None:
    stray = site.docker.containers[("demo-green", "api")] = site.docker.containers[("demo-blue", "api")]
    site.stop()
    assert stray.state == "exited"


def test_it_waits_for_a_run_that_is_at_work_and_gives_up_in_the_end(site: Site) -> None:
    owner = {"actor": "op@ctl", "host": "ctl", "since": "now", "reason": "", "doing": "release r2"}
    begun = site.world.clock.now
    with lease(site.stack.layout, owner), pytest.raises(DrydockError, match="Another run is working"):
        site.start()
    assert site.world.clock.now - begun >= PATIENCE


@pytest.mark.parametrize("what", ["start", "stop"])
def test_killed_anywhere_it_is_completed_by_the_next_run(tmp_path_factory: pytest.TempPathFactory, what: str) -> None:
    killed = 0
    while True:
        site = Site(World(tmp_path_factory.mktemp("kill")))
        site.world.release()
        if what == "start":
            site.stop()
        site.docker.die_at = len(site.docker.calls) + killed
        try:
            getattr(site, what)()
        except KilledError:
            killed += 1
        else:
            break
        finally:
            site.docker.die_at = None
        if killed % 2:
            site.start()
        else:
            site.world.release()
        assert site.world.running() == {DB, API}
        assert not site.nginx.closed
        assert not site.world.release()["changed"]
        assert site.world.leftovers() == []
    assert killed > 5
