# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images: for this host, with room for them, remembered, and removed when nothing needs them any more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.images import parse_manifest, repository
from ansible_collections.drydock.serving.plugins.module_utils._release.prune import MOST_IMAGES
from ansible_collections.drydock.serving.plugins.module_utils._release.runner import Completed

from tests.unit.plugins.module_utils._release.fake_docker import Container
from tests.unit.plugins.module_utils._release.world import World

MIB = 1024 * 1024


def image_list(**digests: str) -> dict[str, Any]:
    """What a registry says of an image for several machines."""
    entries = [
        {"digest": digest, "size": 500, "platform": {"os": "linux", "architecture": architecture}}
        for architecture, digest in digests.items()
    ]
    attestation = {"digest": "sha256:at", "size": 9, "platform": {"os": "unknown", "architecture": "unknown"}}
    return {"schemaVersion": 2, "manifests": [*entries, attestation]}


def manifest(**layers: int) -> dict[str, Any]:
    return {"schemaVersion": 2, "layers": [{"digest": f"sha256:{name}", "size": size} for name, size in layers.items()]}


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("api", "api"),
        ("api:1", "api"),
        ("r.example.org:5000/team/api", "r.example.org:5000/team/api"),
        ("r.example.org:5000/team/api:1", "r.example.org:5000/team/api"),
        ("r.example.org:5000/team/api:1@sha256:00", "r.example.org:5000/team/api"),
    ],
)
def test_a_repository_is_a_reference_without_tag_and_digest(reference: str, expected: str) -> None:
    assert repository(reference) == expected


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"manifests": None, "layers": "x"},
        {"manifests": [1, {}, {"digest": "a"}, {"digest": "a", "platform": "linux"}], "layers": [None, {"size": 1}]},
        {"layers": [{"digest": "a", "size": "1"}]},
    ],
)
def test_an_answer_that_is_no_manifest_says_nothing(raw: dict[str, Any]) -> None:
    described = parse_manifest(raw)
    assert not described.platforms
    assert not described.layers


# -- for this host -----------------------------------------------------------------------------------------------------


def test_an_image_that_its_registry_offers_for_other_machines_only_is_refused_before_the_first_byte(
    world: World,
) -> None:
    world.release()
    world.docker.manifests["api:2"] = image_list(arm64="sha256:arm", s390x="sha256:s390")
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "image_architecture"
    assert "runs linux/amd64: api:2 is for linux/arm64, linux/s390x" in error.message
    assert error.details["found"] == {"api:2": "linux/arm64, linux/s390x"}
    assert world.docker.said("pull") == []
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.leftovers() == []
    assert not world.result["changed"]


def test_an_image_without_a_list_is_judged_after_the_pull_and_goes_again(world: World) -> None:
    world.release()
    world.docker.architectures["api:2"] = "arm64"
    error = world.failing(world.with_api(image="api:2"))
    assert error.kind == "image_architecture"
    assert "expected" in error.details
    assert "api:2" not in world.docker.images
    assert world.serving() == {"db": "db:1", "api": "api:1"}
    assert world.leftovers() == []
    world.docker.architectures.clear()  # pushed anew, for this host
    assert world.release(world.with_api(image="api:2"))["changed"]


def test_an_image_for_other_machines_that_was_on_the_host_before_is_refused_and_stays(world: World) -> None:
    world.docker.images.add("api:3")
    world.docker.architectures["api:3"] = "arm64"
    assert world.failing(world.with_api(image="api:3")).kind == "image_architecture"
    assert "api:3" in world.docker.images


@pytest.mark.parametrize("architecture", ["386", ""])
def test_an_image_that_the_engine_runs_too_or_that_does_not_say_is_not_refused(world: World, architecture: str) -> None:
    world.docker.architectures["api:1"] = architecture
    assert world.release()["changed"]


# -- room --------------------------------------------------------------------------------------------------------------


class Usage(NamedTuple):
    """What ``shutil.disk_usage`` returns."""

    total: int
    used: int
    free: int


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: Usage(total=free, used=0, free=free))


def test_room_for_an_image_s_layers_is_looked_for_before_it_is_pulled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.release()
    world.docker.manifests["api:2"] = image_list(arm64="sha256:arm", amd64="sha256:amd")
    world.docker.manifests["api@sha256:amd"] = manifest(a=100 * MIB, b=50 * MIB)
    with_free(monkeypatch, 400 * MIB)
    error = world.failing(world.with_api(image="api:2"), reserve=MIB)
    assert error.kind == "no_space"
    assert "layers of 150 MiB" in error.message
    assert error.details["needed"] == 601 * MIB
    assert world.docker.said("pull") == []
    with_free(monkeypatch, 601 * MIB)
    assert world.release(world.with_api(image="api:2"), reserve=MIB)["changed"]


def test_layers_that_an_earlier_image_brought_need_no_room_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.docker.registry |= {"api:2", "api:3"}
    world.docker.manifests["api:2"] = manifest(base=300 * MIB, top=MIB)
    world.docker.manifests["api:3"] = manifest(base=300 * MIB, other=2 * MIB)
    world.release(world.with_api(image="api:2"))
    with_free(monkeypatch, 9 * MIB)
    assert world.release(world.with_api(image="api:3"), reserve=MIB)["changed"]


def test_layers_of_an_image_that_somebody_has_removed_need_room_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.docker.registry |= {"api:2", "api:3"}
    world.docker.manifests["api:2"] = manifest(base=300 * MIB)
    world.docker.manifests["api:3"] = manifest(base=300 * MIB)
    world.release(world.with_api(image="api:2"))
    world.docker.images.discard("api:2")
    with_free(monkeypatch, 9 * MIB)
    assert world.failing(world.with_api(image="api:3"), reserve=MIB).kind == "no_space"


def test_a_registry_that_does_not_tell_in_time_is_asked_once_and_then_pulled_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.docker.registry |= {"r.example.org/a:1", "r.example.org/b:1"}
    asked = []
    run = world.docker.run

    def hanging(argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if "manifest" in argv:
            asked.append(argv[-1])
            raise DrydockError("timed_out", "did not end")
        return run(argv, timeout=timeout)

    monkeypatch.setattr(world.docker, "run", hanging)
    stack = world.with_api(image="r.example.org/a:1")
    stack["components"]["db"]["image"] = "r.example.org/b:1"
    assert world.release(stack)["changed"]
    assert asked == ["r.example.org/a:1"]


def test_a_repair_that_pulls_looks_for_room_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.docker.registry.add("api:1")
    world.release()
    del world.docker.containers[("demo-blue", "api")]
    world.docker.images.discard("api:1")
    with_free(monkeypatch, 0)
    assert world.failing().kind == "no_space"
    world.docker.images.add("api:1")
    assert world.release()["kind"] == "repair"


# -- what goes ---------------------------------------------------------------------------------------------------------


def releases(world: World, *images: str, keep: int = 1) -> None:
    """One release after the other, each with its image from the registry."""
    world.docker.registry |= set(images)
    for image in images:
        world.release(world.with_api(image=image), keep=keep)


def test_an_image_that_no_kept_release_needs_goes_and_is_told(world: World) -> None:
    releases(world, "api:2", "api:3", "api:4")
    assert world.result["pruned_images"] == ["api:2"]
    assert world.docker.images == {"db:1", "api:1", "api:3", "api:4"}


def test_the_images_of_the_running_and_of_the_previous_release_stay_whatever_is_to_be_kept(world: World) -> None:
    releases(world, "api:2", "api:3", keep=0)
    assert world.result["pruned_images"] == []
    assert {"api:2", "api:3"} <= world.docker.images


def test_an_image_that_the_stack_did_not_bring_stays(world: World) -> None:
    world.docker.images |= {"api:3", "theirs:1"}
    releases(world, "api:3", "api:4", "api:5", "api:6")
    assert world.result["pruned_images"] == ["api:4"]
    assert {"api:1", "api:3", "theirs:1"} <= world.docker.images


@pytest.mark.parametrize("state", ["running", "exited"])
def test_an_image_that_any_container_uses_stays(world: World, state: str) -> None:
    releases(world, "api:2")
    world.docker.containers[("theirs", "x")] = Container(image="api:2", hash="x", state=state, stack="")
    releases(world, "api:3", "api:4")
    assert world.result["pruned_images"] == []
    del world.docker.containers[("theirs", "x")]
    releases(world, "api:5")
    assert world.result["pruned_images"] == ["api:2", "api:3"]


def test_an_image_that_a_release_of_a_stack_beside_this_one_needs_stays(world: World) -> None:
    releases(world, "api:2")
    theirs = world.root.parent / "other" / "releases" / "r001"
    theirs.mkdir(parents=True)
    record = json.loads((world.root / "current" / "release.json").read_text())
    (theirs / "release.json").write_text(json.dumps(record))
    releases(world, "api:3", "api:4")
    assert world.result["pruned_images"] == []


def test_another_name_of_an_image_that_a_kept_release_needs_stays(world: World) -> None:
    releases(world, "api:2", "api:3")
    current = world.root / "releases" / world.current.identity / "release.json"
    record = json.loads(current.read_text())
    record["images"]["api"]["id"] = "sha256:api:2"
    current.write_text(json.dumps(record))
    releases(world, "api:4")
    assert world.result["pruned_images"] == []


def test_where_a_release_does_not_tell_what_it_needs_no_image_goes(world: World) -> None:
    releases(world, "api:2", "api:3")
    (world.root / "releases" / "r001" / "release.json").write_text("{")
    releases(world, "api:4", "api:5")
    assert world.result["pruned_images"] == []


def test_the_image_of_a_release_that_failed_goes_with_the_next_ones(world: World) -> None:
    world.release()
    world.docker.sick = {"api:2"}
    world.failing(world.with_api(image="api:2"))
    assert "api:2" in world.docker.images
    releases(world, "api:3")
    assert world.result["pruned_images"] == ["api:2"]


def test_an_engine_that_hangs_while_images_are_removed_does_not_fail_a_release(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases(world, "api:2", "api:3")
    run = world.docker.run

    def hanging(argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        if argv[1:3] == ["image", "rm"]:
            raise DrydockError("timed_out", "did not end")
        return run(argv, timeout=timeout)

    with monkeypatch.context() as patch:
        patch.setattr(world.docker, "run", hanging)
        releases(world, "api:4")
    assert world.result["pruned_images"] == []
    releases(world, "api:5")
    assert world.result["pruned_images"] == ["api:2", "api:3"]


def test_one_run_removes_a_bounded_number_of_images_and_the_next_goes_on(world: World) -> None:
    names = [f"api:{number}" for number in range(10, 10 + MOST_IMAGES + 4)]
    releases(world, *names, keep=50)
    releases(world, "api:2")
    assert len(world.result["pruned_images"]) == MOST_IMAGES
    releases(world, "api:3")
    assert len(world.result["pruned_images"]) > 1
    assert {name for name in names if name in world.docker.images} == set()


def test_a_list_of_images_that_cannot_be_read_removes_none(world: World) -> None:
    releases(world, "api:2", "api:3")
    (world.root / "state" / "images.json").write_text('{"images": [')
    releases(world, "api:4")
    assert world.result["pruned_images"] == []
    assert "api:2" in world.docker.images
