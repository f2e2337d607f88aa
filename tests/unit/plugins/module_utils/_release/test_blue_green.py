# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two colours: what changed comes up beside what serves, and nobody is led to it before it is healthy."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.world import World

BLUE = "server 127.0.0.1:18001 "
GREEN = "server 127.0.0.1:18501 "


DOCUMENTATION = Path(__file__).parents[5] / "docs" / "releases.md"


def seen_at(world: World, stack: dict[str, Any], step: str) -> dict[str, set[str]]:
    """Which containers ran, and which of them were in the network of what serves, when a step began."""
    found: dict[str, set[str]] = {}

    def look(reached: str) -> None:
        if reached == step:
            found["running"] = world.running()
            found["named"] = world.named()

    world.release(stack, on_step=look)
    return found


def test_the_old_one_serves_until_the_new_one_is_healthy_and_has_been_switched_to(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    assert BLUE in nginx.loaded
    loaded: dict[str, str] = {}

    def look(step: str) -> None:
        loaded[step] = nginx.loaded
        blue = world.docker.containers.get(("demo-blue", "api"))
        assert (blue is not None and blue.state == "running") or step == "prune"

    result = world.release(world.with_api(image="api:2"), on_step=look)
    until = RELEASE_STEPS.index("confirm")
    assert [step for step in RELEASE_STEPS if BLUE in loaded[step]] == list(RELEASE_STEPS[:until])
    assert GREEN in nginx.loaded
    assert world.running() == {"demo-base-db-1", "demo-green-api-1"}
    assert result["moved"] == {"api": "green"}


def test_the_next_release_comes_back_to_the_first_colour(world: World) -> None:
    nginx = world.with_edge()
    for number in range(3):
        world.release(world.with_api(environment={"N": str(number)}))
    assert world.colours() == {"api": "blue"}
    assert BLUE in nginx.loaded
    assert nginx.reloads == 3


def test_only_what_changed_moves_and_the_rest_is_not_touched(world: World) -> None:
    world.release(world.with_worker())
    worker = world.docker.containers[("demo-blue", "worker")]
    stack = world.with_worker()
    stack["services"]["api"]["environment"] = {"N": "1"}
    assert world.release(stack)["moved"] == {"api": "green"}
    assert world.colours() == {"api": "green", "worker": "blue"}
    assert world.docker.containers[("demo-blue", "worker")] is worker
    assert not world.release(stack)["changed"]


def test_a_changed_secret_moves_who_reads_it_alone(world: World) -> None:
    world.release(world.with_worker())
    world.given = {"db_password": "another"}
    assert world.release(world.with_worker())["moved"] == {"api": "green"}


def test_a_service_that_stays_is_found_by_the_new_ones_before_they_serve(world: World) -> None:
    world.release(world.with_worker())
    stack = world.with_worker()
    stack["services"]["api"]["environment"] = {"N": "1"}
    world.release(stack)
    assert world.docker.containers[("demo-blue", "worker")].networks == {"demo", "demo-blue", "demo-green"}


def test_a_name_leads_to_a_new_container_only_when_it_is_healthy(world: World) -> None:
    world.release(world.with_worker())
    stack = world.with_worker(environment={"N": "1"})
    assert "demo-green-worker-1" in seen_at(world, stack, "join")["running"]
    assert world.named() == {"demo-blue-api-1", "demo-green-worker-1"}
    stack = world.with_worker(environment={"N": "2"})
    assert "demo-blue-worker-1" not in seen_at(world, stack, "join")["named"]


def test_links_into_a_colour_that_is_not_used_any_more_are_taken_back(world: World) -> None:
    world.release(world.with_worker())
    stack = world.with_worker()
    stack["services"]["api"]["environment"] = {"N": "1"}
    world.release(stack)
    world.release(world.with_worker())
    assert world.colours() == {"api": "blue", "worker": "blue"}
    assert world.docker.containers[("demo-blue", "worker")].networks == {"demo", "demo-blue"}


def test_a_service_with_a_port_of_the_host_is_replaced_where_it_is(world: World) -> None:
    def stack(number: int) -> dict[str, Any]:
        return world.with_worker(publish=[{"port": 9000}], environment={"N": str(number)})

    world.release(stack(0))
    old = world.docker.containers[("demo-blue", "worker")]
    found = seen_at(world, stack(1), "replace")
    assert "demo-blue-worker-1" in found["running"]
    assert world.docker.containers[("demo-blue", "worker")] is not old
    assert world.colours()["worker"] == "blue"
    assert "demo-blue-worker-1" in world.named()
    assert world.release(stack(1))["kind"] == "none"


def test_a_service_that_was_replaced_where_it_is_comes_back_when_the_release_fails(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(world.with_worker(publish=[{"port": 9000}]))
    before = world.docker.containers[("demo-blue", "worker")].hash
    world.docker.sick = {"api:2"}
    error = world.failing(world.with_worker(publish=[{"port": 9000}], image="api:2"))
    assert error.details["step"] == "replace"
    assert "was brought back and serves" in error.message
    assert world.docker.containers[("demo-blue", "worker")].hash == before
    assert "demo-blue-worker-1" in world.named()


def test_a_failed_release_leaves_the_old_one_alone_and_its_containers_stopped_until_the_next(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    api = world.docker.containers[("demo-blue", "api")]
    world.docker.sick = {"api:2"}
    error = world.failing(world.with_api(image="api:2"))
    assert "The previous release r001 was not touched and serves." in error.message
    assert world.docker.containers[("demo-blue", "api")] is api
    assert world.docker.containers[("demo-green", "api")].state == "exited"
    assert (nginx.reloads, BLUE in nginx.loaded) == (1, True)
    assert not world.release()["changed"]
    assert world.docker.containers[("demo-green", "api")].state == "exited"
    world.docker.sick = set()
    world.release(world.with_api(image="api:2"))
    assert world.running() == {"demo-base-db-1", "demo-green-api-1"}


def test_a_container_that_could_not_be_started_does_not_stay(world: World) -> None:
    world.release()
    world.docker.busy_ports = True
    assert world.failing(world.with_api(image="api:2")).kind == "port_taken"
    assert ("demo-green", "api") not in world.docker.containers
    assert not world.release()["changed"]


def test_a_container_that_a_killed_run_had_only_created_is_removed(world: World) -> None:
    world.release()
    world.docker.containers[("demo-green", "api")] = copy.copy(world.docker.containers[("demo-blue", "api")])
    world.docker.containers[("demo-green", "api")].state = "created"
    assert world.release()["kind"] == "repair"
    assert ("demo-green", "api") not in world.docker.containers


def test_a_failed_release_takes_back_the_names_it_lent(world: World) -> None:
    world.docker.images.add("api:2")
    world.release(world.with_worker())
    world.docker.sick = {"api:2"}
    stack = world.with_worker()
    stack["services"]["api"]["image"] = "api:2"
    world.failing(stack)
    assert world.docker.containers[("demo-blue", "worker")].networks == {"demo", "demo-blue"}


def test_the_secrets_of_a_failed_release_do_not_stay_on_the_host(world: World) -> None:
    world.release()
    world.given = {"db_password": "of the failed one"}
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    texts = [path.read_text() for path in world.secrets.rglob("*") if path.is_file()]
    assert texts
    assert "of the failed one" not in texts


def test_a_container_that_is_started_again_reads_the_secret_it_was_made_with(world: World) -> None:
    world.given = {"db_password": "old"}
    world.release()
    path = world.secret_file("api")
    world.given = {"db_password": "new"}
    values: list[str] = []
    world.release(on_step=lambda _step: values.append(path.read_text()))
    assert set(values) == {"old"}
    assert world.secret("api") == "new"


def test_the_values_of_releases_that_are_kept_are_kept(world: World) -> None:
    for value in ("one", "two", "three"):
        world.given = {"db_password": value}
        world.release(keep=1)
    assert sorted(path.read_text() for path in (world.secrets / "api").rglob("db_password")) == ["three", "two"]
    assert not world.release(keep=1)["changed"]


def test_the_table_of_steps_in_the_documentation_has_every_step_in_order() -> None:
    chapter = DOCUMENTATION.read_text(encoding="utf-8").partition("## Steps\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)
    assert rows == list(RELEASE_STEPS)


# -- the edge --------------------------------------------------------------------------------------------------------


def test_without_nginx_the_upstreams_are_written_and_nothing_is_reloaded(world: World) -> None:
    world.release()
    assert BLUE in (world.root / "edge" / "upstreams.conf").read_text()
    assert (world.root / "edge" / "upstreams.conf").stat().st_mode & 0o777 == 0o644
    assert world.docker.said("reload") == []


def test_an_nginx_that_does_not_read_the_upstreams_is_left_alone(world: World) -> None:
    nginx = world.with_edge()
    nginx.included = False
    world.release()
    world.release(world.with_api(image="api:2"))
    assert nginx.reloads == 0
    assert GREEN in (world.root / "edge" / "upstreams.conf").read_text()


@pytest.mark.parametrize(
    ("trouble", "kind", "step"),
    [
        ("broken", "edge_invalid", "switch"),
        ("refuses_reload", "edge_failed", "switch"),
        ("deaf", "edge_unconfirmed", "confirm"),
    ],
)
def test_an_edge_that_does_not_switch_leaves_the_old_one_serving(
    world: World, trouble: str, kind: str, step: str
) -> None:
    nginx = world.with_edge()
    world.release()

    def spoil(reached: str) -> None:
        setattr(nginx, trouble, reached == step if trouble != "deaf" else True)

    def mend(*_arguments: object) -> None:
        setattr(nginx, trouble, False)

    original = nginx.run

    def once(argv: Any) -> Any:
        done = original(argv)
        if not done.ok:
            mend()
        return done

    nginx.run = once  # type: ignore[method-assign]  # it is in order again when the way back needs it
    error = world.failing(world.with_api(image="api:2"), on_step=spoil)
    assert (error.kind, error.details["step"]) == (kind, step)
    assert "was not touched and serves" in error.message
    assert BLUE in (world.root / "edge" / "upstreams.conf").read_text()
    assert BLUE in nginx.loaded
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1"}
    assert world.leftovers() == []


def test_when_the_edge_cannot_be_led_back_both_run_on_and_the_next_run_undoes_it(world: World) -> None:
    nginx = world.with_edge()
    world.release()

    def spoil(step: str) -> None:
        if step == "confirm":
            nginx.loaded = ""
            nginx.broken = True

    error = world.failing(world.with_api(image="api:2"), on_step=spoil)
    assert "could NOT be led back" in error.message
    assert {"demo-blue-api-1", "demo-green-api-1"} < world.running()
    assert world.failing().kind == "edge_invalid"
    nginx.broken = False
    world.release()
    assert BLUE in nginx.loaded
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1"}
    assert world.leftovers() == []


def test_upstreams_that_were_edited_are_found_by_a_check_and_written_again(world: World) -> None:
    nginx = world.with_edge()
    world.release()
    (world.root / "edge" / "upstreams.conf").write_text("upstream drydock_api { server 127.0.0.1:1; }\n")
    checked = world.release(check=True)
    assert [item["before_header"] for item in checked["diff"]] == [str(world.root / "edge" / "upstreams.conf")]
    assert world.release()["kind"] == "repair"
    assert BLUE in nginx.loaded
    assert not world.release()["changed"]


def test_a_change_that_moves_nothing_behind_the_edge_does_not_reload_it(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_worker())
    world.release(world.with_worker(environment={"N": "1"}))
    assert nginx.reloads == 1


# -- what others left ------------------------------------------------------------------------------------------------


def test_a_container_of_no_release_is_found_by_a_check_and_removed(world: World) -> None:
    world.release()
    world.docker.containers[("demo-green", "api")] = copy.copy(world.docker.containers[("demo-blue", "api")])
    assert "demo-green-api-1: runs and is not part of the release" in world.release(check=True)["actions"]
    assert world.release()["kind"] == "repair"
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1"}


def test_a_service_that_lost_its_name_in_the_stack_s_network_gets_it_back(world: World) -> None:
    world.release()
    world.docker.containers[("demo-blue", "api")].networks.discard("demo")
    assert world.release()["kind"] == "repair"
    assert world.named() == {"demo-blue-api-1"}
    assert not world.release()["changed"]


def test_without_a_record_what_runs_serves_until_the_new_release_does(world: World) -> None:
    world.release()
    (world.root / "current").unlink()
    found = seen_at(world, world.stack, "switch")
    assert {"demo-blue-api-1", "demo-green-api-1"} < found["running"]
    assert world.running() == {"demo-base-db-1", "demo-green-api-1"}


def test_a_service_that_is_taken_out_runs_until_the_switch(world: World) -> None:
    world.release(world.with_worker())
    found = seen_at(world, world.stack, "drain")
    assert "demo-blue-worker-1" in found["running"]
    assert world.running() == {"demo-base-db-1", "demo-blue-api-1"}
