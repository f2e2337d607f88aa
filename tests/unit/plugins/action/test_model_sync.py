# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller decides for model_sync without asking a host."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.action import model_sync
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._model_store.arguments import ARGUMENT_SPEC
from ansible_collections.drydock.serving.plugins.plugin_utils._job.report import Silent
from ansible_collections.drydock.serving.plugins.plugin_utils._job.watch import Died

HUB = [{"name": "m", "files": [{"urls": ["https://a.example.org/m", "hf://acme/m@1/m"]}]}]
WEB = [{"name": "m", "files": [{"urls": ["https://a.example.org/m?sig=1", "file:///m"]}]}]
REFUSED = {"failed": True, "failure": {"kind": "refused"}, "bytes_fetched": 7}
DONE = {"changed": True, "bytes_fetched": 5}


def test_the_defaults_are_those_of_the_module() -> None:
    assert ARGUMENT_SPEC["root"]["default"] == model_sync.ROOT
    assert ARGUMENT_SPEC["lock_timeout"]["default"] == model_sync.LOCK_TIMEOUT
    assert ARGUMENT_SPEC["reconnect_timeout"]["default"] == model_sync.RECONNECT_TIMEOUT


@pytest.mark.parametrize(
    ("models", "needed"),
    [
        (HUB, True),
        (WEB, False),
        ([], False),
        (None, False),
        ("x", False),
        ([1], False),
        ([{"files": [{}, None]}], False),
    ],
)
def test_only_addresses_that_hosts_do_not_know_are_made_on_the_controller(models: Any, needed: bool) -> None:
    assert model_sync._needs_controller(models) is needed


@pytest.mark.parametrize(("value", "meant"), [(None, True), ("no", False), (False, False), ("yes", True), ("x", False)])
def test_fetch_is_read_as_the_module_reads_it(value: Any, meant: bool) -> None:
    assert model_sync._true(value) is meant


@pytest.mark.parametrize(("value", "meant"), [(None, 9.0), (0, 0.0), ("2.5", 2.5), ("soon", 9.0), ([], 9.0)])
def test_what_is_no_number_of_seconds_is_left_for_the_module_to_refuse(value: Any, meant: float) -> None:
    assert model_sync._seconds(value, 9.0) == meant


def test_callbacks_get_the_arguments_without_secrets() -> None:
    shown = model_sync._without_secrets(
        {"models": WEB, "headers": {"https://a": {"X": "s3cret"}}, "seed": {}, "keep": 2}
    )
    assert shown == {
        "models": [{"name": "m", "files": [{"urls": ["https://a.example.org/m?********", "file:///m"]}]}],
        "headers": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER",
        "seed": {},
        "keep": 2,
    }


class Action(model_sync.ActionModule):
    """The loop around downloads, with downloads from a script: each takes so long, and ends so."""

    def __init__(self, script: list[tuple[float, dict[str, Any] | Exception]], monkeypatch: pytest.MonkeyPatch) -> None:
        self.script: Iterator[tuple[float, dict[str, Any] | Exception]] = iter(script)
        self.now, self.made = 0.0, 0
        self._task = SimpleNamespace(delegate_to=None)
        monkeypatch.setattr(model_sync, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _fetchable(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.made += 1
        return arguments

    def _watch(self, *_given: Any) -> dict[str, Any]:
        seconds, ends = next(self.script)
        self.now += seconds
        if isinstance(ends, Exception):
            raise ends
        return ends

    def fetch(self, models: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._fetch({"models": models}, {"inventory_hostname": "lab-1"}, Silent())
        return found


def test_a_signature_that_ran_out_in_the_middle_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    action = Action([(3600, REFUSED), (3600, REFUSED), (10, DONE)], monkeypatch)
    assert action.fetch(HUB) == {"changed": True, "bytes_fetched": 19}
    assert action.made == 3


FINAL: dict[str, tuple[Any, float, dict[str, Any]]] = {
    "refused at once": (HUB, 1, REFUSED),
    "refused before a byte came": (HUB, 3600, {**REFUSED, "bytes_fetched": 0}),
    "refused, and nothing was made here": (WEB, 3600, REFUSED),
    "another failure": (HUB, 3600, {**REFUSED, "failure": {"kind": "no_space"}}),
    "done": (HUB, 3600, DONE),
}


@pytest.mark.parametrize("case", FINAL)
def test_what_no_new_signature_would_mend_is_the_result(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models, seconds, ends = FINAL[case]
    action = Action([(seconds, ends)], monkeypatch)
    assert action.fetch(models) == ends


def test_a_download_that_dies_is_begun_again_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Action([(1, Died("x")), (1, Died("x")), (1, DONE)], monkeypatch).fetch(WEB) == DONE
    with pytest.raises(DrydockError, match="on lab-1 broke off 3 times; the last time its process is gone") as caught:
        Action([(1, Died("its process is gone"))] * 3, monkeypatch).fetch(WEB)
    assert caught.value.kind == "interrupted"


@pytest.mark.parametrize(("other", "shown"), [(None, "lab-1"), ("lab-1", "lab-1"), ("store-1", "lab-1 -> store-1")])
def test_a_task_that_is_delegated_names_both_hosts(
    other: str | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    action = Action([], monkeypatch)
    action._task.delegate_to = other
    assert action._host({"inventory_hostname": "lab-1"}) == shown
