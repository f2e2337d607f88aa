# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins for registries: read strictly, lent for a pull, and nowhere else."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.registry_auth import (
    Login,
    lent,
    on_loopback,
    parse_registries,
    registry_of,
)

from tests.unit.plugins.module_utils._release.fake_docker import KilledError
from tests.unit.plugins.module_utils._release.world import World

CANARY = "canary-Vq8wT2mZ"
AUTH = base64.b64encode(f"robot:{CANARY}".encode()).decode()
LOGINS = {"registry.example.org": Login("robot", CANARY)}
IMAGE = "registry.example.org/api:9"


@pytest.fixture(name="pulling")
def _pulling(world: World) -> World:
    """A stack that serves, and another image in a registry that wants a login."""
    world.release()
    world.docker.registry.add(IMAGE)
    return world


def everywhere(world: World) -> str:
    """What the host keeps and what was told."""
    texts = [path.read_text(errors="replace") for path in world.place.rglob("*") if path.is_file()]
    return "\n".join([*texts, json.dumps(world.result), json.dumps(world.docker.calls)])


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("redis:8", "docker.io"),
        ("library/redis:8", "docker.io"),
        ("index.docker.io/library/redis", "docker.io"),
        ("localhost/api:1", "localhost"),
        ("Registry.Example.org:5000/a/b@sha256:00", "registry.example.org:5000"),
    ],
)
def test_a_reference_names_its_registry(reference: str, registry: str) -> None:
    assert registry_of(reference) == registry


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        ("127.0.0.1:5000", True),
        ("localhost", True),
        ("[::1]:5000", True),
        ("127.0.0.1.example.org", False),
        ("registry.example.org:127", False),
        ("localhost.example.org:5000", False),
    ],
)
def test_only_a_registry_on_the_host_itself_may_go_without_tls(registry: str, expected: bool) -> None:
    assert on_loopback(registry) is expected


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("https://r.example.org", {"username": "a", "password": CANARY}, "without https://"),
        ("r.example.org/team", {"username": "a", "password": CANARY}, "without a path"),
        ("r.example.org", f"a:{CANARY}", "has to be a dictionary"),
        ("r.example.org", {"username": "a", "password": ""}, "registries[r.example.org].password"),
        ("r.example.org", {"username": "a", "password": f"{CANARY}\n"}, "text of one line"),
        ("r.example.org", {"username": f"a:{CANARY}", "password": "x"}, "must not contain a colon"),
        ("r.example.org", {"username": "a", "password": 5}, "registries[r.example.org].password"),
        ("r.example.org", {"username": "a", "passwd": CANARY, "password": "x"}, ".passwd: is not a known key"),
        ("r.example.org", {"password": CANARY}, "registries[r.example.org].username"),
    ],
)
def test_a_login_that_cannot_be_used_is_named_by_its_path_and_not_repeated(name: str, given: Any, words: str) -> None:
    with pytest.raises(DrydockError) as failure:
        parse_registries({name: given})
    assert failure.value.kind == "registries_invalid"
    assert words in failure.value.message
    assert CANARY not in json.dumps(failure.value.as_result())


def test_everything_that_is_wrong_with_the_logins_is_told_at_once() -> None:
    with pytest.raises(DrydockError) as failure:
        parse_registries({"a.example.org": None, "b.example.org": {}})
    assert len(failure.value.details["violations"]) == 3


def test_a_login_shows_no_password_where_it_is_printed() -> None:
    assert CANARY not in repr(LOGINS)


def test_a_login_is_lent_to_the_pull_of_its_registry_and_gone_afterwards(pulling: World) -> None:
    pulling.release(pulling.with_api(image=IMAGE), registries=LOGINS)
    assert pulling.serving()["api"] == IMAGE
    assert pulling.docker.lent
    assert all(config == {"auths": {"registry.example.org": {"auth": AUTH}}} for config in pulling.docker.lent)
    assert len(pulling.docker.said("pull", "--config")) == 1
    assert pulling.leftovers() == []
    assert CANARY not in everywhere(pulling)
    assert AUTH not in everywhere(pulling)


def test_an_image_of_another_registry_is_pulled_with_the_host_s_own_configuration(pulling: World) -> None:
    pulling.release(pulling.with_api(image="api:2"), registries=LOGINS)
    assert pulling.docker.lent == []
    assert len(pulling.docker.said("pull", "api:2")) == 1


def test_the_hub_s_login_is_lent_under_the_name_that_docker_looks_for(pulling: World) -> None:
    logins = parse_registries({"docker.io": {"username": "robot", "password": CANARY}})
    pulling.release(pulling.with_api(image="api:2"), registries=logins)
    assert list(pulling.docker.lent[0]["auths"]) == ["https://index.docker.io/v1/"]


def test_a_lent_login_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "auth"
    with lent(folder, LOGINS, [IMAGE, "redis:8"]) as config:
        assert config == {IMAGE: folder, "redis:8": None}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "config.json").stat().st_mode) == 0o600
    assert not folder.exists()


def test_a_refused_login_is_told_without_its_password_and_taken_back(pulling: World) -> None:
    pulling.docker.registry.discard(IMAGE)
    pulling.docker.pull_says = f"unauthorized: {AUTH} of robot with {CANARY}"
    error = pulling.failing(pulling.with_api(image=IMAGE), registries=LOGINS)
    assert error.kind == "registry_denied"
    assert "to the account that was given" in error.message
    assert CANARY not in json.dumps(error.as_result())
    assert AUTH not in json.dumps(error.as_result())
    assert pulling.leftovers() == []


def test_the_evidence_of_a_failed_release_holds_no_login(pulling: World) -> None:
    pulling.docker.sick = {IMAGE}
    pulling.docker.health_says = f"could not fetch with {CANARY}"
    error = pulling.failing(pulling.with_api(image=IMAGE), registries=LOGINS)
    assert "could not fetch" in error.message
    assert CANARY not in error.message
    assert CANARY not in everywhere(pulling)


def test_a_login_that_a_killed_run_left_is_removed_by_the_next_one(pulling: World) -> None:
    left = pulling.root / "state" / "registry-auth"

    def kill(step: str) -> None:
        if step == "images":
            left.mkdir()
            (left / "config.json").write_text(CANARY)
            raise KilledError

    with pytest.raises(KilledError):
        pulling.release(pulling.with_api(image="api:2"), on_step=kill)
    assert left.exists()
    pulling.release()
    assert not left.exists()
