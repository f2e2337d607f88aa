# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted state: what is read from the model, what restarts whom, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.desired import Health, parse_desired

from tests.unit.plugins.module_utils._release.world import World


def test_a_unit_s_variables_change_with_its_own_secrets_and_models_only(world: World) -> None:
    desired = world.desired(world.stack)
    one = desired.variables("blue", {"api": "v1", "db": "v1"})
    two = desired.variables("blue", {"api": "v1", "db": "v2"})
    assert one == two
    assert one != desired.variables("blue", {"api": "v2", "db": "v1"})
    assert set(one) == {"COLOUR", "NETWORK", "PORT_API", "SECRETS_API", "SECRETS_DIR_API", "MODELS_API"}


def test_a_colour_has_its_own_port_and_network(world: World) -> None:
    desired = world.desired(world.stack)
    blue, green = desired.variables("blue", {}), desired.variables("green", {})
    assert {key for key in blue if blue[key] != green[key]} == {"COLOUR", "NETWORK", "PORT_API"}


def test_configuration_lies_in_a_directory_named_by_its_content(world: World) -> None:
    one = world.desired({**world.stack, "db_config": "x"}).variables("base", {})["CONFIG_DB"]
    two = world.desired({**world.stack, "db_config": "y"}).variables("base", {})["CONFIG_DB"]
    again = world.desired({**world.stack, "db_config": "x"}).variables("base", {})["CONFIG_DB"]
    assert one == again != two
    assert one.startswith(f"{world.root}/config/db/")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "lack base/compose.yaml, services/compose.yaml"),
        ([{"dest": "/etc/passwd", "content": ""}], "not a path inside the release directory"),
        ([{"dest": "base/../../x", "content": ""}], "not a path inside the release directory"),
    ],
)
def test_files_that_do_not_fit_the_stack_are_refused(world: World, files: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(DrydockError, match=words) as failure:
        parse_desired(world.stack, files)
    assert failure.value.kind == "invalid_stack"


def test_a_dictionary_that_is_no_stack_model_is_refused_with_where_to_get_one() -> None:
    with pytest.raises(DrydockError, match=r"drydock\.serving\.stack_model"):
        parse_desired({"name": "x"}, [])


def test_a_start_may_take_its_start_period_and_all_its_retries() -> None:
    assert Health(start_period=60, retries=12, interval=5, timeout=3).budget == 120
    assert Health(start_period=60, retries=12, interval=5, timeout=10).budget == 180


def test_a_service_is_asked_on_the_loopback_only_where_it_has_a_path_and_a_port(world: World) -> None:
    (unit,) = world.desired(world.with_api(host_ports={"blue": 18000, "green": 18500}, health={"path": "/ready"})).of(
        "blue"
    )
    assert unit.url == "http://127.0.0.1:18000/ready"
    (unit,) = world.desired(world.with_api(host_ports=None, health={"path": "/ready"})).of("blue")
    assert unit.url is None
