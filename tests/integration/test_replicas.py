# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replicas by the inventory and by the command on the host. Real processes, an engine in memory.

A real engine, nginx and a load: molecule/stack.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.plugin_utils._stack_command import build

from tests.integration import release_engine
from tests.integration.test_release_job import LIMIT, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One replica serves, of four that there may be."""
    found = Site(tmp_path)
    code, output = found.play(stack=found.world.with_replicas(1))
    assert code == 0, output
    return found


def current(site: Site) -> dict[str, Any]:
    return dict(json.loads((site.world.root / "current" / "release.json").read_text()))


def ports(site: Site) -> list[str]:
    """Where the edge would be led to."""
    return re.findall(r"server 127\.0\.0\.1:(\d+)", (site.world.root / "edge" / "upstreams.conf").read_text())


def running(site: Site) -> set[str]:
    """Containers of the service that run."""
    found = release_engine.engine(site.root).containers.items()
    return {name for (_project, name), item in found if item.state == "running" and name.startswith("api")}


def scale(site: Site, *words: str) -> tuple[int, str]:
    """The command on the host; its exit status and everything it said."""
    command = site.root / "demo"
    command.write_bytes(build(name="demo", root=str(site.world.root), secrets=str(site.world.secrets), version="1.0.0"))
    path = f"{site.programs}:{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-I", str(command), "scale", *words],
        cwd=site.root,
        env={**os.environ, "PATH": path, release_engine.VARIABLE: str(site.root)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_command_scales_and_the_next_run_brings_the_inventory_s_number_back(site: Site) -> None:
    first = release_engine.engine(site.root).containers[("demo-blue", "api")].hash
    code, output = scale(site, "api=3", "--reason", "the peak")
    assert code == 0, output
    record = current(site)
    assert f"demo: {record['id']} serves." in output
    assert "replicas api: 1 -> 3" in output
    assert record["reason"] == "the peak"
    assert running(site) == {"api", "api-2", "api-3"}
    assert ports(site) == ["18001", "19002", "19003"]

    code, output = site.play("--check", "--diff", stack=site.world.with_replicas(1))
    assert code == 0, output
    assert "-api: 3" in output
    assert "+api: 1" in output
    code, output = site.play(stack=site.world.with_replicas(1))
    assert code == 0, output
    assert running(site) == {"api"}
    assert release_engine.engine(site.root).containers[("demo-blue", "api")].hash == first


def test_the_command_refuses_what_a_service_cannot_have_and_changes_nothing(site: Site) -> None:
    before = current(site)["id"]
    for word, said in (("api=5", "it can have 1 to 4"), ("web=2", "no service web"), ("api=0", "from 1 to 16")):
        code, output = scale(site, word)
        assert code != 0
        assert said in output
    assert "nothing changed" in scale(site, "api=1")[1]
    assert (current(site)["id"], running(site)) == (before, {"api"})


def test_auto_is_settled_on_the_host_within_its_maximum(site: Site) -> None:
    cores = len(os.sched_getaffinity(0))
    code, output = site.play(stack=site.world.with_replicas("auto", most=2))
    assert code == 0, output
    wanted = 1 if cores < 4 else 2
    assert len(running(site)) == wanted
    model = json.loads((site.world.root / "current" / "model.json").read_text())["model"]
    assert model["services"]["api"]["replicas"]["count"] == wanted
