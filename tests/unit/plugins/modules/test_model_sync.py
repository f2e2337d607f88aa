# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin layer between Ansible and the store: bounds, owners, secrets, documentation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.drydock.serving.plugins.doc_fragments import model_store
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store import arguments
from ansible_collections.drydock.serving.plugins.module_utils._model_store.report import empty_result
from ansible_collections.drydock.serving.plugins.modules import model_sync


def params(**changes: Any) -> dict[str, Any]:
    """What Ansible hands over when only the models are given."""
    defaults = {name: option.get("default") for name, option in arguments.ARGUMENT_SPEC.items()}
    return {**defaults, "models": [], **changes}


def test_the_defaults_are_within_bounds() -> None:
    assert arguments.bounds(params()) == []


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("root", "models", "not an absolute path"),
        ("root", "/", "root of the host"),
        ("root", "/usr/..", "root of the host"),
        ("keep", 0, "expected 1 or more"),
        ("stall_timeout", math.nan, "more than 0 seconds"),
        ("lock_timeout", math.nan, "0 or more"),
        ("lock_timeout", math.inf, "at most"),
        ("reserve", "9" * 400, "expected a size"),
        ("mode", "0644", "read bits only"),
        ("mode", "0044", "read bits only"),
        ("mode", "444x", "read bits only"),
        ("timeout", 0, "more than 0 seconds"),
        ("stall_timeout", -1, "more than 0 seconds"),
        ("retries", -1, "0 or more"),
        ("retry_delay", -1, "0 or more"),
        ("lock_timeout", -1, "0 or more"),
        ("reserve", "a lot", "expected a size"),
        ("bandwidth", "fast", "expected a size"),
        ("connections", 0, "expected 1 to 64"),
        ("connections", 65, "expected 1 to 64"),
        ("minimum_rate", -1, "0 or more"),
        ("total_timeout", -1, "0 or more"),
        ("releases", "releases", "not an absolute path"),
        ("bundle", "b.tar", "not an absolute path"),
        ("headers", {"https://a.example": {"Range": "x"}}, "leave it out"),
        ("headers", {"Authorization": "x"}, "by origin"),
    ],
)
def test_a_value_out_of_bounds_is_named(name: str, value: object, says: str) -> None:
    (problem,) = arguments.bounds(params(**{name: value}))
    assert problem.startswith(name)
    assert says in problem


def test_null_is_the_same_as_not_given() -> None:
    nulls = dict.fromkeys(set(arguments.ARGUMENT_SPEC) - {"models"})
    assert arguments.defaults_for_null({**nulls, "models": []}) == params()


@pytest.mark.parametrize("models", [None, [{"name": None, "version": None, "files": None}]])
def test_null_for_what_must_be_given_is_named(models: object) -> None:
    given = arguments.defaults_for_null({**params(), "models": models})
    assert arguments.secrets_of(given) == set()
    with pytest.raises(DrydockError) as caught:
        model_sync._sync(given, empty_result(), check=True)
    assert caught.value.kind == "invalid_input"
    assert "models" in caught.value.message


def test_an_owner_is_a_name_or_a_number() -> None:
    assert arguments.number_of("owner", "root", check=False) == 0
    assert arguments.number_of("group", "10001", check=False) == 10001


def test_an_owner_that_is_not_there_yet_only_matters_in_a_run() -> None:
    assert arguments.number_of("owner", "nobody-of-this-name", check=True) == -1
    with pytest.raises(DrydockError, match="there is no group 'nobody-of-this-name'"):
        arguments.number_of("group", "nobody-of-this-name", check=False)


def test_what_addresses_carry_in_secret_is_hidden_everywhere() -> None:
    urls = [
        "https://a.example/m?X-Signature=abc",
        "https://me:passw0rd@a.example/m",
        "https://a.example/m?v=1",
        "file:///m",
    ]
    found = arguments.secrets_of(params(models=[{"files": [{"urls": urls}]}]))
    assert found == {"X-Signature=abc", "me:passw0rd", "passw0rd"}


def test_nor_does_the_hosts_own_log_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, msg, log_args: logged.append(f"{msg} {log_args}"))
    url = "https://a.example/m?X-Signature=abc"
    with (
        patch_module_args({"models": [{"name": "m", "version": "1", "files": [{"path": "m", "urls": [url]}]}]}),
        pytest.raises(SystemExit),
    ):
        model_sync.main()  # refused, as there is no digest
    assert "a.example" in "".join(logged)
    assert "X-Signature=abc" not in "".join(logged)


def test_the_documentation_says_what_the_specification_does() -> None:
    documented = yaml.safe_load(model_store.ModuleDocFragment.DOCUMENTATION)["options"]
    assert list(documented) == list(arguments.ARGUMENT_SPEC)
    assert {name: option.get("default") for name, option in documented.items()} == {
        name: option.get("default") for name, option in arguments.ARGUMENT_SPEC.items()
    }


def test_every_key_of_the_result_is_documented() -> None:
    documented = yaml.safe_load(model_sync.RETURN)
    always = {name for name, value in documented.items() if value["returned"] == "always"}
    assert always == set(empty_result()) - {"changed"}
