# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy as it is written, and exemptions from it."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._formats.inspect import judge
from ansible_collections.drydock.serving.plugins.module_utils._formats.policy import (
    EXEMPT,
    Exemption,
    Policy,
    check,
    parse_date,
    parse_policy,
)

DIGEST = "ab" * 32
GOOD = {"checksum": f"sha256:{DIGEST.upper()}", "reason": " converted next month ", "until": "2027-01-31"}
DAY = datetime.date(2027, 1, 31)


def test_a_policy_is_read() -> None:
    policy, problems = parse_policy("models[0]", formats=["gguf", "json"], exempt=[GOOD], minimum_size=10)
    assert problems == []
    assert policy == Policy(frozenset({"gguf", "json"}), {DIGEST: Exemption("converted next month", DAY)}, 10)


def test_nothing_given_allows_all_formats_and_exempts_nothing() -> None:
    assert parse_policy("m", formats=None, exempt=None, minimum_size=0) == (Policy(), [])
    assert Policy().allows("gguf")


@pytest.mark.parametrize(
    ("formats", "exempt", "problem"),
    [
        (["pickle"], [], "m.formats: 'pickle' is not a format; expected some of safetensors, gguf"),
        ([], [], "m.formats: is empty"),
        (None, ["sha256:ab"], "m.exempt[0]: expected a dictionary"),
        (None, [{**GOOD, "checksum": "ab"}], "m.exempt[0].checksum: expected 'sha256:' and 64"),
        (None, [{**GOOD, "reason": "  "}], "m.exempt[0].reason: is missing"),
        (None, [{**GOOD, "until": None}], "m.exempt[0].until: expected a day such as 2027-01-31, found ''"),
        (None, [{**GOOD, "until": "31.01.2027"}], "m.exempt[0].until: expected a day"),
        (None, [{**GOOD, "until": "2027-02-30"}], "m.exempt[0].until: expected a day"),
        (None, [GOOD, {**GOOD, "untill": "x"}], "m.exempt[1].untill: is not known"),
    ],
)
def test_a_malformed_policy_is_a_violation_with_its_place(formats: Any, exempt: Any, problem: str) -> None:
    _policy, problems = parse_policy("m", formats=formats, exempt=exempt)
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_a_day_may_come_as_yaml_makes_it() -> None:
    assert parse_date(DAY) == DAY
    assert parse_date(datetime.datetime(2027, 1, 31, 12, tzinfo=datetime.timezone.utc)) == DAY


def test_an_exemption_holds_up_to_its_last_day() -> None:
    policy = Policy(exempt={DIGEST: Exemption("needed", DAY)})
    assert check(policy, DIGEST, DAY) == Exemption("needed", DAY)
    assert check(policy, "cd" * 32, DAY) is None
    with pytest.raises(DrydockError, match=r"until 2027-01-31 \(needed\), and that day is over") as caught:
        check(policy, DIGEST, DAY + datetime.timedelta(days=1), name="model.pt")
    assert caught.value.kind == "format_refused"
    assert caught.value.message.startswith("model.pt: ")


def test_an_exempted_file_passes_whatever_it_is_but_not_when_it_is_empty(tmp_path: Path) -> None:
    content = b"cos\nsystem\n(S'id'\ntR."
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "m.pt").write_bytes(content)
    policy = Policy(exempt={digest: Exemption("needed", DAY)})
    assert judge(tmp_path / "m.pt", "m.pt", policy, sha256=digest, today=DAY) == EXEMPT
    with pytest.raises(DrydockError, match="found a pickle"):
        judge(tmp_path / "m.pt", "m.pt", Policy(), sha256=digest, today=DAY)
    with pytest.raises(DrydockError, match="at least 1000 are demanded"):
        judge(tmp_path / "m.pt", "m.pt", policy.at_least(1000), sha256=digest, today=DAY)


def test_the_larger_minimum_counts() -> None:
    assert Policy(minimum_size=5).at_least(9).minimum_size == 9
    assert Policy(minimum_size=5).at_least(3).minimum_size == 5
    assert Policy(minimum_size=5).at_least(None).minimum_size == 5
