# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The thin layer between Ansible and the state of a stack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.drydock.serving.plugins.module_utils._release import info, verdict
from ansible_collections.drydock.serving.plugins.modules import release_info


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> dict[str, Any]:
    monkeypatch.setenv("PATH", "/nonexistent")  # no engine
    with patch_module_args(arguments), pytest.raises(SystemExit):
        release_info.main()
    return dict(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("check", [True, False])
def test_a_bare_host_is_told_and_nothing_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, check: bool
) -> None:
    result = run(capsys, monkeypatch, name="ocr", root=str(tmp_path / "none"), _ansible_check_mode=check, reserve=0)
    assert (result["changed"], result["release"], result["engine"]) == (False, None, "missing")
    assert [item["kind"] for item in result["problems"]] == ["not_released"]
    assert "failed" not in result
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_none_is_refused_with_every_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(capsys, monkeypatch, name="../etc")
    assert result["failure"]["kind"] == "invalid_input"
    assert result.keys() >= info.empty_result().keys()


def test_the_documentation_says_what_the_specification_does() -> None:
    documented = yaml.safe_load(release_info.DOCUMENTATION)["options"]
    assert {
        name: (option["type"], option.get("default"), option.get("required")) for name, option in documented.items()
    } == {
        name: (option["type"], option.get("default"), option.get("required"))
        for name, option in release_info.ARGUMENTS.items()
    }


def test_every_key_of_the_result_is_documented() -> None:
    documented = yaml.safe_load(release_info.RETURN)
    always = {name for name, value in documented.items() if value["returned"] == "always"}
    assert always == set(info.empty_result()) - {"changed"}


def test_every_kind_of_problem_is_documented() -> None:
    listed = " ".join(yaml.safe_load(release_info.RETURN)["problems"]["description"])
    kinds = set(re.findall(r"V\((\w+)\)", listed))
    source = "".join(Path(str(module.__file__)).read_text() for module in (info, verdict))
    told = set(re.findall(r'yield \(?\s*"(\w+)"', source)) | set(re.findall(r'\.add\(\s*"(\w+)"', source))
    assert told
    assert told <= kinds
