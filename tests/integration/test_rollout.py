# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""playbooks/stack.yml on several hosts: all of them or none, or one after another. Their engines are made up."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from .rollout_site import Site

pytestmark = pytest.mark.slow

NAMES = ("one", "two", "three")
SICK = {"registry.example.org/api:2"}
GONE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 9}


class Stage:
    """A place where sites are set up once and taken up again by each test: what they keep holds their own paths."""

    def __init__(self, folder: Path, *versions: str) -> None:
        self.place, self.kept = folder / "site", folder / "kept"
        self.place.mkdir()
        site = Site(self.place, NAMES)
        for version in versions:
            site.image = version
            run = site.play()
            assert run.code == 0, run.output
            assert site.releases == dict.fromkeys(NAMES, version)
        self.place.rename(self.kept)

    def site(self) -> Site:
        if self.place.exists():
            shutil.rmtree(self.place)
        shutil.copytree(self.kept, self.place, symlinks=True)
        return Site(self.place, NAMES, image="2")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("first"), "1")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("second"), "1", "2")


@pytest.fixture
def site(first: Stage) -> Site:
    """Three hosts that serve version 1, with version 2 wanted."""
    return first.site()


def until(condition: Callable[[], bool]) -> None:
    """Wait for another process."""
    tick = threading.Event()
    for _ in range(1200):
        if condition():
            return
        tick.wait(0.05)
    raise AssertionError("it did not come about within a minute")


def clean(site: Site) -> None:
    """Nothing waits and nothing is half done."""
    for host in site.hosts.values():
        assert not host.prepared.exists()
        assert not (host.state / "journal.json").exists()
        assert not (host.state / "lease.json").exists()
        assert not (host.place / "opt" / "edge" / "out-of-service").exists()
        assert len(host.running()) == 1


def test_all_switch_when_all_are_ready_and_a_second_run_changes_nothing(site: Site) -> None:
    run = site.play()
    assert run.code == 0, run.output
    assert site.releases == dict.fromkeys(NAMES, "2")
    assert [host.outcomes()[-2:] for host in site.hosts.values()] == [["prepared", "released"]] * 3
    assert len({str(host.release).partition("-")[0] for host in site.hosts.values()}) == 1
    clean(site)
    again = site.play()
    assert (again.code, again.output.count("changed=0")) == (0, 3)
    assert [task for task in again.tasks if "switch" in task.lower()] == ["drydock.serving.stack : together | Switch"]


def test_hosts_wait_for_each_other_also_where_ansible_lets_each_go_on_by_itself(site: Site) -> None:
    site.environment = {"ANSIBLE_STRATEGY": "free"}
    run = site.play()
    assert run.code == 0, run.output
    assert site.releases == dict.fromkeys(NAMES, "2")
    clean(site)


@pytest.mark.parametrize("settings", [{}, {"ANSIBLE_ANY_ERRORS_FATAL": "true"}])
def test_one_that_is_not_ready_leaves_all_on_the_old_release(site: Site, settings: dict[str, str]) -> None:
    site.environment = settings
    site.hosts["two"].change(sick=SICK)
    run = site.play()
    assert run.code != 0
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert [host.running() for host in site.hosts.values()] == [["1"]] * 3
    assert [host.outcomes()[-1] for host in site.hosts.values()] == ["abandoned", "failed", "abandoned"]
    assert "No host was switched. two: " in run.output
    release = str(site.hosts["one"].release)  # the same on all hosts: they were released together
    for name in ("one", "three"):  # the table is told once
        assert run.output.count(f"{name:<5}  {release:<25}  gave up 2") == 1
    clean(site)


def test_one_that_does_not_answer_leaves_all_as_they_are(site: Site) -> None:
    gone = "one"
    site.connections = {gone: GONE}
    run = site.play()
    assert run.code != 0
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert f"No host was switched. {gone}: no answer" in run.output
    clean(site)
    rest = site.play("--limit", f"!{gone}")
    assert rest.code == 0, rest.output
    assert site.releases == {name: "1" if name == gone else "2" for name in NAMES}


def test_one_host_alone_costs_no_second_call(tmp_path: Path) -> None:
    site = Site(tmp_path, ["alone"])
    assert site.play().code == 0
    site.image = "2"
    run, role = site.play(), "drydock.serving.stack : "
    assert site.releases == {"alone": "2"}
    assert site.hosts["alone"].outcomes() == ["released", "released"]
    others = (f"{role}Validating arguments", f"{role}command | ")
    assert [task for task in run.tasks if not task.startswith(others)] == [
        "Model | Check what is wanted and complete it",
        "Stack | Release",
        f"{role}release | Release the stack",
        "Edge | Put nginx in front",
    ]


def test_check_mode_says_what_would_be_done_in_one_call_and_does_nothing(site: Site) -> None:
    run = site.play("--check")
    assert run.code == 0, run.output
    assert run.output.count("changed=1") == 3
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert len([task for task in run.tasks if "release | Release" in task]) == 1


def test_a_controller_that_dies_between_ready_and_switched_leaves_the_old_release_and_the_next_run_cleans(
    site: Site,
) -> None:
    last = site.hosts["three"]
    (last.place / "hold").touch()  # two are ready and wait for the third
    process = site.start()
    until(lambda: all(site.hosts[name].prepared.exists() for name in NAMES[:2]))
    site.kill(process)
    (last.place / "hold").unlink()
    until(lambda: not (last.state / "lease.json").exists())
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert "1" in site.hosts["one"].running()
    site.image = "1"
    run = site.play()
    assert run.code == 0, run.output
    assert site.releases == dict.fromkeys(NAMES, "1")
    clean(site)
    assert "changed=0" in site.play().output


def test_another_user_is_told_whose_release_waits_and_nothing_is_undone(site: Site) -> None:
    (site.hosts["three"].place / "hold").touch()
    process = site.start()
    until(lambda: all(site.hosts[name].prepared.exists() for name in NAMES[:2]))
    site.kill(process)
    (site.hosts["three"].place / "hold").unlink()
    until(lambda: not (site.hosts["three"].state / "lease.json").exists())
    for host in site.hosts.values():
        if host.prepared.exists():
            host.prepared.write_text(json.dumps({**json.loads(host.prepared.read_text()), "actor": "ann@elsewhere"}))
    run = site.play()
    assert run.code != 0
    assert "made by ann@elsewhere" in run.output
    assert site.hosts["one"].prepared.exists()
    assert site.releases == dict.fromkeys(NAMES, "1")


def test_one_that_fails_to_switch_has_those_that_did_go_back(site: Site) -> None:
    (site.hosts["three"].place / "hold").touch()
    process = site.start()
    until(site.hosts["one"].prepared.exists)
    release = next(
        path
        for path in (site.hosts["one"].place / "opt" / "releases").iterdir()
        if path.name != site.hosts["one"].release
    )
    compose = release / "services" / "compose.yaml"
    compose.write_text(compose.read_text() + "# by hand\n")
    (site.hosts["three"].place / "hold").unlink()
    output, _none = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "something has moved" in output
    assert "Not every host has switched, so those that had went back. one: " in output
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert [host.outcomes()[-1] for host in site.hosts.values()] == ["prepared", "rolled_back", "rolled_back"]
    clean(site)


def test_one_that_is_lost_between_ready_and_switched_has_the_others_go_back_and_is_mended_by_the_next_run(
    site: Site,
) -> None:
    one, three = site.hosts["one"], site.hosts["three"]
    site.connections = {"one": one.by_ssh}
    (three.place / "hold").touch()
    process = site.start()
    until(lambda: one.fetched and site.hosts["two"].prepared.exists())
    (one.place / "gone").touch()
    (three.place / "hold").unlink()
    output, _none = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "Not every host has switched, so those that had went back. one: no answer" in output
    assert site.releases == dict.fromkeys(NAMES, "1")
    assert one.prepared.exists()
    (one.place / "gone").unlink()
    run = site.play()
    assert run.code == 0, run.output
    assert site.releases == dict.fromkeys(NAMES, "2")
    clean(site)


def test_serial_goes_from_host_to_host_each_out_of_service_while_it_is_worked_on(site: Site) -> None:
    site.variables = {"drydock_rollout": "serial", "drydock_drain_seconds": 1}
    run = site.play()
    assert run.code == 0, run.output
    assert site.releases == dict.fromkeys(NAMES, "2")
    assert len([task for task in run.tasks if "release | Release" in task]) == 3
    assert [host.outcomes()[-1] for host in site.hosts.values()] == ["released"] * 3
    clean(site)


def test_serial_stops_at_the_first_host_that_fails_and_says_who_serves_what(site: Site) -> None:
    site.variables = {"drydock_rollout": "serial", "drydock_drain_seconds": 0}
    site.hosts["two"].change(sick=SICK)
    run = site.play()
    assert run.code != 0
    assert site.releases == {"one": "2", "two": "1", "three": "1"}
    assert site.hosts["three"].outcomes() == ["prepared", "released"]
    assert "The rollout stops here: " in run.output
    for name in ("one", "two"):
        assert f"{name:<5}  {site.hosts[name].release}" in run.output
    clean(site)


def test_serial_takes_batches_and_stops_after_one_with_a_host_that_does_not_answer(site: Site) -> None:
    site.variables = {"drydock_rollout": "serial", "drydock_serial": [2, 1], "drydock_drain_seconds": 0}
    site.connections = {"two": GONE}
    run = site.play()
    assert run.code != 0
    assert site.releases["three"] == "1"
    clean(site)


@pytest.fixture
def newer(second: Stage) -> Site:
    """Three hosts that serve version 2, each with version 1 to go back to."""
    site = second.site()
    site.playbook = "rollback"
    return site


def test_all_go_back_when_all_can(newer: Site) -> None:
    check = newer.play("--check")
    assert check.code == 0, check.output
    assert check.output.count("(would be)") == 3
    assert newer.releases == dict.fromkeys(NAMES, "2")
    run = newer.play("--tags", "rollback")
    assert run.code == 0, run.output
    assert newer.releases == dict.fromkeys(NAMES, "1")
    assert [host.outcomes()[-2:] for host in newer.hosts.values()] == [["prepared", "rolled_back"]] * 3
    assert "would release that again" in " ".join(run.output.split())  # the line is long
    clean(newer)


def test_one_that_cannot_go_back_leaves_all_on_what_they_serve(newer: Site) -> None:
    newer.hosts["two"].change(sick={"registry.example.org/api:1"})
    run = newer.play()
    assert run.code != 0
    assert newer.releases == dict.fromkeys(NAMES, "2")
    assert [host.running() for host in newer.hosts.values()] == [["2"]] * 3
    assert "No host was switched. two: " in run.output
    clean(newer)
    newer.hosts["two"].change(sick=set())
    again = newer.play()
    assert again.code == 0, again.output
    assert newer.releases == dict.fromkeys(NAMES, "1")


def test_one_that_does_not_answer_keeps_all_from_going_back_unless_it_is_left_out(newer: Site) -> None:
    newer.connections = {"three": GONE}
    run = newer.play()
    assert run.code != 0
    assert newer.releases == dict.fromkeys(NAMES, "2")
    assert "No host was switched. three: no answer" in run.output
    clean(newer)
    rest = newer.play("--limit", "!three")
    assert rest.code == 0, rest.output
    assert newer.releases == {"one": "1", "two": "1", "three": "2"}


def test_one_after_another_goes_back_until_one_cannot(newer: Site) -> None:
    newer.variables = {"drydock_rollout": "serial", "drydock_drain_seconds": 0}
    newer.hosts["two"].change(sick={"registry.example.org/api:1"})
    run = newer.play()
    assert run.code != 0
    assert newer.releases == {"one": "1", "two": "2", "three": "2"}
    assert "The rollout stops here: " in run.output
    clean(newer)


def test_a_way_of_rolling_out_that_does_not_exist_is_refused(site: Site) -> None:
    site.variables = {"drydock_rollout": "parallel"}
    run = site.play()
    assert run.code != 0
    assert site.releases == dict.fromkeys(NAMES, "1")
