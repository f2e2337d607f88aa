# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action's own part: what it reads of its options and how it sums up."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.drydock.serving.plugins.action.model_lock import OPTIONS, _allowed, _context, _summary
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.modules import model_lock
from ansible_collections.drydock.serving.plugins.plugin_utils._model_lock.run import Outcome


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, None),
        ("true", None),
        ("yes", None),
        (False, frozenset()),
        ("false", frozenset()),
        (["ocr"], frozenset({"ocr"})),
        ([], frozenset()),
    ],
)
def test_other_bytes_are_allowed_for_all_for_none_or_for_names(value: Any, expected: frozenset[str] | None) -> None:
    assert _allowed(value) == expected


@pytest.mark.parametrize("value", ["ocr", None, 2, {"ocr": True}])
def test_anything_else_allows_nothing_and_is_told(value: Any) -> None:
    with pytest.raises(DrydockError, match="or a list of names"):
        _allowed(value)


def test_the_action_takes_what_the_documentation_names() -> None:
    documented = yaml.safe_load(model_lock.DOCUMENTATION)["options"]
    assert {
        name: {key: option[key] for key in ("type", "default", "required", "elements") if key in option}
        for name, option in documented.items()
    } == {name: {key: value for key, value in option.items() if key != "no_log"} for name, option in OPTIONS.items()}


def test_headers_are_by_origin_and_their_values_are_never_told() -> None:
    options: dict[str, Any] = {"headers": {"Authorization": "Bearer secret"}, "ca_path": None}
    with pytest.raises(DrydockError) as caught:
        _context(options, {})
    assert caught.value.kind == "invalid_input"
    assert "secret" not in caught.value.message
    options["headers"] = {"https://models.example.org": {"X-Number": 5}}
    context = _context(options, {"inventory_dir": "/inventory"})
    assert context.headers == {"https://models.example.org": {"X-Number": "5"}}
    assert str(context.base) == "/inventory"


@pytest.mark.parametrize(
    ("before", "after", "check", "expected"),
    [
        (b"a", b"a", False, "is as it should be"),
        (b"a", b"b", False, "was written in today's layout"),
        (b"a", b"b", True, "would be written in today's layout"),
    ],
)
def test_the_summary_says_what_was_or_would_be_done(before: bytes, after: bytes, check: bool, expected: str) -> None:
    outcome = Outcome(changes=[], warnings=[], before=before, after=after, models=1, files=2, size=3)
    assert expected in _summary(outcome, "models.lock.yml", check=check)
