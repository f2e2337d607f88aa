# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going back to an earlier release: as a whole, from what lies on the host."""

from __future__ import annotations

import copy
import json
import shutil
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.model import MODEL
from ansible_collections.drydock.serving.plugins.module_utils._release.record import sequence

from tests.unit.plugins.module_utils._release.test_images import with_free
from tests.unit.plugins.module_utils._release.test_kill import consistent
from tests.unit.plugins.module_utils._release.world import World


def two(world: World) -> dict[str, Any]:
    """The plain stack, then another one of everything that a release is made of; the second one."""
    world.with_edge()
    world.docker.registry.add("db:2")
    world.given = {"db_password": "old"}
    world.release()
    new = world.with_api(image="api:2")
    new["components"]["db"]["image"] = "db:2"
    new["db_config"] = "x = 2"
    source = world.place / "models" / "ocr" / "5.0"
    source.mkdir()
    new["services"]["api"]["models"] = [{"name": "ocr", "version": "5.0", "source": str(source)}]
    new["models"] = [{"name": "ocr", "version": "5.0", "files": [{"path": "a", "checksum": "sha256:bb"}]}]
    world.given = {"db_password": "new"}
    world.release(new)
    world.given = {}
    return new


def test_images_files_configuration_secrets_and_models_go_back_as_one(world: World) -> None:
    world.with_edge()
    two(world)
    before = copy.deepcopy(world.current)
    result = world.back()
    record = world.current
    assert (result["kind"], result["changed"]) == ("release", True)
    assert (result["rolled_back_to"], result["rolled_back_from"]) == ("r001", "r002")
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.secret("api") == world.secret("db") == "old"
    assert (world.secrets / ".store" / "db_password").read_text() == "old"
    assert record.models["ocr"]["version"] == "4.0"
    assert record.config != before.config
    assert (world.root / "current" / "base" / "config" / "db" / "db.conf").read_text() == "x = 1"
    consistent(world)


def test_it_is_a_release_of_its_own_that_tells_what_it_was(world: World) -> None:
    two(world)
    world.back(reason="errors")
    rest = world.current.rest
    assert world.current.identity == "r003"
    assert (rest["rolled_back_to"], rest["rolled_back_from"], rest["previous"]) == ("r001", "r002", "r002")
    assert (rest["actor"], rest["reason"]) == ("op@host", "errors")
    assert sequence(world.current) == 3
    lines = (world.root / "state" / "deployments.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["outcome"] == "rolled_back"


def test_it_can_be_gone_back_from_by_the_name_of_the_release_that_was_left(world: World) -> None:
    two(world)
    world.back()
    result = world.back("r002")
    assert world.serving() == {"db": "db:2", "api": "api:2"}
    assert world.secret("api") == "new"
    assert (result["rolled_back_to"], result["rolled_back_from"]) == ("r002", "r003")
    consistent(world)


def test_a_release_that_was_left_is_not_gone_back_to_without_its_name(world: World) -> None:
    world.release(world.with_api(environment={"N": "0"}))
    world.release()
    world.release(world.with_api(image="api:2"))
    assert world.back()["rolled_back_to"] == "r002"
    assert world.back()["rolled_back_to"] == "r001"
    error = world.not_back()
    assert error.kind == "no_way_back"
    assert "r003" in error.message
    world.release(world.with_api(environment={"N": "4"}))
    assert world.back()["rolled_back_to"] == "r005"


def test_which_one_was_before_does_not_follow_from_the_clock(world: World) -> None:
    world.number = 50
    world.release()
    world.number = 10  # set back
    world.release(world.with_api(environment={"N": "1"}))
    world.release(world.with_api(environment={"N": "2"}))
    assert world.back()["rolled_back_to"] == "r011"
    assert world.back()["rolled_back_to"] == "r051"


def test_the_release_that_it_would_go_back_to_is_kept(world: World) -> None:
    world.release()
    for number in range(2, 5):
        world.release(world.with_api(environment={"N": str(number)}), keep=1)
        assert world.back(keep=1)["rolled_back_to"] == "r001" if number == 2 else True
    assert world.current.rest["previous"]


def test_going_back_to_what_serves_changes_nothing(world: World) -> None:
    two(world)
    world.back()
    assert not world.back("r001")["changed"]
    assert world.current.identity == "r003"


def test_a_check_says_what_would_be_done_and_does_nothing(world: World) -> None:
    two(world)
    before = {path: path.stat().st_mtime_ns for path in world.root.rglob("*")}
    calls = len(world.docker.calls)
    result = world.back(check=True)
    assert (result["changed"], result["rolled_back_to"]) == (True, "r001")
    assert "image api: api:2 -> api:1; image db: db:2 -> db:1" in result["actions"]
    assert {path: path.stat().st_mtime_ns for path in world.root.rglob("*")} == before
    assert all(call[1] in {"ps", "image", "inspect"} for call in world.docker.calls[calls:])


def test_the_inventory_is_released_again_by_the_next_run(world: World) -> None:
    new = two(world)
    world.back()
    assert world.release(new, check=True)["kind"] == "release"


def test_a_release_that_cannot_be_gone_back_to_leaves_what_serves(world: World) -> None:
    two(world)
    world.docker.sick = {"api:1"}
    error = world.not_back()
    assert error.details["step"] == "healthy"
    assert world.current.identity == "r002"
    assert world.serving() == {"db": "db:2", "api": "api:2"}
    assert world.secret("api") == "new"
    consistent(world)


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        ("compose", "release_altered"),
        ("model", "release_altered"),
        ("model_gone", "release_incomplete"),
        ("secret", "secret_lost"),
        ("secret_gone", "secret_lost"),
        ("models", "models_missing"),
        ("record", "release_unknown"),
    ],
)
def test_what_is_not_there_as_it_was_is_refused_before_anything_is_touched(world: World, harm: str, kind: str) -> None:
    two(world)
    folder = world.root / "releases" / "r001"
    secret = next(path for path in (world.secrets / "api").rglob("db_password") if path.read_text() == "old")
    if harm == "compose":
        (folder / "services" / "compose.yaml").write_text("services: {}")
    elif harm == "model":
        text = (folder / MODEL).read_text()
        (folder / MODEL).write_text(text.replace('"4.0"', '"4.1"'))
    elif harm == "model_gone":
        (folder / MODEL).unlink()
    elif harm == "secret":
        secret.chmod(0o600)
        secret.write_text("edited")
    elif harm == "secret_gone":
        secret.unlink()
    elif harm == "models":
        shutil.rmtree(world.place / "models" / "ocr" / "4.0")
    else:
        (folder / "release.json").write_text("{")
    running = world.running()
    error = world.not_back("r001")
    assert error.kind == kind
    assert "Nothing was touched" in error.message
    assert (world.running(), world.current.identity) == (running, "r002")
    assert world.leftovers() == []


@pytest.mark.parametrize("identity", ["", "..", "../r001", "r009", "r001.staging", ".", "current"])
def test_only_a_recorded_release_can_be_named(world: World, identity: str) -> None:
    two(world)
    world.back() if identity == "" else None
    if identity:
        assert world.not_back(identity).kind == "release_unknown"


def test_without_a_release_there_is_nothing_to_go_back_from(world: World) -> None:
    assert world.not_back().kind == "not_released"


def test_without_a_release_before_it_says_so(world: World) -> None:
    world.release()
    error = world.not_back()
    assert error.kind == "no_way_back"
    assert "There is no other one here." in error.message
    assert (world.result["release"], world.result["changed"]) == ("r001", False)


def test_what_serves_may_have_been_edited_by_hand(world: World) -> None:
    two(world)
    (world.root / "current" / MODEL).write_text("{")
    (world.root / "current" / "services" / "compose.yaml").write_text("{}")
    assert world.back()["rolled_back_to"] == "r001"
    consistent(world)


def test_a_service_that_the_edge_leads_to_and_the_release_does_not_have_is_answered_for_by_nginx(
    world: World,
) -> None:
    nginx = world.with_edge()
    nginx.routes = {"/more": "worker"}
    world.release()
    added = world.with_worker(port=9000, host_ports={"blue": 18002, "green": 18502}, routes=["/more"])
    world.release(added)
    assert "127.0.0.1:18002" in nginx.loaded
    world.back()
    assert "upstream drydock_worker {\n    server 127.0.0.1:9 down;\n}" in nginx.loaded
    consistent(world)
    assert world.release(check=True)["kind"] == "none"  # the plain stack is what serves
    world.release(world.with_api(environment={"N": "1"}))
    assert "drydock_worker" not in nginx.loaded


def test_the_edge_is_asked_by_the_routes_that_it_has_now(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    moved = world.with_api(image="api:2", routes=["/v2"])
    moved["edge"] = {"routes": [{"path": "/v2", "service": "api"}]}
    world.release(moved)
    asked: list[str] = []
    original = nginx.ask

    def ask(path: str) -> tuple[int, str]:
        asked.append(path)
        return original(path)

    nginx.ask = ask  # type: ignore[method-assign]  # the test looks on
    world.back()
    assert set(asked) == {"/v2"}


def test_routes_that_changed_without_a_release_are_recorded_and_restart_nothing(world: World) -> None:
    world.release()
    api = world.docker.containers[("demo-blue", "api")]
    moved = world.with_api(routes=["/v2"], drain={"timeout": 3})
    result = world.release(moved)
    assert (result["kind"], result["actions"]) == ("repair", ["record the settings of services"])
    assert world.docker.containers[("demo-blue", "api")] is api
    assert world.current.containers["api"]["routes"] == ["/v2"]
    assert world.current.containers["api"]["drain"]["timeout"] == 3
    assert not world.release(moved)["changed"]


def test_it_removes_no_release_however_many_the_inventory_keeps(world: World) -> None:
    for number in range(8):
        world.release(world.with_api(environment={"N": str(number)}), keep=10)
    assert world.back()["pruned"] == []
    assert len(list((world.root / "releases").iterdir())) == 9


def test_it_has_the_patience_that_the_inventory_had(world: World) -> None:
    world.stack["services"]["api"]["health"].update(start_period=2000)
    for image in ("api:1", "api:2"):
        world.release(world.with_api(image=image), wait_timeout=1800.0)

    def loads_its_model(step: str) -> None:
        container = world.docker.containers.get(("demo-blue", "api"))
        if step == "healthy" and container is not None:
            container.warming, container.health = 1000, "starting"

    world.back(on_step=loads_its_model)
    assert world.serving()["api"] == "api:1"
    assert world.current.rest["patience"]["wait_timeout"] == 1800.0


@pytest.mark.parametrize(("free", "enough"), [(17, True), (15, False)])
def test_a_release_that_fills_the_disk_can_be_left(
    world: World, monkeypatch: pytest.MonkeyPatch, free: int, enough: bool
) -> None:
    two(world)
    with_free(monkeypatch, free * 1024 * 1024)
    if enough:
        world.back(reserve=512 * 1024 * 1024)
    else:
        assert world.not_back(reserve=512 * 1024 * 1024).kind == "no_space"
    assert world.serving()["api"] == ("api:1" if enough else "api:2")
