# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lab import engine
from lab.checkout import Checkout
from lab.docker import Docker
from lab.engine import Process, names_program, start_time
from lab.errors import LabError


class Engine(Docker):
    """An engine that runs these containers and nothing else."""

    running: list[str] = []

    def lines(self, *args: str) -> list[str]:
        assert args == ("ps", "-q")
        return self.running


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_pid_file_of_another_program_is_stale(tmp_path: Path) -> None:
    (tmp_path / "docker.pid").write_text(f"{os.getpid()}\n")
    assert not names_program(tmp_path / "docker.pid", "dockerd")


@pytest.mark.parametrize("text", ["", "999999999", "not a number"])
def test_a_pid_file_that_names_no_process_is_stale(tmp_path: Path, text: str) -> None:
    (tmp_path / "docker.pid").write_text(text)
    assert not names_program(tmp_path / "docker.pid", "dockerd")


def test_a_later_process_with_the_same_number_is_not_taken_for_ours() -> None:
    assert Process(pid=os.getpid(), started=start_time(os.getpid())).alive()
    assert not Process(pid=os.getpid(), started="another boot:1").alive()


def test_an_engine_that_this_checkout_did_not_start_is_not_stopped(checkout: Checkout, monkeypatch: Any) -> None:
    monkeypatch.setattr(engine, "stop_process", lambda _process: pytest.fail("stopped"))
    engine.stop_if_ours(checkout, Engine())


def test_our_engine_stays_while_others_use_it(checkout: Checkout, monkeypatch: Any) -> None:
    engine.record_owner(checkout, {"by": "hand", "pid": os.getpid(), "started": "x"})
    monkeypatch.setattr(engine, "stop_process", lambda _process: pytest.fail("stopped"))
    monkeypatch.setattr(Engine, "running", ["somebody's"])
    engine.stop_if_ours(checkout, Engine())


def test_our_engine_is_stopped_when_nothing_runs_in_it(checkout: Checkout, monkeypatch: Any) -> None:
    stopped: list[Process] = []
    engine.record_owner(checkout, {"by": "hand", "pid": 4, "started": "x"})
    monkeypatch.setattr(engine, "stop_process", stopped.append)
    engine.stop_if_ours(checkout, Engine())
    assert stopped == [Process(pid=4, started="x")]
    assert not engine.owner_file(checkout).exists()


def test_without_an_engine_and_without_root_the_message_says_what_to_do(checkout: Checkout, monkeypatch: Any) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(Docker, "find", classmethod(lambda _cls: None))
    monkeypatch.setattr(engine, "root_prefix", lambda: None)
    with pytest.raises(LabError, match=r"Start Docker.*or run the command as root"):
        engine.ensure_engine(checkout)


def test_an_engine_elsewhere_that_does_not_answer_is_not_replaced(checkout: Checkout, monkeypatch: Any) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    monkeypatch.setattr(Docker, "find", classmethod(lambda _cls: None))
    with pytest.raises(LabError, match="unset DOCKER_HOST"):
        engine.ensure_engine(checkout)


def test_the_record_of_who_started_the_engine_is_plain_json(checkout: Checkout) -> None:
    engine.record_owner(checkout, {"by": "systemd"})
    assert json.loads(engine.owner_file(checkout).read_text()) == {"by": "systemd"}
