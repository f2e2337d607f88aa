# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded release read back from the host is what was released."""

from __future__ import annotations

import json

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.model import (
    MODEL,
    model_text,
    read_model,
    release_model,
)
from ansible_collections.drydock.serving.plugins.module_utils._release.restore import desired_from, wanted_from

from tests.unit.plugins.module_utils._release.world import ME, World


def layout(world: World) -> Layout:
    return Layout(root=world.root, secrets=world.secrets)


def test_a_release_wants_what_it_wanted(world: World) -> None:
    stack = world.with_worker(drain={"timeout": 7, "command": ["end"]})
    stack["release"] = {"keep_warm": True}
    world.release(stack)
    found, wanted = desired_from(layout(world), "r001"), world.desired(stack)
    assert found == wanted
    assert found.hash({}) == wanted.hash({})
    assert found.policy.keep_warm


def test_its_secrets_have_the_values_that_they_had(world: World) -> None:
    world.given = {"db_password": "old"}
    world.release()
    world.given = {"db_password": "new"}
    world.release()
    assert dict(wanted_from(layout(world), "r001").given) == {"db_password": "old"}
    assert dict(wanted_from(layout(world), "r002").given) == {"db_password": "new"}


def test_what_derives_from_a_secret_is_looked_at_and_not_given(world: World) -> None:
    world.stack["secrets"]["db_hash"] = {
        "derived_from": "db_password",
        "template": "{sha256}",
        "consumers": [{"service": "db", **ME}],
    }
    world.release()
    assert set(wanted_from(layout(world), "r001").given) == {"db_password"}
    copy = next(path for path in (world.secrets / "db").rglob("db_hash"))
    copy.unlink()
    with pytest.raises(DrydockError) as caught:
        wanted_from(layout(world), "r001")
    assert (caught.value.kind, caught.value.details["secrets"]) == ("secret_lost", ["db_hash"])


def test_no_secret_and_no_address_of_a_model_is_written_beside_a_release(world: World) -> None:
    world.given = {"db_password": "canary-Vq8wT2mZ"}
    world.stack["models"][0]["files"][0]["urls"] = ["https://user:canary-R7kd0pXe@origin.example.org/a"]
    world.release()
    text = (world.root / "current" / MODEL).read_text()
    assert "canary" not in text
    assert json.loads(text)["model"]["models"][0]["files"] == [{"path": "a", "checksum": "sha256:aa"}]


def test_a_model_that_was_changed_since_is_not_believed(world: World) -> None:
    folder = world.place
    assert read_model(folder) is None
    (folder / MODEL).write_bytes(model_text(release_model(world.stack)))
    assert read_model(folder) == release_model(world.stack)
    raw = json.loads((folder / MODEL).read_text())
    raw["model"]["services"]["api"]["image"] = "api:2"
    for text, kind in (
        (json.dumps(raw), "release_altered"),
        ("{", "release_altered"),
        ("[]", "release_altered"),
        (json.dumps({**raw, "schema": 99}), "state_unreadable"),
    ):
        (folder / MODEL).write_text(text)
        with pytest.raises(DrydockError) as caught:
            read_model(folder)
        assert caught.value.kind == kind
