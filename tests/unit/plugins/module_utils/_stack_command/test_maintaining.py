# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance as it is ordered on the host: once, under the lease, written down, or refused with the reason."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.info import Look, empty_result, tell
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import newest
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.maintaining import (
    Order,
    maintain,
    sentence,
)
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.status_text import status_text
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack

from tests.unit.plugins.module_utils._release.fake_docker import Nginx
from tests.unit.plugins.module_utils._release.world import World


class Site:
    """A stack that serves behind nginx, and what was said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.nginx: Nginx = world.with_edge()
        self.layout = Layout(root=world.root, secrets=world.secrets)
        self.said: list[str] = []
        self.warned: list[str] = []

    def order(self, on: bool, **more: Any) -> None:
        maintain(
            Stack("demo", self.layout, "1.0.0"),
            Order(on=on, actor="op@host", where="host", **more),
            self.world.host(),
            say=self.said.append,
            warn=self.warned.append,
        )

    def refused(self, on: bool = True) -> DrydockError:
        with pytest.raises(DrydockError) as caught:
            self.order(on)
        assert not self.nginx.closed
        return caught.value

    def log(self) -> list[dict[str, Any]]:
        return newest(self.layout.state / "deployments.jsonl", 10)

    def told(self) -> dict[str, Any]:
        host = self.world.host()
        now = datetime(2026, 11, 21, tzinfo=timezone.utc)
        result = empty_result()
        look = Look("demo", self.layout, host.runner, host.engine, now, ready=lambda _url: True)
        tell(look, result, reserve=1, certificate_days=14)
        return result


@pytest.fixture(autouse=True)
def _quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(World(tmp_path))
    site.world.release()
    return site


def test_on_closes_the_edge_once_and_off_opens_it(site: Site) -> None:
    site.order(True, reason="new disk", retry_after=900)
    assert site.nginx.closed
    assert "set $drydock_retry_after 900;" in site.nginx.gate_loaded
    reloads = site.nginx.reloads
    site.order(True)
    assert site.nginx.reloads == reloads
    assert site.said[-1].startswith("Nothing to do: maintenance is on since 2026-11-21T04:15:00Z by op@host: new disk;")
    site.order(False)
    assert not site.nginx.closed
    site.order(False)
    assert site.said[-1] == "Nothing to do: maintenance is off, requests are let through."
    assert [item["outcome"] for item in site.log()[:2]] == ["maintenance_off", "maintenance_on"]
    assert site.log()[1]["reason"] == "new disk"
    assert site.warned == []


def test_what_is_said_anew_is_changed_and_the_rest_stays(site: Site) -> None:
    site.order(True, reason="new disk")
    site.order(True, retry_after=60)
    assert "set $drydock_retry_after 60;" in site.nginx.gate_loaded
    assert sentence(site.layout).startswith("Maintenance is on since 2026-11-21T04:15:00Z by op@host: new disk;")
    site.order(True, reason="a slow disk")
    assert sentence(site.layout).endswith("by op@host: a slow disk; every request is answered 503, Retry-After 60 s.")


def test_whoever_looks_is_told_and_it_is_no_problem(site: Site) -> None:
    assert site.told()["maintenance"] is None
    site.order(True, reason="new disk")
    told = site.told()
    assert told["ok"], told["problems"]
    assert told["maintenance"]["reason"] == "new disk"
    assert "; closed for MAINTENANCE since 2026-11-21T04:15:00Z by op@host (new disk); all is well." in told["msg"]
    assert "since 2026-11-21T04:15:00Z by op@host: new disk; clients get 503\n" in status_text(told)


def test_an_edge_that_is_not_as_it_was_asked_for_is_a_problem(site: Site) -> None:
    site.order(True)
    site.layout.gate.unlink()
    assert [item["kind"] for item in site.told()["problems"]] == ["edge_unsettled"]
    site.order(True)
    assert site.nginx.closed
    assert site.told()["problems"] == []


def test_where_nginx_would_not_tell_clients_it_is_refused_and_nothing_changes(site: Site) -> None:
    site.nginx.reads_gate = False
    error = site.refused()
    assert error.kind == "edge_missing"
    assert "the tag `edge`" in error.message
    assert not site.world.release()["changed"]


def test_an_nginx_that_refuses_its_configuration_is_told(site: Site) -> None:
    site.nginx.broken = True
    assert site.refused().kind == "edge_invalid"
    assert [item["outcome"] for item in site.log()] == ["released"]


def test_it_is_refused_while_a_release_is_under_way(site: Site) -> None:
    owner = {"actor": "op@ctl", "host": "ctl", "since": "now", "reason": "", "doing": "release r2"}
    with lease(site.layout, owner):
        assert site.refused().kind == "locked"


def test_it_is_refused_where_nothing_was_released(tmp_path: Path) -> None:
    site = Site(World(tmp_path))
    assert site.refused().kind == "not_released"


def test_a_log_that_cannot_be_written_is_told_and_the_edge_is_closed(site: Site) -> None:
    path = site.layout.state / "deployments.jsonl"
    path.unlink()
    path.mkdir()
    site.order(True)
    assert site.nginx.closed
    assert "could not be written" in site.warned[0]
