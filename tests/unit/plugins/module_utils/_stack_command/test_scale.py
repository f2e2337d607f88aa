# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``scale`` on the host: what it takes, and what it says."""

from __future__ import annotations

import argparse
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._release.result import empty_result
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verbs.scale import VERB, report


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    VERB.arguments(parser)
    return parser.parse_args(words)


def said(*, check: bool = False, **result: Any) -> list[str]:
    return report("ocr", {**empty_result(), "release": "r2", **result}, check=check)


def test_several_services_are_scaled_at_once() -> None:
    assert dict(parsed("api=3", "big-worker=16", "--reason", "x").wanted) == {"api": 3, "big-worker": 16}


@pytest.mark.parametrize("word", ["api", "api=", "api=0", "api=17", "api=-1", "api=two", "=2", "Api=2", "api=1.5"])
def test_what_is_no_service_with_a_number_is_refused(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(word)
    assert ended.value.code == 2
    assert "expected SERVICE=N with a number from 1 to 16, as api=3" in capsys.readouterr().err


def test_nothing_to_do_is_said() -> None:
    assert said() == ["ocr: r2 has these numbers already; nothing changed."]


def test_what_was_done_is_said_with_what_the_next_run_will_do() -> None:
    lines = said(changed=True, kind="release", actions=["replicas api: 3 -> 1"], cut=["ocr-blue-api-3-1"])
    assert lines[:3] == [
        "ocr: r2 serves.",
        "  replicas api: 3 -> 1",
        "  ocr-blue-api-3-1 still had requests when its time to drain was over",
    ]
    assert "brings the inventory's numbers back" in lines[3]


def test_a_check_only_says_what_would_be_done() -> None:
    assert said(check=True, changed=True, kind="release", actions=["replicas api: 1 -> 3"]) == [
        "ocr: would be done:",
        "  replicas api: 1 -> 3",
    ]
