# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the command ends: its exit status, and what it says on the way out, for people and for programs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._errors import DrydockError
from ansible_collections.drydock.serving.plugins.module_utils._release.layout import Layout
from ansible_collections.drydock.serving.plugins.module_utils._release.record import Journal
from ansible_collections.drydock.serving.plugins.module_utils._stack_command import main as module
from ansible_collections.drydock.serving.plugins.module_utils._stack_command.verb import Stack, Verb

Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Runs a verb ``try`` that ends as the test says."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*arguments: str, ends: BaseException) -> int:
        def verb(_arguments: argparse.Namespace, _stack: Stack) -> int:
            raise ends

        def options(parser: argparse.ArgumentParser) -> None:
            parser.add_argument("--json", action="store_true")

        monkeypatch.setattr(module, "all_verbs", lambda: {"try": Verb("tries", "", options, verb)})
        return module.main("demo", root=str(tmp_path), secrets="/s", version="1", argv=["try", *arguments])

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("ends", "kind"),
    [
        (DrydockError("locked", "Somebody is at work.", owner={"actor": "ann"}, at=Path("/x")), "locked"),
        (OSError(28, "No space left on device", "/opt/demo/state"), "host_failed"),
    ],
)
def test_whoever_asked_for_json_gets_json_also_for_a_failure(
    command: Command, capsys: pytest.CaptureFixture[str], ends: BaseException, kind: str
) -> None:
    assert command("--json", ends=ends) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["failure"]["kind"] == kind
    assert f"demo: {found['msg']}\n" == err


def test_a_person_gets_the_reason_and_nothing_on_standard_output(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(ends=DrydockError("locked", "Somebody is at work.")) == 1
    assert capsys.readouterr() == ("", "demo: Somebody is at work.\n")


@pytest.mark.parametrize("user", [0, 1000])
def test_whoever_is_not_root_is_told_to_become_root_where_only_root_may_look(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, user: int
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert command(ends=PermissionError(13, "Permission denied", "/opt/demo/state/gate.json")) == 1
    err = capsys.readouterr().err
    assert err.startswith("demo: /opt/demo/state/gate.json: Permission denied.")
    assert ("`sudo demo try …`" in err) is (user != 0)


def test_a_caller_that_has_closed_all_output_gets_the_exit_status(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)  # as Python has it then
    assert command("--json", ends=DrydockError("locked", "Somebody is at work.")) == 1
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


@pytest.mark.parametrize("half", [True, False])
def test_whoever_interrupts_is_told_whether_a_release_is_half_done(
    command: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, half: bool
) -> None:
    if half:
        layout = Layout(root=tmp_path, secrets=tmp_path / "s")
        layout.make()
        Journal(release="r002", step="up", previous="r001", hash="x").write(layout)
    assert command(ends=KeyboardInterrupt()) == 130
    err = capsys.readouterr().err
    assert err.startswith("\ndemo: interrupted.")
    assert ("half done" in err) is half
