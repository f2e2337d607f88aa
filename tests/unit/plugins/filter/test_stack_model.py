# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter as a playbook uses it: values of the templating engine in, plain values or one clear error out."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible_collections.drydock.serving.plugins.filter.stack_model import FilterModule, stack_model
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.trusted import fingerprint

from tests.unit.plugins.plugin_utils._stack.stacks import MODELS, STACK


def loaded(value: Any) -> Any:
    """The value as it comes from an inventory file, with the engine's tags where there are any."""
    import yaml  # noqa: PLC0415 - only to write it down

    return DataLoader().load(yaml.safe_dump(copy.deepcopy(value)))


def types_in(value: Any) -> set[type]:
    if isinstance(value, dict):
        return {type(value), *(kind for pair in value.items() for item in pair for kind in types_in(item))}
    if isinstance(value, list):
        return {type(value), *(kind for item in value for kind in types_in(item))}
    return {type(value)}


def test_the_filter_is_registered_under_its_name() -> None:
    assert FilterModule().filters()["stack_model"] is stack_model


def test_what_comes_from_inventory_files_becomes_plain_values() -> None:
    model = stack_model(loaded(STACK), models=loaded(MODELS), secrets=loaded({"postgres_password": "x"}))
    assert types_in(model) <= {dict, list, str, int, float, bool, type(None)}


def test_everything_wrong_is_one_error_with_a_line_each() -> None:
    spoiled = {**STACK, "nmae": 1, "domain": "?"}
    with pytest.raises(AnsibleFilterError) as caught:
        stack_model(spoiled, models=MODELS)
    assert "The stack has 2 problems; nothing was touched:" in str(caught.value)
    assert "\nstack.nmae: is not a known key" in str(caught.value)
    assert "\nstack.domain: " in str(caught.value)


def test_a_stack_that_is_not_there_is_said_so() -> None:
    with pytest.raises(AnsibleFilterError, match="is not set"):
        stack_model(None)


def test_a_host_is_given_in_bytes_and_processors() -> None:
    with pytest.raises(AnsibleFilterError, match=r"stack\.services\.\*\.resources\.memory"):
        stack_model(STACK, models=MODELS, host={"memory_bytes": "1g", "cpus": 4})
    with pytest.raises(AnsibleFilterError, match="memory_bytes"):
        stack_model(STACK, models=MODELS, host={"memory": 1})


def test_the_key_of_a_required_signature_is_looked_up_beside_the_inventory(tmp_path: Path) -> None:
    signature = {"required": True, "method": "key", "public_key": "ocr.pub"}
    wanted = {"ocr": {**MODELS["ocr"], "signature": signature}}
    place = tmp_path / "ocr.pub"
    place.write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    verified = {"state": "verified", "method": "key", "trusted": fingerprint(signature, tmp_path)}
    file = wanted["ocr"]["files"][0]
    locked = {path: file[path] for path in ("checksum", "size", "urls")}
    lock = {"ocr": {"version": wanted["ocr"]["version"], "files": {file["path"]: locked}, "signature": verified}}
    assert stack_model(STACK, models=wanted, lock=lock, base=str(tmp_path))["name"]
    place.write_text("-----BEGIN PUBLIC KEY-----\nBBBB\n-----END PUBLIC KEY-----\n")
    with pytest.raises(AnsibleFilterError, match=r"signature\.public_key: has other content"):
        stack_model(STACK, models=wanted, lock=lock, base=str(tmp_path))
    assert stack_model(STACK, models=wanted, lock=lock)["name"]


def test_values_of_secrets_are_not_taken_for_names() -> None:
    with pytest.raises(AnsibleFilterError, match="needs the names"):
        stack_model(STACK, models=MODELS, secrets="postgres_password")
