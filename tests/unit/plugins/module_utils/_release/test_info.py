# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of a stack: of a bare host, a healthy one, and everything that can be damaged or missing."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import namedtuple
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.engine import Engine
from ansible_collections.drydock.serving.plugins.module_utils._release.info import Look, empty_result, layout_of, tell
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import Clocks, lease
from ansible_collections.drydock.serving.plugins.module_utils._release.log import append, log_path
from ansible_collections.drydock.serving.plugins.module_utils._release.programs import Ended
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Journal
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import backing_up
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.backing_up import Order
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.backing_up import back_up as command_backup
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.status_text import status_text
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack
from ansible_collections.drydock.serving.plugins.plugin_utils._status import status_report, table

from tests.unit.plugins.module_utils._release.fake_docker import FakeDocker
from tests.unit.plugins.module_utils._release.world import World

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=timezone.utc)
GIB = 1024**3
Usage = namedtuple("Usage", "total used free")


class Docker:
    """The engine in memory, asked about all containers in one call."""

    def __init__(self, docker: FakeDocker) -> None:
        self.docker = docker
        self.restarts: dict[str, int] = {}
        self.oom: set[str] = set()
        self.errors: dict[str, str] = {}
        self.garbled = False

    def run(self, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if argv[:2] == ["docker", "inspect"] and self.docker.answering:
            return Completed(tuple(argv), 1, "{" if self.garbled else json.dumps(self._inspected(argv[4:])))
        return self.docker.run(argv, timeout=timeout)

    def _inspected(self, names: Sequence[str]) -> list[dict[str, Any]]:
        named = {f"{project}-{name}-1": item for (project, name), item in self.docker.containers.items()}
        return [
            {
                "Name": f"/{name}",
                "RestartCount": self.restarts.get(name, 0),
                "State": {
                    "ExitCode": 137 if item.state == "exited" else 0,
                    "OOMKilled": name in self.oom,
                    "Error": self.errors.get(name, ""),
                    "StartedAt": "2026-11-21T04:15:01Z",
                    "Health": {"Status": item.health},
                },
            }
            for name, item in named.items()
            if name in names
        ]


@pytest.fixture(autouse=True)
def _roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100 * GIB, 60 * GIB, 40 * GIB))


@pytest.fixture
def docker(world: World) -> Docker:
    return Docker(world.docker)


def told(world: World, docker: Docker, **options: Any) -> dict[str, Any]:
    result = empty_result()
    judged = {
        "reserve": GIB,
        "certificate_days": 14,
        **{key: options.pop(key) for key in ("reserve",) if key in options},
    }
    look = Look(
        stack="demo",
        layout=Layout(root=world.root, secrets=world.secrets),
        runner=docker,
        engine=Engine(docker),
        now=NOW,
        nginx=world.place / "tls.conf",
        **options,
    )
    tell(look, result, **judged)
    json.dumps(result)
    return result


def kinds(result: dict[str, Any]) -> list[str]:
    return [item["kind"] for item in result["problems"]]


def layout(world: World) -> Layout:
    return Layout(root=world.root, secrets=world.secrets)


def test_a_bare_host_tells_nothing_and_that_nothing_was_released(world: World, docker: Docker) -> None:
    world.docker.installed = False
    result = told(world, docker)
    empty = empty_result()
    changed = {key for key, value in result.items() if value != empty[key]}
    assert changed == {"msg", "stack", "root", "disks", "problems"}
    assert kinds(result) == ["not_released"]
    assert result["msg"] == "demo: nothing released; 1 problem."
    assert not world.root.exists()


def test_what_serves_is_told_whole(world: World, docker: Docker) -> None:
    world.release(reason="the first")
    world.release(world.with_api(image="api:2"), reason="faster", revision="abc123")
    result = told(world, docker)
    assert (result["ok"], result["problems"]) == (True, [])
    colour = world.current.containers["api"]["part"]
    assert (result["release"], result["colours"], result["previous"]) == ("r002", [colour], "r001")
    assert (result["since"], result["actor"]) == ("2026-11-21T04:15:00Z", "op@ctl")
    assert (result["reason"], result["revision"]) == ("faster", "abc123")
    assert result["images"][0] == {"name": "api", "reference": "api:2", "digest": None, "id": "sha256:api:2"}
    assert (result["models"][0]["name"], result["models"][0]["version"]) == ("ocr", "4.0")
    assert len(result["models"][0]["digest"]) == 64
    assert [(item["id"], item["current"]) for item in result["releases"]] == [("r002", True), ("r001", False)]
    assert [item["outcome"] for item in result["attempts"]] == ["released", "released"]
    assert result["msg"] == f"demo: r002 ({colour}) since 2026-11-21T04:15:00Z; all is well."


def test_looking_writes_nothing(world: World, docker: Docker) -> None:
    world.release()
    before = {path: path.lstat().st_mtime_ns for path in world.place.rglob("*")}
    told(world, docker)
    assert {path: path.lstat().st_mtime_ns for path in world.place.rglob("*")} == before


def test_containers_are_told_with_their_health_and_restarts(world: World, docker: Docker) -> None:
    world.release()
    docker.restarts = {"demo-blue-api-1": 3}
    base, api = told(world, docker)["containers"]
    assert (base["service"], base["part"], base["restarts"]) == ("db", "base", 0)
    assert api == {
        "name": "demo-blue-api-1",
        "service": "api",
        "part": "blue",
        "state": "running",
        "health": "healthy",
        "restarts": 3,
        "exit_code": None,
        "oom_killed": False,
        "error": None,
        "started": "2026-11-21T04:15:01Z",
        "recorded": True,
        "warm": False,
    }


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("stopped", "is exited, exit code 137, out of memory."),
        ("missing", "is absent."),
        ("unhealthy", "is running, unhealthy."),
        ("restarting", "is restarting."),
    ],
)
def test_a_container_that_does_not_serve_is_a_problem(world: World, docker: Docker, damage: str, words: str) -> None:
    world.release()
    item = world.docker.containers[("demo-blue", "api")]
    if damage == "stopped":
        item.state = "exited"
        docker.oom = {"demo-blue-api-1"}
    elif damage == "missing":
        del world.docker.containers[("demo-blue", "api")]
    elif damage == "unhealthy":
        item.health = "unhealthy"
    else:
        item.state = "restarting"
    result = told(world, docker)
    assert kinds(result) == ["container"]
    assert f"demo-blue-api-1 {words}" in result["problems"][0]["message"]


@pytest.mark.parametrize("health", ["starting", ""])
def test_a_container_that_starts_or_has_no_health_check_is_no_problem(
    world: World, docker: Docker, health: str
) -> None:
    world.release()
    world.docker.containers[("demo-blue", "api")].health = health
    result = told(world, docker)
    assert result["ok"]
    assert result["containers"][1]["health"] == (health or None)


def with_url(world: World, url: str) -> None:
    path = world.root / "current" / "release.json"
    record = json.loads(path.read_text())
    record["containers"]["api"]["url"] = url
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("health", "ready", "expected"),
    [
        ("", True, "healthy"),
        ("", False, "unhealthy"),
        ("healthy", False, "unhealthy"),
        ("starting", False, "starting"),
        ("unhealthy", True, "unhealthy"),
    ],
)
def test_a_service_with_a_health_path_is_healthy_only_where_that_answers(
    world: World, docker: Docker, health: str, ready: bool, expected: str
) -> None:
    world.release()
    with_url(world, "http://127.0.0.1:18000/ready")
    world.docker.containers[("demo-blue", "api")].health = health
    assert told(world, docker, ready=lambda _url: ready)["containers"][1]["health"] == expected


def test_only_the_paths_of_containers_that_run_and_are_of_this_release_are_asked(world: World, docker: Docker) -> None:
    world.release()
    with_url(world, "http://127.0.0.1:18000/ready")
    api = world.docker.containers[("demo-blue", "api")]
    world.docker.containers[("demo-green", "api")] = type(api)(image="api:0", hash="x")
    asked: list[str] = []

    def ready(url: str) -> bool:
        asked.append(url)
        return True

    told(world, docker, ready=ready)
    assert asked == ["http://127.0.0.1:18000/ready"]
    api.state = "exited"
    told(world, docker, ready=ready)
    assert len(asked) == 1


def test_containers_of_another_colour_are_told_and_are_no_problem(world: World, docker: Docker) -> None:
    world.release()
    old = world.docker.containers[("demo-blue", "api")]
    world.docker.containers[("demo-green", "api")] = type(old)(image="api:0", hash="x", state="exited")
    result = told(world, docker)
    assert result["ok"]
    assert [(item["part"], item["recorded"]) for item in result["containers"]] == [
        ("base", True),
        ("blue", True),
        ("green", False),
    ]


def test_services_in_two_colours_are_told_with_both(world: World, docker: Docker) -> None:
    world.release()
    path = world.root / "current" / "release.json"
    record = json.loads(path.read_text())
    record["containers"]["worker"] = {**record["containers"]["api"], "part": "green", "name": "demo-green-worker-1"}
    path.write_text(json.dumps(record))
    result = told(world, docker)
    assert result["colours"] == ["blue", "green"]
    assert [item["name"] for item in result["containers"] if item["state"] == "absent"] == ["demo-green-worker-1"]


def test_an_inspection_that_cannot_be_read_leaves_the_state(world: World, docker: Docker) -> None:
    world.release()
    docker.garbled = True
    result = told(world, docker)
    assert [(item["state"], item["restarts"]) for item in result["containers"]] == [("running", None)] * 2


@pytest.mark.parametrize(("attribute", "word"), [("installed", "missing"), ("answering", "unreachable")])
def test_without_an_engine_the_rest_is_told(world: World, docker: Docker, attribute: str, word: str) -> None:
    world.release()
    setattr(world.docker, attribute, False)
    result = told(world, docker)
    assert (result["engine"], result["release"], kinds(result)) == (word, "r001", [f"engine_{word}"])


def test_an_engine_that_hangs_is_told_and_the_rest_too(
    world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()

    def hang(_argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        raise DrydockError("timed_out", "docker did not end")

    monkeypatch.setattr(docker, "run", hang)
    result = told(world, docker)
    assert result["release"] == "r001"
    assert kinds(result)[0] == "timed_out"
    assert result["disks"][0]["what"] == "stack"


def test_the_digest_of_an_image_is_the_one_it_is_pinned_by_else_the_registry_s(world: World, docker: Docker) -> None:
    world.release()
    path = world.root / "current" / "release.json"
    record = json.loads(path.read_text())
    record["images"] = {
        "a": {"reference": "r.example.org/a@sha256:aa", "id": "sha256:1", "digests": ["r.example.org/a@sha256:bb"]},
        "b": {"reference": "b:1", "digests": ["b@sha256:cc"]},
    }
    path.write_text(json.dumps(record))
    assert [image["digest"] for image in told(world, docker)["images"]] == ["sha256:aa", "sha256:cc"]


# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": 1}', '{"schema": "x"}', "\x00"])
def test_a_damaged_record_of_what_serves_is_told_with_the_rest(world: World, docker: Docker, text: str) -> None:
    world.release()
    world.release(world.with_api(image="api:2"))
    (world.root / "current" / "release.json").write_text(text)
    result = told(world, docker)
    assert result["release"] is None
    assert kinds(result) == ["state_unreadable"]
    assert "Put it back from a backup" in result["problems"][0]["message"]
    assert [item["id"] for item in result["releases"]] == ["r001"]
    assert len(result["containers"]) == 2


def test_values_of_the_wrong_kind_in_a_record_are_no_traceback(world: World, docker: Docker) -> None:
    world.release()
    path = world.root / "current" / "release.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "containers": [1], "images": {"a": 5}, "models": "x"}))
    result = told(world, docker)
    assert result["release"] == "r001"
    assert (result["models"], result["colours"]) == ([], [])


def test_a_link_to_a_release_that_is_gone_is_told(world: World, docker: Docker) -> None:
    world.release()
    shutil.rmtree(world.root / "releases" / "r001")
    result = told(world, docker)
    assert kinds(result) == ["state_unreadable"]
    assert result["releases"] == []


def test_a_damaged_old_record_is_told_and_the_other_releases_too(world: World, docker: Docker) -> None:
    for number in range(3):
        world.release(world.with_api(environment={"N": str(number)}))
    (world.root / "releases" / "r002" / "release.json").write_text("{")
    result = told(world, docker)
    assert [item["id"] for item in result["releases"]] == ["r003", "r001"]
    assert kinds(result) == ["state_unreadable"]
    assert "What serves is not concerned" in result["problems"][0]["message"]


def test_a_record_from_a_newer_version_is_told_and_the_other_releases_too(world: World, docker: Docker) -> None:
    for number in range(2):
        world.release(world.with_api(environment={"N": str(number)}))
    path = world.root / "releases" / "r001" / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    result = told(world, docker)
    assert [item["id"] for item in result["releases"]] == ["r002"]
    assert "newer version" in result["problems"][0]["message"]


@pytest.mark.parametrize("key", ["schema", "id", "hash", "created"])
@pytest.mark.parametrize("value", [None, [None], {}])
def test_a_record_that_was_edited_is_a_damaged_one(world: World, docker: Docker, key: str, value: Any) -> None:
    for number in range(2):
        world.release(world.with_api(environment={"N": str(number)}))
    path = world.root / "releases" / "r001" / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    result = told(world, docker)
    assert [item["id"] for item in result["releases"]] == ["r002"]
    assert kinds(result) == ["state_unreadable"]


@pytest.mark.parametrize("value", [None, 5, [], {}])
def test_whatever_was_written_into_the_record_of_what_serves_is_told_as_text(
    world: World, docker: Docker, value: Any
) -> None:
    world.release()
    path = world.root / "current" / "release.json"
    told_of = ("finished", "actor", "reason", "revision", "previous", "rolled_back_to")
    path.write_text(json.dumps({**json.loads(path.read_text()), **dict.fromkeys(told_of, value)}))
    result = told(world, docker)
    assert status_text(result)
    assert table(status_report(["web1"], [result], at="now"))


def test_releases_are_told_in_the_order_they_were_made_in(world: World, docker: Docker) -> None:
    world.number = 8
    world.release()
    world.number = 3  # the clock was set back
    world.release(world.with_api(environment={"N": "1"}))
    assert [item["id"] for item in told(world, docker)["releases"]] == ["r004", "r009"]


def test_directories_that_nobody_may_read_are_one_problem(
    world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()
    monkeypatch.setattr(os, "access", lambda path, _mode: "state" not in str(path))
    result = told(world, docker)
    assert kinds(result) == ["not_permitted"]
    assert result["msg"] == "demo: what serves is not known; 1 problem."
    assert "Become root" in result["problems"][0]["message"]
    assert result["release"] is None


# -- unfinished, taken, failed ---------------------------------------------------------------------------------------


def test_an_interrupted_release_is_a_problem_that_the_next_run_settles(world: World, docker: Docker) -> None:
    world.release()
    Journal(release="r002", step="images", previous="r001", hash="x").write(layout(world))
    result = told(world, docker)
    assert result["unfinished"] == {"release": "r002", "step": "images", "previous": "r001"}
    assert kinds(result) == ["unfinished"]
    assert "interrupted at the step images" in result["problems"][0]["message"]


def test_a_release_that_waits_for_other_hosts_is_prepared_not_switched(world: World, docker: Docker) -> None:
    world.release()
    world.make_ready(world.with_api(image="api:2"))
    result = told(world, docker)
    assert (result["release"], result["prepared"]["release"], result["prepared"]["actor"]) == ("r001", "r002", "op@ctl")
    assert kinds(result) == ["prepared"]
    assert "r002 is prepared, not switched" in result["problems"][0]["message"]
    assert [item["id"] for item in result["releases"]] == ["r001"]


@pytest.mark.parametrize(("text", "said"), [("", "Somebody took"), ('{"release": "r002"}', "The release r002 took")])
def test_a_host_that_is_out_of_service_for_balancers_is_a_problem(
    world: World, docker: Docker, text: str, said: str
) -> None:
    world.release()
    layout(world).out_of_service.write_text(text)
    result = told(world, docker)
    assert kinds(result) == ["out_of_service"]
    assert said in result["problems"][0]["message"]


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}'])
def test_a_journal_that_cannot_be_read_is_an_interrupted_release(world: World, docker: Docker, text: str) -> None:
    world.release()
    layout(world).journal.write_text(text)
    result = told(world, docker)
    assert "(unknown)" in result["problems"][0]["message"]


def test_a_run_at_work_is_told_and_is_no_problem(world: World, docker: Docker) -> None:
    world.release()
    place = layout(world)
    place.lease.write_text(json.dumps({"actor": "alice@laptop", "since": "04:29", "doing": "release r002", "pid": 7}))
    Journal(release="r002", step="base", previous="r001", hash="x").write(place)
    (world.root / "releases" / "r002").mkdir()  # placed, and not recorded yet
    with place.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = told(world, docker)
    assert result["lease"]["live"] is True
    assert (result["ok"], kinds(result)) == (True, [])
    assert "alice@laptop is at work since 04:29: release r002" in result["msg"]
    assert [item["id"] for item in result["releases"]] == ["r001"]


def test_the_note_of_a_run_that_died_is_told_as_such(world: World, docker: Docker) -> None:
    world.release()
    layout(world).lease.write_text(json.dumps({"actor": "alice@laptop"}))
    result = told(world, docker)
    assert (result["lease"]["actor"], result["lease"]["live"]) == ("alice@laptop", False)
    layout(world).lease.write_text("[")
    damaged = told(world, docker)
    assert (damaged["lease"]["actor"], damaged["lease"]["live"], damaged["ok"]) == (None, False, True)


@pytest.mark.parametrize(("clocks", "expected"), [(Clocks(), []), (Clocks(steady=lambda: 0.0), ["stuck"])])
def test_a_run_at_work_that_gives_no_sign_of_life_is_a_problem(
    world: World, docker: Docker, clocks: Clocks, expected: list[str]
) -> None:
    world.release()
    with lease(layout(world), {"actor": "alice@laptop", "since": "04:29", "doing": "release r002"}, clocks):
        result = told(world, docker)
    assert kinds(result) == expected
    assert result["lease"]["live"] is True
    assert all("alice@laptop" in item["message"] for item in result["problems"])


def test_without_a_note_the_lock_is_not_touched(world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    world.release()
    taken: list[int] = []
    monkeypatch.setattr(fcntl, "flock", lambda _descriptor, how: taken.append(how))
    assert told(world, docker)["lease"] is None
    assert taken == []


def test_an_edge_that_does_not_lead_to_all_that_serves_is_a_problem_unless_somebody_is_at_work(
    world: World, docker: Docker
) -> None:
    world.release()
    layout(world).upstreams.write_text("upstream drydock_api { server 127.0.0.1:1; }\n")
    assert kinds(told(world, docker)) == ["edge_unsettled"]
    with lease(layout(world), {"actor": "alice@laptop", "since": "04:29", "doing": "restart api-2"}):
        assert kinds(told(world, docker)) == []
    layout(world).upstreams.unlink()
    assert kinds(told(world, docker)) == ["edge_unsettled"]


def test_a_failed_attempt_is_a_problem_until_one_succeeds(world: World, docker: Docker) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    result = told(world, docker)
    assert kinds(result) == ["attempt_failed"]
    assert "unhealthy" in result["problems"][0]["message"]
    assert str(world.root / "failures" / "r002") in result["problems"][0]["message"]
    (failure,) = result["failures"]
    assert (failure["id"], failure["kind"], failure["step"]) == ("r002", "unhealthy", "healthy")
    world.docker.sick = set()
    world.release(world.with_api(image="api:2"))
    assert told(world, docker)["ok"]
    assert len(told(world, docker)["failures"]) == 1


@pytest.mark.parametrize("clock", ["right", "set back"])
def test_without_a_log_a_failure_of_what_still_serves_counts(world: World, docker: Docker, clock: str) -> None:
    world.number = 500 if clock == "set back" else 0
    world.release()
    world.number = 1
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    log_path(layout(world)).unlink()
    assert kinds(told(world, docker)) == ["attempt_failed"]
    world.docker.sick = set()
    world.number = 0 if clock == "set back" else world.number
    world.release(world.with_api(image="api:2"))
    log_path(layout(world)).unlink()
    assert told(world, docker)["ok"]


@pytest.mark.parametrize("outcome", ["restarted", "restart_failed"])
def test_a_restart_neither_makes_up_for_a_failed_attempt_nor_is_one(world: World, docker: Docker, outcome: str) -> None:
    world.release()
    append(log_path(layout(world)), {"outcome": outcome, "failure": {"kind": "unhealthy"}})
    result = told(world, docker)
    assert (result["ok"], result["attempts"][0]["outcome"]) == (True, outcome)
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    append(log_path(layout(world)), {"outcome": outcome})
    assert kinds(told(world, docker)) == ["attempt_failed"]


def test_failures_are_the_newest_and_damaged_evidence_is_told_by_its_name(world: World, docker: Docker) -> None:
    world.release()
    for name in ("r0001", "r0002", "r0003"):
        (world.root / "failures" / name).mkdir()
    (world.root / "failures" / "r0003" / "failure.json").write_text("{")
    (world.root / "failures" / "r0002" / "failure.json").write_text(json.dumps({"kind": "x", "message": "a\nb"}))
    told_of = told(world, docker, failures=2)["failures"]
    assert [(item["id"], item["kind"], item["message"]) for item in told_of] == [
        ("r0003", None, ""),
        ("r0002", "x", "a"),
    ]


def test_lines_of_the_log_that_hold_anything_are_no_traceback(world: World, docker: Docker) -> None:
    world.release()
    log_path(layout(world)).write_text('{"outcome": "failed", "failure": 5}\n')
    assert "(unknown)" in told(world, docker)["problems"][0]["message"]
    log_path(layout(world)).write_text('{"outcome": ["failed"]}\n')
    assert told(world, docker)["ok"]


# -- disks and names -------------------------------------------------------------------------------------------------


def test_disks_are_those_of_the_stack_and_of_the_images(world: World, docker: Docker) -> None:
    world.release()
    disks = told(world, docker)["disks"]
    assert [(disk["what"], disk["free"]) for disk in disks] == [("stack", 40 * GIB), ("images", 40 * GIB)]
    assert disks[0]["path"] == str(world.root)


def test_a_disk_without_the_room_a_release_wants_is_a_problem(world: World, docker: Docker) -> None:
    world.release()
    result = told(world, docker, reserve=50 * GIB)
    assert set(kinds(result)) == {"no_space"}
    assert "40960 MiB are free" in result["problems"][0]["message"]


@pytest.mark.parametrize("name", ["", "Demo", "../etc", "a/b", "-x", "a" * 32])
def test_what_is_no_name_of_a_stack_is_refused(name: str) -> None:
    with pytest.raises(DrydockError, match="name:") as caught:
        layout_of(name, None)
    assert caught.value.kind == "invalid_input"


def test_a_stack_lives_by_its_name_unless_told_otherwise() -> None:
    assert layout_of("ocr", None).root == Path("/opt/ocr")
    assert layout_of("ocr", "/srv/x").root == Path("/srv/x")
    with pytest.raises(DrydockError, match="root: 'x'"):
        layout_of("ocr", "x")


def test_why_the_engine_could_not_start_a_container_is_told(world: World, docker: Docker) -> None:
    world.release()
    world.docker.containers[("demo-base", "db")].state = "exited"
    docker.errors = {"demo-base-db-1": "bind source path does not exist: /opt/demo/data/db"}
    (problem,) = told(world, docker)["problems"]
    assert "The engine says: bind source path does not exist: /opt/demo/data/db. Look at" in problem["message"]


def back_up(world: World) -> Path:
    """By hand, with the command on the host."""
    stack = Stack(name="demo", layout=layout(world), version="1.0.0")
    return command_backup(stack, Order(actor="ann@web1", where="web1"), world.host(), say=print, warn=print)


def test_the_newest_copy_of_each_component_is_told_with_its_size_and_time(
    world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backing_up, "RESERVE", 1)
    world.release(world.with_backup())
    assert told(world, docker)["backups"] == []
    back_up(world)
    world.time = "2026-11-21T04:20:00Z"
    world.programs.copy = b"a larger copy of the data"
    newest = back_up(world)
    result = told(world, docker)
    assert result["backups"] == [
        {
            "component": "db",
            "path": str(newest / "db.dump"),
            "size": 25,
            "made": "2026-11-21T04:20:00Z",
            "release": "r001",
            "actor": "ann@web1",
            "reason": "",
        }
    ]
    assert (result["backup_failure"], result["ok"]) == (None, True)


@pytest.mark.parametrize("how", ["by hand", "in a release"])
def test_a_backup_that_failed_is_a_problem_until_one_succeeds(
    world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(backing_up, "RESERVE", 1)
    world.release(world.with_backup())
    back_up(world)
    world.programs.ends = {"dump": Ended(1, "no connection")}
    if how == "by hand":
        with pytest.raises(DrydockError):
            back_up(world)
    else:
        stack = world.with_backup()
        stack["services"]["api"].update(image="api:2", migrate={"command": ["upgrade"]})
        world.failing(stack)
        world.programs.ends = {}
        stack["services"]["api"].pop("migrate")
        world.release(stack)  # one that succeeds and copies nothing
        world.programs.ends = {"dump": Ended(1, "no connection")}
    for _line in range(10):  # more than are told
        append(log_path(layout(world)), {"outcome": "restarted"})
    result = told(world, docker)
    assert result["backup_failure"]["kind"] == "backup_failed"
    (problem,) = result["problems"]
    assert problem["kind"] == "backup_failed"
    assert "db of 2026-11-21T04:15:00Z" in problem["message"]
    assert "sudo demo backup" in problem["message"]
    world.programs.ends = {}
    back_up(world)
    assert told(world, docker)["ok"]


@pytest.mark.parametrize(
    "change", [{"sequence": "first"}, {"components": {"db": {}}}, {"components": {"db": 1}}, {"components": None}]
)
def test_a_damaged_manifest_of_a_backup_is_no_backup(
    world: World, docker: Docker, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    monkeypatch.setattr(backing_up, "RESERVE", 1)
    world.release(world.with_backup())
    path = back_up(world) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert told(world, docker)["backups"] == []
