# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of hubs: public ones as they are, private ones by the address the hub itself makes."""

from __future__ import annotations

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.addresses import parse_hub_file
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.hub import Held, Hub
from ansible_collections.drydock.serving.plugins.plugin_utils._model_sources.web import Reply

from .scripted import Answer, Asked, World, reply

HUB = "https://hub.example.org"
TOKEN = "hf_c4n4ry"
FILE = "hf://acme/ocr@0123abc/deep/a%20b.onnx"
PLAIN = f"{HUB}/acme/ocr/resolve/0123abc/deep/a%20b.onnx"
STORED = "https://storage.example.org/x?X-Amz-Signature=s"


def private_as(then: Answer) -> Answer:
    def answer(asked: Asked) -> Reply:
        return then(asked) if asked.headers.get("authorization") == f"Bearer {TOKEN}" else reply(401)

    return answer


def private(then: Reply) -> Answer:
    return private_as(lambda _asked: then)


def resolve(
    world: World, *urls: str, token: str = TOKEN, given: dict[str, dict[str, str]] | None = None
) -> list[str | Held]:
    environ = {"HF_ENDPOINT": f"{HUB}/", "HF_TOKEN": token}
    hub = Hub(environ, ask=world.ask, given=given or {})
    return [hub.resolve(parse_hub_file(url)) for url in urls or (FILE,)]


def refusal(world: World) -> DrydockError:
    with pytest.raises(DrydockError) as caught:
        resolve(world)
    assert TOKEN not in caught.value.message
    assert "Signature" not in caught.value.message
    return caught.value


def test_without_a_token_nothing_is_asked() -> None:
    assert resolve(World(), token="") == [PLAIN]


def test_the_usual_hub_is_the_default() -> None:
    hub = Hub({}, ask=World().ask, given={})
    assert hub.resolve(parse_hub_file("hf://a/b@1/c")) == "https://huggingface.co/a/b/resolve/1/c"


def test_a_public_model_is_found_out_once_and_never_sees_the_token() -> None:
    world = World({HUB: lambda _asked: reply(302, location=STORED)})
    assert resolve(world, FILE, "hf://acme/ocr@0123abc/x") == [PLAIN, f"{HUB}/acme/ocr/resolve/0123abc/x"]
    assert len(world.asked) == 1
    assert world.saw(TOKEN) == set()


def test_a_private_file_is_where_the_hub_redirects_and_the_token_stays_with_the_hub() -> None:
    world = World({HUB: private(reply(302, location=STORED))})
    assert resolve(world) == [STORED]
    assert world.saw(TOKEN) == {HUB}
    assert all(item.method == "HEAD" for item in world.asked)


def test_a_private_model_is_found_out_once() -> None:
    world = World({HUB: private(reply(302, location=STORED))})
    assert resolve(world, FILE, "hf://acme/ocr@0123abc/x") == [STORED, STORED]
    assert ["authorization" in item.headers for item in world.asked] == [False, True, True]


def test_a_hub_that_is_out_of_order_is_not_taken_for_an_open_one() -> None:
    assert refusal(World({HUB: lambda _asked: reply(503)})).kind == "bad_response"


def test_a_renamed_model_is_followed_within_the_hub() -> None:
    def answer(asked: Asked) -> Reply:
        if "authorization" not in asked.headers:
            return reply(404)
        if asked.path.startswith("/acme/"):
            return reply(307, location="/acme2/ocr/resolve/0123abc/x")
        return reply(302, location=STORED)

    assert resolve(World({HUB: answer})) == [STORED]


def test_a_hub_that_redirects_in_a_circle_is_refused() -> None:
    assert refusal(World({HUB: private(reply(307, location="/x"))})).kind == "bad_response"


@pytest.mark.parametrize("there", ["http://storage.example.org/x", "file:///etc/passwd", "https://u:p@x/"])
def test_storage_that_is_not_https_is_refused(there: str) -> None:
    world = World({HUB: private(reply(302, location=there))})
    assert refusal(world).kind == "bad_response"
    assert world.saw(TOKEN) == {HUB}


def test_a_private_file_that_the_hub_serves_itself_is_read_by_the_controller_with_the_token() -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.startswith("/acme/ocr/"):
            return reply(307, location="/acme/ocr2/x")
        return reply(200, b"content" if asked.method == "GET" else b"")

    world = World({HUB: private_as(answer)})
    hub = Hub({"HF_ENDPOINT": HUB, "HF_TOKEN": TOKEN}, ask=world.ask, given={})
    held = hub.resolve(parse_hub_file(FILE))
    assert held == Held(f"{HUB}/acme/ocr2/x")
    assert isinstance(held, Held)
    assert hub.read(held, 7) == b"content"
    assert TOKEN not in repr(held)


@pytest.mark.parametrize("status", [302, 404, 416])
def test_what_does_not_come_when_it_is_read_is_named(status: int) -> None:
    hub = Hub({"HF_ENDPOINT": HUB, "HF_TOKEN": TOKEN}, ask=World({HUB: private(reply(status))}).ask, given={})
    with pytest.raises(DrydockError, match=f"answered {status}; expected the file"):
        hub.read(Held(PLAIN), 7)


def test_the_operators_own_header_leaves_the_address_as_it_is() -> None:
    assert resolve(World(), given={HUB: {"Authorization": "Bearer x"}}) == [PLAIN]


@pytest.mark.parametrize(("status", "kind"), [(403, "refused"), (404, "not_found"), (500, "bad_response")])
def test_other_answers_are_named(status: int, kind: str) -> None:
    assert refusal(World({HUB: private(reply(status))})).kind == kind
