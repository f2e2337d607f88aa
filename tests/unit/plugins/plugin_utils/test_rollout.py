# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the hosts of a rollout stand."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.drydock.serving.plugins.filter.rollout import rollout

UNCHANGED = {"release": "r1", "changed": False, "kind": "none", "prepared": None}
WAITING = {"release": "r1", "changed": True, "kind": "release", "prepared": "r2"}
SWITCHED = {"release": "r2", "changed": True, "kind": "release", "prepared": None}
BROKEN = {"release": "r1", "failed": True, "msg": "api did not become healthy.\nThe last lines", "prepared": None}


def judged(**told: dict[str, Any] | None) -> dict[str, Any]:
    hostvars = {name: {"stack_released": item} if item is not None else {} for name, item in told.items()}
    return rollout(list(told), hostvars)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (UNCHANGED, "done"),
        (SWITCHED, "done"),
        (WAITING, "ready"),
        (BROKEN, "failed"),
        (None, "silent"),
        ({"unreachable": True, "msg": "no route"}, "silent"),
        ({"skipped": True}, "silent"),
        ({"failed": True, "msg": None}, "failed"),
    ],
)
def test_a_host_stands_where_its_release_says(told: dict[str, Any] | None, state: str) -> None:
    assert judged(one=told)[state] == ["one"]


def test_who_is_behind_and_why_is_told_in_the_order_of_the_hosts() -> None:
    found = judged(one=SWITCHED, two=None, three=BROKEN, four=UNCHANGED)
    assert (found["behind"], found["switched"]) == (["three", "two"], ["one"])
    assert found["cause"] == "three: api did not become healthy. The last lines"
    assert judged(one=SWITCHED, two=None)["cause"].startswith("two: no answer")
    assert judged(one=SWITCHED)["cause"] == ""


def test_the_table_has_a_line_for_each_host() -> None:
    assert judged(one=SWITCHED, three=WAITING, two=None)["table"] == [
        "one    r2                         changed",
        "three  r1                         r2 is ready and not switched",
        "two    unknown                    no answer: serves what it served, or what it was last told to",
    ]


def test_what_was_given_up_or_led_back_is_told_so() -> None:
    hostvars = {
        "one": {"stack_released": WAITING, "stack_given_up": {"changed": True}},
        "two": {"stack_released": WAITING, "stack_given_up": {"failed": True, "msg": "no disk"}},
        "three": {"stack_released": SWITCHED, "stack_went_back": {"release": "r3"}},
        "four": {"stack_released": SWITCHED, "stack_went_back": {"failed": True, "msg": "no images"}},
    }
    found = rollout(list(hostvars), hostvars)
    assert (found["ready"], found["failed"]) == (["one", "three"], ["two", "four"])
    assert [line.split(None, 2)[1:] for line in found["table"]] == [
        ["r1", "gave up r2"],
        ["r1", "could not give up r2: no disk"],
        ["r3", "went back from r2"],
        ["r2", "could not go back: no images"],
    ]


def test_a_way_back_is_told_with_what_was_left_and_in_check_mode_what_would_be() -> None:
    back = {**SWITCHED, "rolled_back_from": "r2", "rolled_back_to": "r1"}
    found = judged(one={**back, "release": "r3"}, two=back, three={**back, "changed": False, "release": "r1"})
    assert [line.split(None, 2)[1:] for line in found["table"]] == [
        ["r3", "r2 -> r1, as r3"],
        ["r2", "r2 -> r1 (would be)"],
        ["r1", "as it was"],
    ]
    assert found["switched"] == ["one", "two"]


def test_a_host_whose_probation_failed_is_behind_and_those_that_switched_are_told_apart() -> None:
    said = "The release r2 did not pass its probation: 5xx."
    failed = {**SWITCHED, "release": "r3", "failed": True, "msg": said, "failure": {"kind": "probation_failed"}}
    found = judged(one=SWITCHED, two=failed, three=UNCHANGED)
    assert (found["behind"], found["switched"]) == (["two"], ["one"])
    assert found["cause"] == "two: The release r2 did not pass its probation: 5xx."


def test_a_host_that_failed_when_its_release_was_proven_is_not_behind() -> None:
    unfinished = {"release": "r2", "previous": "r1", "kind": "release", "changed": True, "failed": True}
    told = {**unfinished, "msg": "no space", "failure": {"kind": "no_space", "step": "prune"}}
    found = judged(one=SWITCHED, two=told)
    assert (found["behind"], found["switched"], found["cause"]) == ([], ["one", "two"], "")
    assert found["table"][1] == "two  r2                         serves, but is not finished: no space"


@pytest.mark.parametrize("serves", ["r1", "r2", "r3"])
def test_a_host_whose_probation_failed_is_behind_whatever_serves_there(serves: str) -> None:
    told = {"release": serves, "previous": "r1", "kind": "release", "changed": True, "failed": True, "msg": "5xx"}
    found = judged(one={**told, "failure": {"kind": "probation_failed"}})
    assert (found["behind"], found["switched"]) == (["one"], [])


@pytest.mark.parametrize(
    "told",
    [
        {"failed": True, "msg": "x", "failure": {"kind": "interrupted"}, "release": None},
        {"failed": True, "msg": "Traceback"},
    ],
)
def test_of_a_run_that_broke_off_nobody_knows_what_serves(told: dict[str, Any]) -> None:
    assert judged(one=told)["table"][0].split()[1] == "unknown"


def test_a_host_that_was_lost_on_its_way_back_has_not_gone_back() -> None:
    lost = {"unreachable": True, "msg": "no route"}
    hostvars = {
        "one": {"stack_released": WAITING, "stack_given_up": lost},
        "two": {"stack_released": SWITCHED, "stack_went_back": lost},
    }
    found = rollout(list(hostvars), hostvars)
    assert found["failed"] == ["one", "two"]
    assert [line.split(None, 2)[1:] for line in found["table"]] == [
        ["r1", "could not give up r2: no route"],
        ["r2", "could not go back: no route"],
    ]


class Counted(dict[str, Any]):
    """As ``hostvars``, of which each look takes long."""

    looks = 0

    def __getitem__(self, name: str) -> Any:
        self.looks += 1
        return super().__getitem__(name)


def test_each_host_is_looked_at_once() -> None:
    hostvars = Counted(one={"stack_released": SWITCHED}, two={"stack_released": BROKEN})
    rollout(["one", "two"], hostvars)
    assert hostvars.looks == 2


def test_a_long_message_is_cut_and_a_host_that_ansible_does_not_know_is_silent() -> None:
    found = rollout(["one", "two"], {"one": {"stack_released": {**BROKEN, "msg": "x" * 500}}})
    assert len(found["table"][0]) < 220
    assert found["silent"] == ["two"]


@pytest.mark.parametrize("names", ["one", {"one": 1}, 5])
def test_names_that_are_no_list_are_refused(names: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="expects a list"):
        rollout(names, {})
