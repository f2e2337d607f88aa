# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts under the lease: in order, each healthy before the next, refused when somebody else is at work."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.drain import Drainer
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import holder, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import newest
from ansible_collections.drydock.serving.plugins.module_utils._release.progress import Progress
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Journal
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.restarting import Order, restart
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

from tests.unit.plugins.module_utils._release.fake_docker import KilledError, Nginx
from tests.unit.plugins.module_utils._release.world import World


class Site:
    """A released stack, an engine that restarts, and what was said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layout = Layout(root=world.root, secrets=world.secrets)
        self.said: list[str] = []
        self.restarted: list[str] = []
        self.doing: list[str] = []
        self.stops: type[BaseException] | None = None
        self.refuses = False
        self.on_restart: Callable[[], None] = lambda: None
        self.led: list[str] = []  # what nginx goes by at each restart

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if argv[:2] != ["docker", "restart"]:
            return self.world.docker.run(argv, timeout=timeout)
        self.restarted += argv[2:]
        self.doing.append((holder(self.layout) or {})["doing"])
        self.led.append(self.world.docker.nginx.loaded if self.world.docker.nginx else "")
        self.on_restart()
        if self.stops is not None:
            raise self.stops
        return Completed(tuple(argv), 1 if self.refuses else 0, err="the engine says no" if self.refuses else "")

    def restart(self, *services: str, reason: str = "") -> None:
        restart(
            Stack("demo", self.layout, "1.0.0"),
            Order(services=services or None, actor="op@host", where="host", reason=reason, limit=5.0),
            replace(self.world.host(), runner=self),
            say=self.said.append,
            warn=self.said.append,
        )

    def refused(self, *services: str) -> DrydockError:
        """It fails, and nothing was restarted."""
        with pytest.raises(DrydockError) as caught:
            self.restart(*services)
        assert self.restarted == []
        return caught.value

    def log(self) -> list[dict[str, Any]]:
        return newest(self.layout.state / "deployments.jsonl", 10)

    def name(self, service: str) -> str:
        return str(self.world.current.containers[service]["name"])


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    world = World(tmp_path)
    world.release()
    return Site(world)


def test_everything_restarts_one_after_another_components_first(site: Site) -> None:
    site.restart(reason="it leaks")
    assert site.restarted == [site.name("db"), site.name("api")]
    assert site.doing == ["restart db", "restart api"]
    assert site.said == [
        f"db: restarting {site.name('db')}",
        "db: healthy",
        "api: no other container of api is well, so requests fail until this one is ready. With two replicas (`demo "
        "scale api=2`) none would.",
        f"api: restarting {site.name('api')}",
        "api: healthy",
    ]
    entry = site.log()[0]
    assert (entry["outcome"], entry["services"], entry["failure"]) == ("restarted", ["api", "db"], None)
    assert (entry["actor"], entry["reason"], entry["serving"]) == ("op@host", "it leaks", "r001")
    assert holder(site.layout) is None


def test_whoever_waits_for_a_restart_can_follow_it(site: Site) -> None:
    seen: list[str] = []
    restart(
        Stack("demo", site.layout, "1.0.0"),
        Order(services=("api",), actor="op@host", where="host", reason="", limit=5.0),
        replace(site.world.host(), runner=site, progress=Progress(listen=lambda now: seen.append(now["step"]))),
        say=print,
        warn=print,
    )
    assert seen[-1] == "restart api"


def test_only_what_was_asked_for_restarts(site: Site) -> None:
    site.restart("api")
    assert site.restarted == [site.name("api")]
    assert site.log()[0]["services"] == ["api"]


def test_a_service_restarts_with_all_its_replicas(site: Site) -> None:
    site.world.release(site.world.with_replicas(3))
    site.restart("api")
    assert site.restarted == ["demo-blue-api-1", "demo-blue-api-2-1", "demo-blue-api-3-1"]
    site.restarted.clear()
    site.restart("api-2")
    assert site.restarted == ["demo-blue-api-2-1"]


def ports(text: str) -> list[str]:
    return re.findall(r"server 127\.0\.0\.1:(\d+)", text)


def replicated(site: Site, count: int = 3) -> Nginx:
    nginx = site.world.with_edge()
    site.world.release(site.world.with_replicas(count))
    return nginx


def test_nginx_leads_past_each_replica_while_it_restarts_and_to_all_of_them_afterwards(site: Site) -> None:
    nginx = replicated(site)
    before = nginx.loaded
    assert ports(before) == ["18001", "19002", "19003"]
    site.restart("api")
    assert site.restarted == ["demo-blue-api-1", "demo-blue-api-2-1", "demo-blue-api-3-1"]
    assert [ports(text) for text in site.led] == [["19002", "19003"], ["18001", "19003"], ["18001", "19002"]]
    assert ports(nginx.loaded) == ports(before)
    assert site.layout.upstreams.read_text() == before
    assert not site.world.release(site.world.with_replicas(3))["changed"]


def test_a_replica_that_is_not_well_restarts_first_and_requests_are_not_led_to_it_alone(site: Site) -> None:
    replicated(site, 2)
    sick = site.world.docker.containers[("demo-blue", "api-2")]
    sick.health = "unhealthy"

    def restarted() -> None:
        sick.health = "healthy"

    site.on_restart = restarted
    site.restart("api")
    assert site.restarted == ["demo-blue-api-2-1", "demo-blue-api-1"]
    assert [ports(text) for text in site.led] == [["18001"], ["19002"]]


@pytest.mark.parametrize(("count", "name"), [(1, "api"), (2, "api-2")])
def test_where_no_other_replica_is_well_it_is_told_that_requests_fail_meanwhile(
    site: Site, count: int, name: str
) -> None:
    nginx = replicated(site, count)
    before = nginx.loaded
    if count > 1:
        site.world.docker.containers[("demo-blue", "api")].health = "unhealthy"
    site.restart(name)
    assert site.said[0].startswith(f"{name}: no other container of api is well, so requests fail until this one is")
    assert site.led == [before]


@pytest.mark.parametrize("then", ["a run", "the same command"])
def test_a_replica_that_does_not_come_back_is_not_led_to_until_it_is_well(site: Site, then: str) -> None:
    nginx = replicated(site, 3)
    first = site.world.docker.containers[("demo-blue", "api")]

    def dies() -> None:
        first.health = "unhealthy"

    site.on_restart = dies
    with pytest.raises(DrydockError, match="nginx is not led to it, the others answer; the next run of the tag"):
        site.restart("api")
    assert ports(nginx.loaded) == ["19002", "19003"]
    site.on_restart = lambda: None
    site.restart("api-2")
    assert ports(site.led[-1]) == ["19003"], "nobody is led to the one that is not well"
    assert ports(nginx.loaded) == ["19002", "19003"]
    first.health = "healthy"
    if then == "a run":
        site.world.release(site.world.with_replicas(3))
    else:
        site.restart("api")
    assert ports(nginx.loaded) == ["18001", "19002", "19003"]
    assert not site.world.release(site.world.with_replicas(3))["changed"]


@pytest.mark.parametrize("after", range(1, 12))
def test_a_restart_that_is_killed_anywhere_is_mended_by_the_next_run(site: Site, after: int) -> None:
    nginx = replicated(site, 2)
    site.world.docker.die_at = len(site.world.docker.calls) + after
    with contextlib.suppress(KilledError):
        site.restart("api-2")
    site.world.docker.die_at = None
    site.world.release(site.world.with_replicas(2))
    assert ports(nginx.loaded) == ["18001", "19002"]
    assert site.layout.upstreams.read_text() == nginx.loaded


def test_one_that_cannot_be_drained_is_not_touched_and_is_led_to_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = replicated(site, 2)

    def hangs(_drainer: Drainer, _containers: Any) -> list[str]:
        raise DrydockError("timed_out", "the engine hangs")

    monkeypatch.setattr(Drainer, "drain", hangs)
    with pytest.raises(DrydockError, match="the engine hangs"):
        site.restart("api")
    assert site.restarted == []
    assert ports(nginx.loaded) == ["18001", "19002"]


def test_the_next_is_not_touched_when_one_does_not_become_healthy(site: Site) -> None:
    site.world.docker.containers[("demo-base", "db")].health = "unhealthy"
    with pytest.raises(DrydockError, match=r"Look at `demo logs db`\. Not touched: api\.") as caught:
        site.restart()
    assert caught.value.kind == "unhealthy"
    assert site.restarted == [site.name("db")]
    entry = site.log()[0]
    assert (entry["outcome"], entry["services"]) == ("restart_failed", ["db"])
    assert entry["failure"] == {"kind": "unhealthy", "step": "db", "evidence": None}


def test_what_the_engine_said_is_told_when_it_refuses(site: Site) -> None:
    site.refuses = True
    with pytest.raises(DrydockError, match="the engine says no") as caught:
        site.restart("api")
    assert caught.value.kind == "restart_failed"
    assert site.log()[0]["failure"]["kind"] == "restart_failed"


def test_an_interrupt_is_written_down_and_frees_the_stack(site: Site) -> None:
    site.stops = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        site.restart()
    assert site.log()[0]["failure"]["kind"] == "interrupted"
    assert holder(site.layout) is None
    site.stops = None
    site.restart("api")
    assert site.log()[0]["outcome"] == "restarted"


def test_it_is_refused_while_a_release_is_under_way_and_says_whose(site: Site) -> None:
    owner = {"actor": "ann@ctl", "host": "ctl", "since": "2026-11-21T04:00:00Z", "reason": "", "doing": "release r002"}
    with lease(site.layout, owner):
        error = site.refused("api")
    assert error.kind == "locked"
    assert "ann@ctl from ctl, since 2026-11-21T04:00:00Z" in error.message
    assert [entry["outcome"] for entry in site.log()] == ["released"]


def test_it_is_refused_after_a_release_that_was_interrupted(site: Site) -> None:
    Journal(release="r002", step="services", previous="r001", hash="x").write(site.layout)
    error = site.refused()
    assert (error.kind, "r002 was interrupted at the step services" in error.message) == ("unfinished", True)


def test_a_service_that_the_release_does_not_have_is_refused_with_those_it_has(site: Site) -> None:
    error = site.refused("api", "worker")
    assert (error.kind, "has no worker. It has: api, db." in error.message) == ("unknown_service", True)


def test_nothing_restarts_when_a_container_of_the_release_is_gone(site: Site) -> None:
    gone = site.name("api")
    part = site.world.current.containers["api"]["part"]
    del site.world.docker.containers[(f"demo-{part}", "api")]
    error = site.refused()
    assert (error.kind, gone in error.message) == ("absent", True)


def test_a_container_of_the_same_name_that_is_not_the_stack_s_is_left_alone(site: Site) -> None:
    part = site.world.current.containers["api"]["part"]
    site.world.docker.containers[(f"demo-{part}", "api")].stack = ""
    assert site.refused("api").kind == "absent"


@pytest.mark.parametrize(("state", "kind"), [("installed", "engine_missing"), ("answering", "engine_unreachable")])
def test_without_an_engine_nothing_is_tried(site: Site, state: str, kind: str) -> None:
    setattr(site.world.docker, state, False)
    assert site.refused("api").kind == kind


def test_without_a_release_there_is_nothing_to_restart(tmp_path: Path) -> None:
    site = Site(World(tmp_path))
    assert site.refused().kind == "not_released"
    assert not site.layout.root.exists()


def test_a_damaged_record_is_told_and_nothing_restarts(site: Site) -> None:
    (site.layout.current / "release.json").write_text(json.dumps({"schema": 1}))
    assert site.refused().kind == "state_unreadable"


def test_who_may_not_write_the_state_is_told_to_become_root(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_asked: False)
    error = site.refused("api")
    assert (error.kind, "`sudo demo restart …`" in error.message) == ("not_permitted", True)


def test_a_log_that_cannot_be_written_is_told_and_fails_nothing(site: Site) -> None:
    (site.layout.state / "deployments.jsonl").unlink()
    (site.layout.state / "deployments.jsonl").mkdir()
    site.restart("api")
    assert "could not be written" in site.said[-1]
