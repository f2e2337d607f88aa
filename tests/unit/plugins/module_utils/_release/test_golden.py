# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service that answers is asked whether it answers right, before anybody else is led to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.steps import RELEASE_STEPS

from tests.unit.plugins.module_utils._release.test_kill import consistent, die_at_step
from tests.unit.plugins.module_utils._release.world import GOLDEN, World

WRONG = (200, b'{"text": "1NV0ICE", "password": "hunter2"}')


def test_a_right_answer_is_part_of_the_release_s_evidence(world: World) -> None:
    result = world.release(world.with_golden())
    (seen,) = [item for item in result["health"] if item["name"] == "api golden"]
    assert (seen["ok"], seen["phase"], seen["attempts"], seen["last"]["status"]) == (True, "infers", 1, 200)
    assert seen in world.current.rest["health"]
    (spec,) = world.asked
    assert (spec.method, spec.url, spec.body) == ("POST", "http://127.0.0.1:18001/v1/read", b'{"page": 1}')
    assert spec.headers == {"Content-Type": "application/json"}


def test_a_wrong_answer_with_status_200_leaves_the_old_release_serving(world: World) -> None:
    nginx = world.with_edge()
    world.release(world.with_golden())
    world.answers = [WRONG]
    error = world.failing(world.with_golden(image="api:2"))
    assert (error.kind, error.details["step"], error.details["service"]) == ("golden_wrong", "golden", "api")
    for part in (
        "POST /v1/read with 11 bytes, at its own port 127.0.0.1:18501",
        "Expected: HTTP 200; text is 'INVOICE'.",
        "text is '1NV0ICE' instead of 'INVOICE'",
        "golden-api.answer",
        "r001 was not touched and serves",
        str(world.root / "failures" / "r002"),
    ):
        assert part in error.message
    assert nginx.ask("/") == (200, "127.0.0.1:18001")
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.leftovers() == []


def test_the_whole_answer_is_kept_without_secrets(world: World) -> None:
    world.given = {"db_password": "canary-value"}
    world.release(world.with_golden())
    world.answers = [(200, json.dumps({"text": "x", "long": "y" * 5000, "said": "canary-value"}).encode())]
    error = world.failing(world.with_golden(image="api:2"))
    kept = world.root / "failures" / "r002" / "golden-api.answer"
    assert json.loads(kept.read_text()) == {"text": "x", "long": "y" * 5000, "said": "[redacted]"}
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "canary-value" not in json.dumps(error.as_result())
    assert len(error.message) < 2000


def test_an_answer_that_is_no_text_is_kept_as_it_is(world: World) -> None:
    world.release(world.with_golden())
    picture = b"\x89PNG\r\n\x1a\n\x00\xff"
    world.answers = [(200, picture)]
    world.failing(world.with_golden(image="api:2"))
    assert (world.root / "failures" / "r002" / "golden-api.answer").read_bytes() == picture


def test_a_wrong_answer_is_not_asked_for_again(world: World) -> None:
    world.answers = [WRONG, (200, b'{"text": "INVOICE"}')]
    assert world.failing(world.with_golden()).kind == "golden_wrong"
    assert len(world.asked) == 1


def test_a_service_that_is_busy_is_asked_again(world: World) -> None:
    world.answers = [(503, b"busy"), (503, b"busy"), (200, b'{"text": "INVOICE"}')]
    result = world.release(world.with_golden())
    assert [item["attempts"] for item in result["health"] if item["name"] == "api golden"] == [3]


def test_a_service_that_stays_busy_fails_after_all_attempts(world: World) -> None:
    world.answers = [(503, b"busy")]
    error = world.failing(world.with_golden())
    assert "127.0.0.1:18001, 3 times." in error.message
    assert "HTTP 503 instead of 200" in error.message
    assert len(world.asked) == 3


def test_only_containers_that_are_new_are_asked(world: World) -> None:
    world.release(world.with_golden())
    world.release({**world.with_golden(), "db_config": "x = 2"})
    world.docker.containers[("demo-blue", "api")].state = "exited"
    assert world.release({**world.with_golden(), "db_config": "x = 2"})["kind"] == "repair"
    assert len(world.asked) == 1


def test_a_service_that_is_replaced_where_it_is_is_asked_too(world: World) -> None:
    published = [{"port": 9000}]
    world.release(world.with_golden(publish=published))
    world.release(world.with_golden(publish=published, environment={"N": "1"}))
    assert [spec.url for spec in world.asked] == ["http://127.0.0.1:18001/v1/read"] * 2
    world.answers = [WRONG]
    error = world.failing(world.with_golden(publish=published, environment={"N": "2"}))
    assert "was brought back and serves" in error.message


def test_each_new_replica_is_asked(world: World) -> None:
    stack = world.with_replicas(2)
    stack["services"]["api"]["health"]["golden"] = GOLDEN
    world.release(stack)
    more = world.with_replicas(3)
    more["services"]["api"]["health"]["golden"] = GOLDEN
    world.release(more)
    first, second, third = (spec.url for spec in world.asked)
    assert first == "http://127.0.0.1:18001/v1/read"
    assert len({first, second, third}) == 3


def test_another_request_alone_is_a_release_that_restarts_nothing(world: World) -> None:
    world.release(world.with_golden())
    other = world.with_golden()
    other["services"]["api"]["health"]["golden"] = {**GOLDEN, "json": {"text": "other"}}
    result = world.release(other)
    assert (result["kind"], result["moved"]) == ("release", {})
    assert not world.release(other)["changed"]


def test_a_header_takes_the_value_of_a_secret_and_does_not_tell_it(world: World) -> None:
    world.given = {"db_password": "canary-value"}
    stack = world.with_golden()
    login = {"Authorization": "Bearer {secret:db_password}"}
    stack["services"]["api"]["health"]["golden"] = {**GOLDEN, "headers": login}
    world.answers = [(200, b'{"text": "canary-value"}')]
    told = json.dumps(world.failing(stack).as_result())
    assert world.asked[0].headers["Authorization"] == "Bearer canary-value"
    assert "canary-value" not in told
    texts = [path.read_text() for path in (world.root / "failures").rglob("*") if path.is_file()]
    assert not any("canary-value" in text for text in texts)


@pytest.mark.parametrize("content", ["{", "[]", '{"path": "/"}', '{"path": "/", "status": [200], "timeout": "x"}'])
def test_a_request_that_cannot_be_read_is_refused_before_anything_is_touched(world: World, content: str) -> None:
    world.release()
    desired = world.desired

    def spoilt(stack: dict[str, object]) -> object:
        found = desired(stack)
        return replace(found, files={**found.files, "golden/api.json": content.encode()})

    world.desired = spoilt  # type: ignore[assignment,method-assign]  # what the host gets
    error = world.failing(world.with_api(image="api:2"))
    assert (error.kind, error.details["step"]) == ("invalid_stack", "check")
    assert "health.golden" in error.message
    assert world.serving()["api"] == "api:1"


@pytest.mark.parametrize("step", RELEASE_STEPS)
def test_a_release_with_a_golden_request_survives_a_kill_at_every_step(world: World, step: str) -> None:
    world.with_edge()
    world.release(world.with_golden())
    new = world.with_golden(image="api:2")
    die_at_step(world, step, new)
    world.release(new)
    consistent(world)
    assert not world.release(new)["changed"]
