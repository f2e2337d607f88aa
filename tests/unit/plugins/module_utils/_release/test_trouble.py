# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trouble on top of trouble: the way back does not depend on anything but itself, and nothing foreign is touched."""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._atomic import write_atomic
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release import bundle, edge, transaction, way_back
from ansible_collections.drydock.serving.plugins.module_utils._release.evidence import Collector
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Journal, all_records
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed, SubprocessRunner
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.fake_docker import Container
from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import USER, World


def sick(world: World) -> None:
    """A first release that serves, and a second one that is not going to be healthy."""
    world.given = {"db_password": "canary-value"}
    world.release()
    world.docker.sick = {"api:2"}


def test_a_disk_that_is_too_full_for_evidence_does_not_stop_the_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick(world)

    def full(path: Path, _content: bytes, *, mode: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(bundle, "write_atomic", full)
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "unhealthy"
    assert "(without failure.json: [Errno 28] No space left on device" in error.message
    assert "was not touched and serves" in error.message
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


def test_an_engine_that_hangs_while_evidence_is_collected_does_not_stop_the_way_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sick(world)
    run = world.docker.run

    def hanging(argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if "logs" in argv or "ps" in argv[2:]:
            raise DrydockError("timed_out", "did not end")
        return run(argv, timeout=timeout)

    monkeypatch.setattr(world.docker, "run", hanging)
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "unhealthy"
    assert "did not end" in error.message
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []
    evidence = world.root / "failures" / "r002"
    assert "Could not be had" in (evidence / "summary.txt").read_text()
    assert json.loads((evidence / "failure.json").read_text())["kind"] == "unhealthy"


def test_a_secret_that_also_stands_in_the_syntax_of_an_inspection_does_not_stop_the_way_back(world: World) -> None:
    sick(world)
    world.given = {"db_password": "null"}
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "unhealthy"
    assert world.serving()["api"] == "api:1"
    json.loads((world.root / "failures" / "r002" / "inspect.json").read_text())


def test_what_a_health_check_said_is_told_without_secrets_in_every_part_of_the_failure(world: World) -> None:
    sick(world)
    world.docker.health_says = "login with canary-value refused, password=hunter2"
    error = world.failing(world.with_api(image="api:2"))
    assert "refused" in error.message
    told = json.dumps(error.as_result())
    assert "canary-value" not in told
    assert "hunter2" not in told


def test_the_secret_that_served_before_is_not_told_either(world: World) -> None:
    sick(world)
    world.given = {"db_password": "another one"}
    world.docker.health_says = "login with canary-value refused"
    told = json.dumps(world.failing(world.with_api(image="api:2")).as_result())
    assert "refused" in told
    assert "canary-value" not in told
    texts = [path.read_text() for path in (world.root / "failures").rglob("*") if path.is_file()]
    assert not any("canary-value" in text for text in texts)


@pytest.mark.parametrize("check", [True, False])
def test_a_lost_secret_that_a_database_knows_is_not_replaced_by_a_new_one(world: World, check: bool) -> None:
    world.release()
    for path in world.secrets.rglob("db_password"):
        path.unlink()
    error = world.failing(check=check)
    assert error.kind == "secret_lost"
    assert "db_password" in error.message
    assert not world.result["changed"]
    assert list(world.secrets.rglob("db_password")) == []
    world.given = {"db_password": "from a backup"}
    assert world.release()["changed"]


def lose_data(world: World, how: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The disk with the data is not mounted: the directory is gone, or another one is seen in its place."""
    data = world.root / "data" / "db"
    data.rmdir()
    if how == "a dangling link":
        data.symlink_to("/nowhere")
    if how == "another's empty directory":
        data.mkdir()
        stat = Path.stat

        def others(path: Path, **how: bool) -> os.stat_result:
            found = stat(path, **how)
            return os.stat_result((*found[:4], 4711, 4711, *found[6:])) if path == data else found

        monkeypatch.setattr(Path, "stat", others)
    return data


@pytest.mark.parametrize("how", ["gone", "a dangling link", "another's empty directory"])
@pytest.mark.parametrize("check", [True, False])
def test_a_release_does_not_put_an_empty_directory_in_the_place_of_data_that_are_not_there(
    world: World, how: str, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()
    data = lose_data(world, how, monkeypatch)
    calls = len(world.docker.calls)
    error = world.failing(world.with_api(image="api:2"), check=check)
    assert error.kind == "data_missing"
    assert [word for word in (str(data), "r001", "not mounted", "install -d -o") if word not in error.message] == []
    assert not world.result["changed"]
    assert data.is_dir() is (how == "another's empty directory")
    assert not {"up", "run", "stop", "start"} & {word for call in world.docker.calls[calls:] for word in call}
    assert world.serving() == {"db": "db:1", "api": "api:1"}


def test_neither_a_repair_nor_going_back_makes_data_that_are_not_there(world: World) -> None:
    world.release()
    world.release(world.with_api(image="api:2"))
    (world.root / "data" / "db").rmdir()
    world.docker.containers[("demo-base", "db")].state = "exited"
    assert world.failing(world.with_api(image="api:2")).kind == "data_missing"
    assert world.not_back().kind == "data_missing"
    assert not (world.root / "data" / "db").exists()


def test_a_directory_for_data_that_was_made_as_told_is_taken_and_one_with_data_gets_its_owner(world: World) -> None:
    world.release()
    data = world.root / "data" / "db"
    data.rmdir()
    data.mkdir(0o755)
    assert world.release()["actions"] == [f"data directory {data}: {USER} 0755 -> {USER} 0700"]
    assert not world.release()["changed"]


def test_a_component_that_has_got_data_in_this_release_gets_its_directory(world: World) -> None:
    stack = copy.deepcopy(world.stack)
    del stack["components"]["db"]["data"]
    world.release(stack)
    world.release()
    assert (world.root / "data" / "db").is_dir()


def test_when_the_whole_stack_is_on_a_disk_that_is_not_mounted_the_engine_knows_that_there_were_data(
    world: World,
) -> None:
    world.release()
    shutil.rmtree(world.root)
    world.root.mkdir()
    error = world.failing()
    assert error.kind == "data_missing"
    assert "demo-base-db-1 was made with it" in error.message
    assert list(world.root.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_what_serves_without_a_readable_record_is_not_given_up_for_a_new_release(world: World, damage: str) -> None:
    world.release()
    record = world.root / "current" / "release.json"
    if damage == "truncated":
        record.write_text('{"schema": 1, "id')
    else:
        record.unlink()
    world.docker.sick = {"api:2"}
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "state_unreadable"
    assert str(world.root / "current") in error.message
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    (world.root / "current").unlink()  # what the message says
    world.release()
    assert not world.release()["changed"]


def test_a_failed_repair_leaves_no_secret_for_a_later_way_back(world: World) -> None:
    world.given = {"db_password": "the good one"}
    world.release()
    path = world.secret_file("api")
    path.chmod(0o600)
    path.write_text("edited")
    world.docker.crashing = {"api:1"}
    assert world.failing().kind == "unhealthy"
    assert world.leftovers() == []
    assert path.read_text() == "the good one"


def test_a_repair_pulls_an_image_that_is_gone(world: World) -> None:
    world.release()
    del world.docker.containers[("demo-blue", "api")]
    world.docker.images.discard("api:1")
    world.docker.registry.add("api:1")
    assert "pull the image api:1" in world.release(check=True)["actions"]
    assert world.release()["kind"] == "repair"
    assert world.serving()["api"] == "api:1"


def test_a_repair_that_cannot_pull_leaves_the_current_release_where_it_is(world: World) -> None:
    world.release()
    del world.docker.containers[("demo-blue", "api")]
    world.docker.images.discard("api:1")
    assert world.failing().kind == "image_missing"
    assert world.current.identity == "r001"
    assert (world.root / "current" / "services" / "compose.yaml").is_file()


def test_containers_that_compose_hashes_otherwise_than_recorded_are_repaired_once(world: World) -> None:
    world.release()
    record = world.root / "current" / "release.json"
    raw = json.loads(record.read_text())
    raw["containers"]["api"]["config_hash"] = "of an older Compose"
    record.write_text(json.dumps(raw))
    assert world.release()["kind"] == "repair"
    assert not world.release()["changed"]


def test_containers_of_a_foreign_compose_project_of_the_same_name_are_left_alone(world: World) -> None:
    foreign = Container(image="theirs:1", hash="x", stack="")
    world.docker.containers[("demo-blue", "shop")] = foreign
    error = world.failing()
    assert error.kind == "project_foreign"
    assert "demo-blue-shop-1" in error.message
    assert world.docker.containers == {("demo-blue", "shop"): foreign}
    assert not world.result["changed"]
    assert world.leftovers() == []


def test_a_component_that_no_stack_has_any_more_does_not_keep_running(world: World) -> None:
    world.release()
    assert world.release({**world.stack, "components": {}})["changed"]
    assert world.serving() == {"api": "api:1"}


def test_a_switch_that_the_disk_refuses_is_finished_by_the_next_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()
    with monkeypatch.context() as patch:

        def refused(*_arguments: object) -> bool:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(transaction, "replace_symlink", refused)
        assert world.failing(world.with_api(image="api:2")).kind == "no_space"
    assert world.serving()["api"] == "api:2"
    world.release(world.with_api(image="api:2"))
    assert world.current.identity == "r002"
    assert world.leftovers() == []


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_step_that_could_not_be_written_down_was_not_begun(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world.with_edge()
    world.release()
    write = Journal.write

    def full(journal: Journal, layout: Layout) -> None:
        if journal.step == step:
            raise OSError(errno.ENOSPC, "No space left on device", str(layout.journal))
        write(journal, layout)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "write", full)
        error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "no_space"
    proven = RELEASE_STEPS.index(step) > RELEASE_STEPS.index("commit")
    assert world.current.identity == ("r002" if proven else "r001")
    assert ("The release r002 serves" in error.message) == proven
    assert world.serving_now()["api"] == ("api:2" if proven else "api:1")
    assert (world.root / "state" / "journal.json").exists() == proven
    world.release(world.with_api(image="api:2"))
    consistent(world)


@pytest.mark.parametrize("step", ["record", "switch", "confirm", "commit", "drain"])
@pytest.mark.parametrize("text", ["", "{", '{"schema": 1, "release": "r002", "step": "of another version"}'])
def test_a_journal_that_cannot_be_read_lets_nobody_be_stopped_who_is_led_to(world: World, step: str, text: str) -> None:
    nginx = world.with_edge()
    world.release()
    die_at_step(world, step, world.with_api(image="api:2"))
    (world.root / "state" / "journal.json").write_text(text)
    serving = world.current.identity
    alive: list[bool] = []

    def look(_step: str) -> None:
        colour = {"18001": "blue", "18501": "green"}[nginx.ask("/")[1].partition(":")[2]]
        container = world.docker.containers.get((f"demo-{colour}", "api"))
        alive.append(container is not None and container.state == "running")

    world.release(world.with_api(image="api:2"), on_step=look)
    assert alive
    assert all(alive)
    consistent(world)
    assert {record.identity for record in all_records(world.desired(world.stack).layout)} <= {"r001", serving, "r003"}


def test_a_full_disk_keeps_nginx_from_being_led_back_and_that_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    nginx = world.with_edge()
    world.release()
    with monkeypatch.context() as patch:
        nginx.deaf = True

        def full(path: Path, content: bytes, *, mode: int) -> None:
            if b"127.0.0.1:18001" in content:
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            write_atomic(path, content, mode=mode)

        patch.setattr(edge, "write_atomic", full)
        error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "edge_unconfirmed"
    assert "could NOT be led back to the release r001: The host's disk became full" in error.message
    assert world.result["changed"]
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1", "demo-green-api-1"}
    nginx.deaf = False
    world.release()
    consistent(world)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The host's disk became full"),
        (DrydockError("timed_out", "The engine hangs."), "The engine hangs."),
    ],
)
def test_what_cannot_be_put_back_hides_neither_the_failure_nor_its_evidence(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: Exception, words: str
) -> None:
    sick(world)

    def fails(_root: Path) -> int:
        raise trouble

    with monkeypatch.context() as patch:
        patch.setattr(way_back, "restore_secrets", fails)
        error = world.failing(world.with_api(image="api:2"))
    assert (error.kind, error.details["step"]) == ("unhealthy", "healthy")
    assert f"Not all could be put back: {words}" in error.message
    assert "The release r001 serves. The next run undoes the rest." in error.message
    assert Path(error.details["evidence"], "summary.txt").is_file()
    world.docker.sick = set()
    world.release()
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_an_engine_that_restarts_during_a_step_is_not_taken_for_one_without_containers(world: World, step: str) -> None:
    world.with_edge()
    world.release(world.with_worker())
    new = world.with_worker(environment={"N": "1"})
    new["services"]["api"]["environment"] = {"N": "1"}

    def restarting(reached: str) -> None:
        world.docker.answering = reached != step

    with contextlib.suppress(DrydockError):
        world.release(new, on_step=restarting)
        consistent(world)  # where it did not need the engine just then
    world.docker.answering = True
    world.release(new)
    consistent(world)
    assert not world.release(new)["changed"]


def test_a_failed_release_that_cannot_be_stopped_says_so(world: World) -> None:
    world.release()

    def gone(step: str) -> None:
        world.docker.answering = step != "healthy"

    error = world.failing(world.with_api(image="api:2"), on_step=gone)
    assert "r001 was not touched, but what came up beside it could NOT be put away" in error.message
    assert "The Docker engine is unreachable" in error.message
    world.docker.answering = True
    world.release()
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


def test_clients_are_led_back_before_any_evidence_is_collected(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    nginx = world.with_edge()
    world.release()
    before, seen = nginx.loaded, list[str]()
    collect = Collector.collect

    def looked(collector: Collector) -> None:
        seen.append(nginx.loaded)
        collect(collector)

    def unconfirmed(*_arguments: object, **_more: object) -> None:
        raise DrydockError("edge_unconfirmed", "503")

    monkeypatch.setattr(Collector, "collect", looked)
    monkeypatch.setattr(transaction, "confirm", unconfirmed)
    world.failing(world.with_api(image="api:2"))
    assert seen == [before]


def test_a_host_without_any_room_gets_a_sentence_and_no_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_layout: Layout) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/opt/demo")

    monkeypatch.setattr(Layout, "make", full)
    assert world.failing().kind == "no_space"
    assert not world.result["changed"]


# -- programs that outlive who started them --------------------------------------------------------------------------


def test_a_program_that_takes_too_long_is_stopped_with_everything_it_started(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    with pytest.raises(DrydockError) as failure:
        SubprocessRunner().run(["sh", "-c", f"sleep 60 & echo $! > {told}; wait"], timeout=0.5)
    assert failure.value.kind == "timed_out"
    assert _ended(int(told.read_text()))


def test_a_stack_stays_taken_while_a_program_of_a_killed_run_is_still_working(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path, secrets=tmp_path)
    layout.make()
    code = """
import sys
from pathlib import Path
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import SubprocessRunner
root = Path(sys.argv[1])
with lease(Layout(root=root, secrets=root), {"actor": "a"}):
    SubprocessRunner().run(["sh", "-c", f"echo $$ > {root}/pid.part; mv {root}/pid.part {root}/pid; exec sleep 60"])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    told = tmp_path / "pid"
    for _look in range(200):
        if told.exists():
            break
        time.sleep(0.05)  # another process is starting: there is no clock to hand in
    child = int(told.read_text())
    run.kill()
    run.wait()
    try:
        with pytest.raises(DrydockError) as failure, lease(layout, {"actor": "b"}):
            pass
        assert failure.value.kind == "locked"
    finally:
        os.kill(child, signal.SIGKILL)
    assert _ended(child)
    with lease(layout, {"actor": "b"}):
        pass


def _ended(process: int) -> bool:
    for _look in range(100):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("step", ["drain", "stop", "prune"])
def test_what_fails_when_the_release_is_proven_tells_that_it_serves(world: World, step: str) -> None:
    world.with_edge()
    world.release()
    new = world.with_api(image="api:2")

    def full(reached: str) -> None:
        if reached == step:
            raise OSError(28, "No space left on device")

    error = world.failing(new, on_step=full)
    assert (error.kind, error.details["step"]) == ("no_space", step)
    assert (world.result["release"], world.result["previous"]) == ("r002", "r001")
    assert world.result["directory"] == str(world.root / "releases" / "r002")
    world.release(new)
    consistent(world)
