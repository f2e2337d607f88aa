# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin layer between Ansible and the facts of a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.drydock.serving.plugins.module_utils._model_store import info
from ansible_collections.drydock.serving.plugins.modules import model_info


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    with patch_module_args(arguments), pytest.raises(SystemExit):
        model_info.main()
    return dict(json.loads(capsys.readouterr().out))


def test_a_store_that_is_not_there_is_empty(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(capsys, root=str(tmp_path / "none"), scrub_budget="1GB")
    assert (result["changed"], result["sets"], result["blobs"]) == (False, [], {"count": 0, "bytes": 0})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"root": "models"}, "root: 'models' is not an absolute path"),
        ({"scrub_budget": "50 apples"}, "scrub_budget: expected a size"),
        ({"lock_timeout": -1}, "lock_timeout: expected 0 or more"),
    ],
)
def test_what_is_out_of_bounds_is_named(
    capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], says: str
) -> None:
    result = run(capsys, **arguments)
    assert says in result["msg"]
    assert result["failure"]["kind"] == "invalid_input"
    assert result.keys() >= info.empty_result().keys()


def test_null_is_the_same_as_not_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    result = run(capsys, root=str(tmp_path), scrub_budget=None, lock_timeout=None)
    assert "failure" not in result


def test_the_documentation_says_what_the_specification_does() -> None:
    documented = yaml.safe_load(model_info.DOCUMENTATION)["options"]
    assert {name: (option["type"], option.get("default")) for name, option in documented.items()} == {
        name: (option["type"], option.get("default")) for name, option in model_info.ARGUMENT_SPEC.items()
    }
    assert model_info.ARGUMENT_SPEC["lock_timeout"]["default"] == info.DEFAULT_LOCK_TIMEOUT


def test_every_key_of_the_result_is_documented() -> None:
    documented = yaml.safe_load(model_info.RETURN)
    always = {name for name, value in documented.items() if value["returned"] == "always"}
    assert always == set(info.empty_result()) - {"changed"}
    assert set(documented["scrub"]["contains"]) == set(info.empty_result()["scrub"])
