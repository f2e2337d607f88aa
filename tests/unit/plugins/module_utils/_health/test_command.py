# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a container: its end, its output, and one that does not end."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from ansible_collections.drydock.serving.plugins.module_utils._health.command import (
    OUTPUT_LIMIT,
    DockerCommands,
    Output,
    judge,
)
from ansible_collections.drydock.serving.plugins.module_utils._health.target import CommandSpec

SPEC = CommandSpec(container="c", command=("check", "--all"))


def framed(text: bytes, stream: int = 1) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


class FakeEngine:
    """The SDK's client. Each start gives the next of what a command prints; None: it prints nothing and goes on."""

    def __init__(self, *prints: bytes | None, code: int = 0) -> None:
        self.prints = list(prints)
        self.code = code
        self.created: list[tuple[str, list[str]]] = []
        self.running = False
        self._other: list[socket.socket] = []

    def api(self) -> FakeEngine:
        return self

    def exec_create(self, container: str, command: list[str]) -> dict[str, str]:
        self.created.append((container, command))
        return {"Id": f"e{len(self.created)}"}

    def exec_start(self, _identity: str, *, socket: bool) -> Any:  # the SDK's own name
        ours, theirs = _pair()
        text = self.prints.pop(0)
        if text is None:
            self.running = True
            self._other.append(theirs)
        else:
            theirs.sendall(text)
            theirs.close()
        return ours

    def exec_inspect(self, _identity: str) -> dict[str, Any]:
        return {"Running": self.running, "ExitCode": None if self.running else self.code}

    def close(self) -> None:
        for one in self._other:
            one.close()


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


@pytest.mark.parametrize(
    ("spec", "code", "output", "ok", "words"),
    [
        (SPEC, 0, b"fine\n", True, "ended with exit code 0"),
        (SPEC, 2, b"no\troute\n", False, "ended with exit code 2 instead of 0; it printed: no route"),
        (SPEC, 2, b"", False, "ended with exit code 2 instead of 0; it printed: (nothing)"),
        (SPEC, None, b"half", False, "did not end within 5 s; it printed: half"),
        (CommandSpec("c", ("x",), exit_code=3), 3, b"", True, "ended with exit code 3"),
        (CommandSpec("c", ("x",), contains=("ok",)), 0, b"bad", False, "the output does not contain 'ok'"),
        (CommandSpec("c", ("x",), matches=("^ok$",)), 0, b"bad", False, "the output does not match '^ok$'"),
    ],
)
def test_an_end_is_judged(spec: CommandSpec, code: int | None, output: bytes, ok: bool, words: str) -> None:
    seen = judge(spec, code, output, within=5.0)
    assert seen.ok == ok
    assert seen.summary.startswith(words)


@pytest.mark.parametrize("step", [1, 3, 8, 1000])
def test_output_is_put_together_however_its_frames_are_cut(step: int) -> None:
    data = framed(b"out ") + framed(b"", 2) + framed(b"err", 2)
    output = Output()
    for at in range(0, len(data), step):
        output.feed(data[at : at + step])
    assert output.text == b"out err"


def test_of_endless_output_the_beginning_is_kept() -> None:
    output = Output()
    for _number in range(100):
        output.feed(framed(b"x" * 10000))
    assert len(output.text) == OUTPUT_LIMIT


def test_a_command_is_run_by_its_arguments() -> None:
    engine = FakeEngine(framed(b"fine"))
    assert DockerCommands(engine).probe(SPEC, 5.0).ok  # type: ignore[arg-type]  # all that is asked of a client
    assert engine.created == [("c", ["check", "--all"])]


def test_a_command_that_hangs_is_not_started_again_beside_itself() -> None:
    engine = FakeEngine(None, framed(b"fine"))
    commands = DockerCommands(engine)  # type: ignore[arg-type]  # as above
    assert "did not end" in commands.probe(SPEC, 0.01).summary
    assert "earlier attempt has still not ended" in commands.probe(SPEC, 0.01).summary
    assert "earlier attempt has still not ended" in commands.probe(SPEC, 0.01).summary
    assert len(engine.created) == 1
    engine.running = False
    assert commands.probe(SPEC, 5.0).ok
    assert len(engine.created) == 2
    engine.close()
