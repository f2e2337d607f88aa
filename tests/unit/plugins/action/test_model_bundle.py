# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action's own part: what it reads of its options and how it sums up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.action.model_bundle import OPTIONS, _summary, _wish
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.modules import model_bundle
from ansible_collections.drydock.serving.plugins.plugin_utils._model_bundle import Outcome

GIVEN: dict[str, Any] = {
    "models": [],
    "lock": None,
    "dest": "/media/usb/models.tar",
    "cache": "/root/.cache/drydock/models",
    "headers": {"https://models.example.org": {"X-Number": 5}},
    "ca_path": None,
    "connections": 8,
}


def test_the_action_takes_what_the_documentation_names() -> None:
    documented = yaml.safe_load(model_bundle.DOCUMENTATION)["options"]
    assert {
        name: {key: option[key] for key in ("type", "default", "required", "elements") if key in option}
        for name, option in documented.items()
    } == {name: {key: value for key, value in option.items() if key != "no_log"} for name, option in OPTIONS.items()}


def test_headers_are_by_origin_and_their_values_are_text() -> None:
    wish = _wish(GIVEN)
    assert wish.headers == {"https://models.example.org": {"X-Number": "5"}}
    assert (wish.path, wish.lock) == (Path("/media/usb/models.tar"), {})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"dest": "models.tar"}, "dest: 'models.tar' is not an absolute path"),
        ({"cache": "cache"}, "cache: 'cache' is not an absolute path"),
        ({"connections": 0}, "connections: expected 1 to 64, found 0"),
        ({"headers": {"Authorization": "Bearer secret"}}, "Headers are given by origin"),
    ],
)
def test_what_is_wrong_is_told_and_no_secret_with_it(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(DrydockError) as caught:
        _wish({**GIVEN, **change})
    assert caught.value.kind == "invalid_input"
    assert problem in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("outcome", "check", "expected"),
    [
        (Outcome(changed=False, blobs=3, size=2_000_000), False, "/m.tar is as it should be: 3 blobs, 2.0 MB."),
        (
            Outcome(changed=True, blobs=3, size=2_000_000, missing=1_000_000),
            True,
            "/m.tar would be written: 3 blobs, 2.0 MB, 1.0 MB of it fetched.",
        ),
        (
            Outcome(changed=True, blobs=3, size=2_000_000, missing=9, fetched=10),
            False,
            "/m.tar was written: 3 blobs, 2.0 MB, 10 bytes of it fetched.",
        ),
    ],
)
def test_the_summary_says_what_was_or_would_be_done(outcome: Outcome, check: bool, expected: str) -> None:
    assert _summary(outcome, "/m.tar", check=check) == expected
