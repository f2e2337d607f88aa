# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release from outside: what changes, what stays, and what is said."""

from __future__ import annotations

import json
import stat

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.lease import lease

from tests.unit.plugins.module_utils._release.world import World


def test_a_first_release_brings_everything_up_and_records_it(world: World) -> None:
    result = world.release()
    assert result["changed"]
    assert result["kind"] == "release"
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    record = json.loads((world.root / "current" / "release.json").read_text())
    assert record["id"] == result["release"]
    assert record["images"]["api"] == {
        "reference": "api:1",
        "id": "sha256:api:1",
        "digests": [],
        "platform": "linux/amd64",
    }
    assert record["models"]["ocr"]["version"] == "4.0"
    assert record["actor"] == "op@ctl"
    assert [target["ok"] for target in record["health"]] == [True, True]
    assert world.leftovers() == []


def test_components_are_healthy_before_services_are_started(world: World) -> None:
    world.release()
    ups = [index for index, call in enumerate(world.docker.calls) if "up" in call]
    looks = [index for index, call in enumerate(world.docker.calls) if call[-1] == "demo-base-db-1"]
    assert ups[0] < looks[0] < ups[1]


def test_an_unchanged_stack_asks_the_engine_one_question_and_changes_nothing(world: World) -> None:
    world.release()
    before = sorted(path.as_posix() for path in world.place.rglob("*"))
    world.docker.calls.clear()
    result = world.release()
    assert not result["changed"]
    assert result["actions"] == []
    assert result["diff"] == []
    assert len(world.docker.calls) == 1
    assert sorted(path.as_posix() for path in world.place.rglob("*")) == before


def test_check_mode_on_a_bare_host_without_docker_says_what_would_be_done(world: World) -> None:
    world.docker.installed = False
    result = world.release(check=True)
    assert result["changed"]
    assert result["engine"] == "missing"
    assert "add the file base/compose.yaml" in result["actions"]
    assert not world.root.exists()
    assert not world.secrets.exists()


def test_check_mode_shows_the_files_images_and_models_that_would_change(world: World) -> None:
    world.release()
    stack = world.with_api(image="api:2")
    stack["models"][0]["version"] = "4.1"
    diff = {item["before_header"]: item for item in world.release(stack, check=True)["diff"]}
    assert diff["demo: images"]["before"] == "api: api:1\ndb: db:1\n"
    assert diff["demo: images"]["after"] == "api: api:2\ndb: db:1\n"
    assert diff["demo: models"]["after"].startswith("ocr: 4.1")
    assert "api:2" in diff[str(world.root / "current" / "services" / "compose.yaml")]["after"]
    assert world.result["actions"][0] == "pull the image api:2"
    assert world.serving()["api"] == "api:1"


def test_a_changed_service_is_released_and_the_component_is_left_alone(world: World) -> None:
    world.release()
    db = world.docker.containers[("demo-base", "db")]
    result = world.release(world.with_api(image="api:2"))
    assert result["previous"] == "r001"
    assert world.serving()["api"] == "api:2"
    assert world.docker.containers[("demo-base", "db")] is db
    assert (world.root / "current").readlink().as_posix() == "releases/r002"


def test_changed_configuration_of_a_component_restarts_only_it(world: World) -> None:
    world.release()
    before = dict(world.docker.containers)
    world.release({**world.stack, "db_config": "x = 2"})
    assert world.docker.containers[("demo-base", "db")] is not before[("demo-base", "db")]
    assert world.docker.containers[("demo-blue", "api")] is before[("demo-blue", "api")]


def test_a_changed_secret_restarts_who_reads_it_and_is_not_told(world: World) -> None:
    world.release()
    before = dict(world.docker.containers)
    world.given = {"db_password": "canary-value"}
    result = world.release()
    assert result["kind"] == "release"
    assert "secret db_password: another value" in result["actions"]
    assert ("demo-blue", "api") not in world.docker.containers
    assert world.docker.containers[("demo-base", "db")] is not before[("demo-base", "db")]
    assert world.secret("api") == "canary-value"
    assert "canary-value" not in json.dumps(result)
    assert not any("canary-value" in word for call in world.docker.calls for word in call)
    assert "canary-value" not in (world.root / "current" / "release.json").read_text()


def test_a_model_with_other_bytes_under_the_same_version_is_a_release(world: World) -> None:
    world.release()
    world.stack["models"][0]["files"][0]["checksum"] = "sha256:bb"
    assert world.release()["kind"] == "release"
    assert world.running() == {"demo-base-db-1", "demo-green-api-1"}


@pytest.mark.parametrize("damage", ["stopped", "missing", "unhealthy", "changed"])
def test_a_container_that_is_not_as_released_is_found_in_check_mode_and_brought_back(world: World, damage: str) -> None:
    world.release()
    key = ("demo-blue", "api")
    good = world.docker.containers[key].hash
    if damage == "stopped":
        world.docker.containers[key].state = "exited"
    elif damage == "missing":
        del world.docker.containers[key]
    elif damage == "unhealthy":
        world.docker.containers[key].health = "unhealthy"
    else:
        world.docker.containers[key].hash = "other"
    checked = world.release(check=True)
    assert checked["changed"]
    assert [item["before_header"] for item in checked["diff"]] == ["container demo-blue-api-1"]
    result = world.release()
    assert (result["changed"], result["kind"], result["release"]) == (True, "repair", "r001")
    assert world.docker.containers[key].state == "running"
    assert world.docker.containers[key].hash == good
    assert not world.release()["changed"]


def test_a_release_directory_that_was_edited_by_hand_is_replaced_by_a_new_release(world: World) -> None:
    world.release()
    (world.root / "current" / "services" / "compose.yaml").write_text("{}")
    assert world.release()["kind"] == "release"
    assert not world.release()["changed"]


def test_a_secret_file_with_other_rights_is_put_right_without_a_new_release(world: World) -> None:
    world.release()
    path = world.secret_file("api")
    path.chmod(0o644)
    assert world.release()["kind"] == "repair"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


# -- failures: what served keeps serving -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("says", "kind", "words"),
    [
        ("manifest unknown", "image_missing", "is not in the registry registry.example.org"),
        ("denied: requested access to the resource is denied", "registry_denied", "stack_registries"),
        ("dial tcp: lookup registry.example.org: no such host", "registry_unreachable", "DNS"),
        ("write /var/lib/docker/tmp: no space left on device", "no_space", "Make room"),
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "image_architecture", "buildx"),
        ("something new", "pull_failed", "something new"),
    ],
)
def test_an_image_that_cannot_be_pulled_leaves_everything_as_it_was(
    world: World, says: str, kind: str, words: str
) -> None:
    world.release()
    before = dict(world.docker.containers)
    world.docker.pull_says = says
    error = world.failing(world.with_api(image="registry.example.org/api:9"))
    assert error.kind == kind
    assert words in error.message
    assert "was not touched" in error.message
    assert not world.result["changed"]
    assert world.docker.containers == before
    assert world.current.identity == "r001"
    assert world.leftovers() == []


def test_a_registry_that_does_not_answer_is_asked_again(world: World) -> None:
    world.docker.pull_says = "connection refused"
    world.failing(world.with_api(image="api:9"))
    assert len(world.docker.said("pull")) == 3


def test_a_compose_file_that_compose_refuses_never_gets_near_the_containers(world: World) -> None:
    world.release()
    world.docker.invalid = True
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "compose_invalid"
    assert "services.api.x is not allowed" in error.message
    assert world.serving()["api"] == "api:1"
    assert world.leftovers() == []


@pytest.mark.parametrize(("trouble", "words"), [("crashing", "crash loop"), ("sick", "unhealthy instead of healthy")])
def test_a_release_that_is_not_healthy_goes_back_and_keeps_evidence_without_secrets(
    world: World, trouble: str, words: str
) -> None:
    world.given = {"db_password": "canary-value"}
    world.release()
    before = world.docker.containers[("demo-blue", "api")].hash
    setattr(world.docker, trouble, {"api:2"})
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "unhealthy"
    assert words in error.message
    assert "The previous release r001 was not touched and serves." in error.message
    assert world.result["changed"]
    assert world.docker.containers[("demo-blue", "api")].hash == before
    assert world.current.identity == "r001"
    evidence = world.root / "failures" / "r002"
    assert str(evidence) in error.message
    assert {path.name for path in evidence.iterdir()} >= {"failure.json", "api.log", "inspect.json", "release"}
    texts = [path.read_text() for path in evidence.rglob("*") if path.is_file()]
    assert not any("canary-value" in text or "hunter2" in text for text in [*texts, error.message])
    assert world.leftovers() == []
    assert not world.release()["changed"]


def test_a_failed_release_puts_the_old_secret_back(world: World) -> None:
    world.given = {"db_password": "the old one"}
    world.release()
    world.given = {"db_password": "the new one"}
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    assert world.secret("api") == "the old one"


def test_a_first_release_that_fails_is_stopped_and_kept_for_a_look(world: World) -> None:
    world.docker.sick = {"api:1"}
    error = world.failing()
    assert "no earlier release" in error.message
    assert world.serving() == {}
    assert len(world.docker.containers) == 2
    password = (world.secrets / ".store" / "db_password").read_text()
    world.docker.sick = set()
    world.docker.containers.clear()
    world.release()
    assert (world.secrets / ".store" / "db_password").read_text() == password


def test_a_taken_port_is_named_and_the_old_release_comes_back(world: World) -> None:
    world.release()
    world.docker.busy_ports = True
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "port_taken"
    assert "ss -lntup" in error.message
    assert "Starting" not in error.message
    assert world.serving()["api"] == "api:1"


def test_models_that_are_not_on_the_host_stop_the_release_before_anything_is_touched(world: World) -> None:
    world.release()
    stack = world.with_api(models=[{"name": "ocr", "version": "5", "source": str(world.place / "nowhere")}])
    stack["models"][0]["version"] = "5"
    error = world.failing(stack)
    assert error.kind == "models_missing"
    assert "ocr 5" in error.message
    assert world.current.identity == "r001"


def test_a_full_disk_is_told_before_anything_is_touched(world: World) -> None:
    error = world.failing(reserve=10**18)
    assert error.kind == "no_space"
    assert "Make room" in error.message
    assert world.docker.containers == {}


def test_a_foreign_network_of_the_stack_s_name_is_not_used(world: World) -> None:
    world.docker.networks["demo"] = "someone-else"
    error = world.failing()
    assert error.kind == "network_foreign"
    assert world.docker.networks == {"demo": "someone-else"}


@pytest.mark.parametrize(("attribute", "kind"), [("installed", "engine_missing"), ("answering", "engine_unreachable")])
def test_without_an_engine_the_message_says_what_to_do(world: World, attribute: str, kind: str) -> None:
    setattr(world.docker, attribute, False)
    error = world.failing()
    assert error.kind == kind
    assert "then run again" in error.message
    assert not world.result["changed"]


def test_docker_without_compose_is_told_by_its_package_names(world: World) -> None:
    world.docker.plugin = False
    error = world.failing()
    assert error.kind == "compose_missing"
    assert "docker-compose-plugin" in error.message
    assert world.leftovers() == []


def test_a_second_run_at_the_same_time_is_refused_with_who_and_since_when(world: World) -> None:
    layout = Layout(root=world.root, secrets=world.secrets)
    layout.make()
    with lease(layout, {"actor": "alice@laptop", "since": "2026-11-21T04:00:00Z", "doing": "release r000"}):
        error = world.failing()
    assert error.kind == "locked"
    assert "alice@laptop" in error.message
    assert "2026-11-21T04:00:00Z" in error.message
    world.release()


def test_state_from_a_newer_version_is_refused_and_not_touched(world: World) -> None:
    world.release()
    record = world.root / "current" / "release.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "schema": 99}))
    assert world.failing().kind == "state_unreadable"


def test_old_releases_go_and_the_last_ones_stay(world: World) -> None:
    for number in range(6):
        world.release(world.with_api(environment={"N": str(number)}), keep=2)
    assert sorted(path.name for path in (world.root / "releases").iterdir()) == ["r005", "r006"]
    assert world.result["pruned"] == ["r004"]


def test_configuration_that_no_kept_release_mounts_goes_too(world: World) -> None:
    for number in range(4):
        world.release({**world.stack, "db_config": str(number)}, keep=1)
    assert len(list((world.root / "config" / "db").iterdir())) == 2
