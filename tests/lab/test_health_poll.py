# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""health_poll against the lab's PostgreSQL and Redis, and the containers that they run in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.checkout import this_checkout
from lab.docker import Docker
from lab.engine import ensure_engine
from lab.images import base_image
from lab.service_images import Definition, ensure_image
from tests.integration.health_targets import health_poll

pytestmark = pytest.mark.lab

SMALL = ("--memory=256m", "--network=bridge")
Start = Callable[..., str]


@pytest.fixture(scope="module", name="docker")
def _docker(lab: None) -> Docker:
    return ensure_engine(this_checkout())


@pytest.fixture(scope="module", name="start")
def _start(docker: Docker) -> Iterator[Start]:
    """Starts a container of one of the lab's images; gives its identifier."""
    checkout, made = this_checkout(), []

    def start(image: str, *command: str, options: tuple[str, ...] = ()) -> str:
        ensure_image(checkout, docker, image)
        name = f"drydock-lab/{image}:{Definition.load(checkout, image).digest(base_image(checkout, docker))}"
        label = f"--label={checkout.label}"
        made.append(docker("run", "--detach", label, *SMALL, *options, name, *command).stdout.strip())
        return made[-1]

    yield start
    docker("rm", "--force", "--volumes", *made)


@pytest.fixture(scope="module", name="databases")
def _databases(docker: Docker, start: Start) -> dict[str, Any]:
    """One of each with a password, by container and port."""
    secret = "--env=POSTGRES_PASSWORD=canary"
    postgres = start("postgres", options=("--publish=127.0.0.1::5432", secret, "--env=POSTGRES_USER=ocr"))
    redis = start("redis", "redis-server", "--requirepass", "canary", options=("--publish=127.0.0.1::6379",))
    shut = start("redis", options=("--publish=127.0.0.1::6379",))  # without a password it speaks to itself alone
    trusting = start("redis", "redis-server", "--protected-mode", "no", options=("--publish=127.0.0.1::6379",))

    def port(container: str, inner: int) -> int:
        return int(docker.lines("port", container, f"{inner}/tcp")[0].rpartition(":")[2])

    return {
        "postgres": {"container": postgres, "port": port(postgres, 5432)},
        "redis": {"container": redis, "port": port(redis, 6379)},
        "shut": {"container": shut, "port": port(shut, 6379)},
        "trusting": {"container": trusting, "port": port(trusting, 6379)},
    }


def test_databases_are_waited_for_until_they_take_clients(databases: dict[str, Any]) -> None:
    result = health_poll(
        {"name": "postgres", "type": "postgres", "port": databases["postgres"]["port"], "user": "ocr"},
        {"name": "redis", "type": "redis", "port": databases["redis"]["port"]},
        {"name": "trusting", "type": "redis", "port": databases["trusting"]["port"], "successes": 2},
        timeout=40,
    )
    assert [target["ok"] for target in result["targets"]] == [True, True, True], result.get("msg")
    said = [target["last"]["summary"].partition(": ")[2] for target in result["targets"]]
    assert said == ["up, asks who logs in", "up, asks for a password", "up"]
    assert result["targets"][1]["last"]["code"] == "NOAUTH"


def test_a_redis_that_speaks_to_itself_alone_is_no_use_to_others(databases: dict[str, Any]) -> None:
    result = health_poll({"name": "shut", "type": "redis", "port": databases["shut"]["port"]}, timeout=3)
    assert "refuses (DENIED Redis is running in protected mode" in result["msg"]


def test_one_protocol_is_not_taken_for_another(databases: dict[str, Any]) -> None:
    result = health_poll(
        {"name": "a", "type": "redis", "port": databases["postgres"]["port"]},
        {"name": "b", "type": "postgres", "port": databases["redis"]["port"]},
        {"name": "c", "type": "grpc", "port": databases["postgres"]["port"]},
        timeout=1,
    )
    assert "3 of 3 health targets" in result["msg"]


def test_a_command_in_a_container_is_judged_by_its_end_and_its_output(databases: dict[str, Any]) -> None:
    one = {"type": "command", "container": databases["postgres"]["container"]}
    result = health_poll(
        {**one, "name": "ready", "command": ["pg_isready", "--timeout=5"], "contains": ["accepting connections"]},
        {**one, "name": "no shell", "command": ["echo", "$HOME; false"], "contains": ["$HOME; false"]},
        {**one, "name": "error", "command": ["sh", "-c", "echo oops >&2; exit 3"]},
        {**one, "name": "absent", "command": ["no-such-program"]},
        {**one, "name": "endless", "command": ["yes"], "timeout": 0.5},
        {"type": "command", "name": "nowhere", "container": "drydock-no-such", "command": ["true"]},
        timeout=8,
        interval=3,
    )
    by_name = {target["name"]: target for target in result["targets"]}
    assert [by_name[name]["ok"] for name in ("ready", "no shell")] == [True, True], result["msg"]
    assert "error: ended with exit code 3 instead of 0; it printed: oops" in result["msg"]
    assert "not" in by_name["absent"]["last"]["summary"]
    assert "there is no container drydock-no-such" in result["msg"]
    assert "did not end within 0.5 s" in str([change["summary"] for change in result["timeline"]])


def test_a_container_that_needs_more_memory_than_it_has_ends_the_wait(start: Start) -> None:
    greedy = start("postgres", "tail", "/dev/zero", options=("--entrypoint=", "--restart=on-failure"))
    result = health_poll(
        {"name": "greedy", "type": "container", "container": greedy, "phase": "process", "successes": 50},
        {"name": "port", "type": "tcp", "port": 1, "phase": "port"},
        timeout=60,
    )
    assert "cannot become healthy" in result["msg"]
    assert "not looked at, as an earlier phase was not passed: port" in result["msg"]
    assert result["elapsed"] < 50
