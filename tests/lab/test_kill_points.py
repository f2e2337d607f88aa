# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 on a real host: of the run at every step, of the engine and of the whole host where containers are touched.

The steps come from the code; a new one is tested by itself. That every combination is survived at every call is shown
in memory (tests/unit/…/test_kill.py); here it is real containers, a real nginx and a real systemd.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from .kill_site import NAME, Site, play, site

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ENGINE_STEPS = ("base", "up", "healthy", "join", "switch", "drain", "stop")  # where the engine is spoken to
HOST_STEPS = ("up", "switch", "stop")  # before, at and after the moment that decides which release serves


@pytest.fixture(scope="module")
def kills(lab: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("kills")) as found:
        yield found


def in_order(found: Site, *labels: str) -> None:
    """One of these releases serves; the next run leaves the last one, nothing else, and nothing to do."""
    status, label = found.answers()
    assert (status, label in labels) == (200, True), (status, label)
    told = found.release(labels[-1])
    assert "failure" in told, told
    assert told["failure"] is None, told["failure"]
    assert found.answers() == (200, labels[-1])
    assert found.left_over() == []
    assert found.release(labels[-1], "check")["changed"] is False


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_run_that_is_killed_at_a_step_is_finished_or_undone(kills: Site, step: str) -> None:
    _status, before = kills.answers()
    told = kills.release(f"run-{step}", "module", step)
    assert "changed" not in told, told  # it was killed
    assert kills.sh("cat /var/tmp/kills.reached") == step
    in_order(kills, before, f"run-{step}")


@pytest.mark.parametrize("step", [step for step in RELEASE_STEPS if step in ENGINE_STEPS])
def test_an_engine_that_is_killed_at_a_step_costs_no_release_that_serves(kills: Site, step: str) -> None:
    _status, before = kills.answers()
    kills.release(f"engine-{step}", "engine", step)
    assert kills.sh("cat /var/tmp/kills.reached") == step
    kills.wait_until("systemctl reset-failed docker.service; docker version >/dev/null 2>&1")
    in_order(kills, before, f"engine-{step}")


@pytest.mark.parametrize("step", [step for step in RELEASE_STEPS if step in HOST_STEPS])
def test_a_host_whose_power_is_cut_at_a_step_serves_after_the_boot(kills: Site, step: str) -> None:
    _status, before = kills.answers()
    with kills.begin(f"host-{step}", "machine", step) as running:
        kills.wait_until("test -s /var/tmp/kills.reached")
        kills.power_cut()
        running.wait(timeout=60)
    assert kills.sh(f"systemctl is-active {NAME}.service") == "active"
    in_order(kills, before, f"host-{step}")


def test_after_a_reboot_components_are_there_before_services_and_nothing_has_moved(kills: Site) -> None:
    _status, before = kills.answers()
    kills.reboot()
    assert kills.answers() == (200, before)
    started = kills.started()
    service = next(name for name in started if "-base-" not in name)
    assert started[f"{NAME}-base-redis-1"] < started[service]
    log = kills.sh(f"tail -n 2 /opt/{NAME}/state/deployments.jsonl")
    assert ['"outcome": "stopped"' in line or '"outcome": "started"' in line for line in log.splitlines()] == [True] * 2
    assert kills.release(before, "check")["changed"] is False


def test_the_unit_stops_and_starts_the_stack_and_the_edge_says_so(kills: Site) -> None:
    _status, before = kills.answers()
    kills.sh(f"systemctl stop {NAME}")
    assert kills.answers()[0] == 503
    assert kills.sh(f"docker ps --quiet --filter label=drydock.stack={NAME}") == ""
    kills.sh(f"systemctl start {NAME}")
    assert kills.answers() == (200, before)
    assert kills.release(before, "check")["changed"] is False


def test_maintenance_survives_a_release_and_a_reboot_and_health_stays_green(kills: Site) -> None:
    kills.sh(f"{NAME} maintenance on --reason 'a test' --retry-after 77")
    assert kills.answers()[0] == 503
    assert kills.release("closed")["failure"] is None
    assert kills.answers()[0] == 503
    kills.reboot()
    assert kills.answers()[0] == 503
    assert kills.answers("/-/health")[0] == 200
    assert "closed for MAINTENANCE" in kills.sh(f"{NAME} status")
    kills.sh(f"{NAME} maintenance off")
    assert kills.answers() == (200, "closed")
    assert kills.release("closed", "check")["changed"] is False


def test_every_container_rotates_its_log(kills: Site) -> None:
    form = "'{{.Name}} {{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}'"
    lines = kills.sh(f"docker inspect --format {form} $(docker ps --all --quiet)").splitlines()
    assert len(lines) >= 2
    for line in lines:
        assert line.split(" ", 1)[1] == 'json-file {"max-file":"5","max-size":"10m"}', line


def test_a_run_of_the_inventory_puts_all_of_it_back_and_a_second_changes_nothing(kills: Site) -> None:
    play(kills, "--tags", "stack")
    assert kills.answers() == (200, "first")
    assert "changed=0" in play(kills, "--tags", "stack")
