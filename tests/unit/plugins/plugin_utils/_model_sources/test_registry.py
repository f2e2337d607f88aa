# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry may see: its own tokens, its own login, and nothing of anybody else's."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.docker_login import Login
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.registry import Registry, parse_challenge
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Reply

from .scripted import Answer, Asked, World, reply

DIGEST = "sha256:" + "ab" * 32
OURS, TOKENS = "https://registry.example.org", "https://auth.example.org"
PASSWORD = "c4n4ry-password"
BASIC = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
LOGINS = {"registry.example.org": Login("ann", PASSWORD)}


def registry(token: str = "t1", realm: str = f"{TOKENS}/token", challenge: str | None = None) -> Answer:  # noqa: S107 - a token of the test
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") == f"Bearer {token}":
            return reply()
        words = challenge or f'Bearer realm="{realm}",service="reg",scope="repository:x:pull"'
        return reply(401, www_authenticate=words)

    return answer


def tokens(body: Any = None, status: int = 200) -> Answer:
    return lambda _asked: reply(status, {"token": "t1", "expires_in": 300} if body is None else body)


def ask(world: World, name: str = "registry.example.org", *repositories: str, **options: Any) -> Registry:
    made = Registry(name, ask=world.ask, login=LOGINS.get, given=options.pop("given", None))
    for repository in repositories or ("team/ocr",):
        made.ask("HEAD", repository, "blobs", DIGEST, body=False, **options)
    return made


def refusal(world: World, name: str = "registry.example.org", **options: Any) -> DrydockError:
    with pytest.raises(DrydockError) as caught:
        ask(world, name, **options)
    assert PASSWORD not in f"{caught.value.message}{caught.value.details}"
    return caught.value


def test_a_registry_that_wants_nothing_is_told_nothing() -> None:
    world = World({OURS: lambda _asked: reply()})
    assert ask(world).authorization == {}
    assert world.saw(BASIC) == set()
    assert [item.path for item in world.asked] == [f"/v2/team/ocr/blobs/{DIGEST}"]


def test_the_login_goes_to_the_token_service_that_the_registry_names_and_the_token_to_the_registry() -> None:
    world = World({OURS: registry(), TOKENS: tokens()})
    assert ask(world, hosts=True).authorization == {"Authorization": "Bearer t1"}
    assert world.saw(BASIC) == {TOKENS}
    question = next(item for item in world.asked if item.origin == TOKENS)
    assert question.query == {"service": ["reg"], "scope": ["repository:team/ocr:pull"]}


def test_one_token_serves_all_repositories_of_a_registry() -> None:
    def answer(asked: Asked) -> Reply:
        allowed = asked.headers.get("authorization", "").removeprefix("Bearer ").split("+")
        if asked.path.split("/")[2] in allowed:
            return reply()
        return reply(401, www_authenticate=f'Bearer realm="{TOKENS}/token"')

    def token(asked: Asked) -> Reply:
        return reply(200, {"token": "+".join(scope.split(":")[1] for scope in asked.query["scope"])})

    world = World({OURS: answer, TOKENS: token})
    assert ask(world, "registry.example.org", "a", "b").authorization == {"Authorization": "Bearer a+b"}


def test_a_registry_without_a_login_is_asked_for_an_anonymous_token() -> None:
    world = World({"https://other.example.org": registry(), TOKENS: tokens({"access_token": "t1"})})
    ask(world, "other.example.org")
    assert "authorization" not in world.asked[1].headers


def test_another_registry_cannot_draw_our_login_by_naming_our_token_service() -> None:
    world = World({"https://lying.example.org": registry(), TOKENS: tokens()})
    ask(world, "lying.example.org")
    assert world.saw(BASIC) == set()
    assert world.saw(PASSWORD) == set()


@pytest.mark.parametrize(
    "realm",
    ["http://auth.example.org/token", "//auth.example.org", "file:///etc/passwd", "", "https://u:p@auth.example.org/"],
)
def test_nothing_is_sent_to_a_token_service_that_is_not_https(realm: str) -> None:
    world = World({OURS: registry(realm=realm)})
    error = refusal(world)
    assert (error.kind, "not https" in error.message) == ("refused", True)
    assert len(world.asked) == 1


def test_an_identity_token_is_exchanged_by_post() -> None:
    world = World({OURS: registry(), TOKENS: tokens()})
    made = Registry("registry.example.org", ask=world.ask, login=lambda _name: Login("", identity_token=PASSWORD))
    made.ask("HEAD", "ocr", "blobs", DIGEST, hosts=True, body=False)
    question = world.asked[1]
    assert question.method == "POST"
    assert question.data is not None
    assert question.data["refresh_token"] == PASSWORD
    assert question.data["scope"] == "repository:ocr:pull"
    assert world.saw(PASSWORD) == {TOKENS}


def test_the_password_itself_is_used_when_locking_and_never_handed_to_hosts() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.headers.get("authorization") == BASIC:
            return reply()
        return reply(401, www_authenticate='Basic realm="x"')

    world = World({OURS: answer, "https://other.example.org": answer})
    ask(world)
    error = refusal(world, hosts=True)
    assert "hosts would have to hold the password" in error.message
    assert "docker login other.example.org" in refusal(world, "other.example.org").message


def test_the_operators_own_header_is_used_and_no_token_asked_for() -> None:
    world = World({OURS: registry("mine")})
    given = {"https://REGISTRY.example.org:443": {"authorization": "Bearer mine"}}
    assert ask(world, given={origin.lower().removesuffix(":443"): value for origin, value in given.items()}) is not None
    assert len(world.asked) == 1
    error = refusal(World({OURS: registry()}), given={OURS: {"authorization": "Bearer c4n4ry-password"}})
    assert error.kind == "refused"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_says_how_to_log_in(status: int) -> None:
    error = refusal(World({OURS: registry(), TOKENS: tokens(status=status)}))
    assert (error.kind, "docker login registry.example.org" in error.message) == ("refused", True)


@pytest.mark.parametrize("body", [b"<html>", {}, [], {"token": ""}, {"token": "a\r\nX: y"}, {"token": 5}])
def test_an_answer_without_a_token_is_refused(body: Any) -> None:
    assert refusal(World({OURS: registry(), TOKENS: tokens(body)})).kind == "bad_response"


@pytest.mark.parametrize(
    ("status", "kind"), [(403, "refused"), (404, "not_found"), (429, "unreachable"), (500, "bad_response")]
)
def test_other_answers_are_named(status: int, kind: str) -> None:
    assert refusal(World({OURS: lambda _asked: reply(status)})).kind == kind


def test_a_token_that_is_not_enough_is_refused() -> None:
    error = refusal(World({OURS: registry("another"), TOKENS: tokens()}))
    assert (error.kind, "refuses to show team/ocr" in error.message) == ("refused", True)


def test_docker_hub_answers_elsewhere_and_keeps_official_images_in_library() -> None:
    world = World({"https://registry-1.docker.io": lambda _asked: reply()})
    ask(world, "docker.io", "ocr")
    assert world.asked[0].path == f"/v2/library/ocr/blobs/{DIGEST}"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Bearer realm="https://a/t?x=1,2",service=s', ("bearer", {"realm": "https://a/t?x=1,2", "service": "s"})),
        ('Basic realm="b", Bearer realm="https://a"', ("bearer", {"realm": "https://a"})),
        ('bearer REALM = "https://a" , scope="a b"', ("bearer", {"realm": "https://a", "scope": "a b"})),
        ('Basic realm="x"', ("basic", {"realm": "x"})),
        ("Negotiate", ("", {})),
        ("", ("", {})),
    ],
)
def test_challenges_are_read(header: str, expected: tuple[str, dict[str, str]]) -> None:
    assert parse_challenge(header) == expected
