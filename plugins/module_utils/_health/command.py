# Copyright: (c) 2026, drydock.serving contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command in a running container: how it ended, and the beginning of what it printed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

from ansible_collections.drydock.serving.plugins.module_utils._health.docker_client import DockerClient, load_docker
from ansible_collections.drydock.serving.plugins.module_utils._health.predicates import excerpt, text_mismatches
from ansible_collections.drydock.serving.plugins.module_utils._health.target import CommandSpec, Observation

OUTPUT_LIMIT = 64 * 1024
ENDING = 0.02  # seconds between two questions whether a command that has closed its output has ended
_FRAME = 8  # bytes of the head before each piece of output: 1 stream, 3 zero, 4 the size


class Output:
    """What a command prints, out of the engine's frames; what is over the limit is read and dropped."""

    def __init__(self) -> None:
        self.text = b""
        self._head = b""
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Take what has come, which may end anywhere."""
        while data:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                self.text += piece[: OUTPUT_LIMIT - len(self.text)]
                continue
            missing = _FRAME - len(self._head)
            self._head, data = self._head + data[:missing], data[missing:]
            if len(self._head) == _FRAME:
                self._left, self._head = int.from_bytes(self._head[4:], "big"), b""


class DockerCommands:
    """Runs commands through the Docker SDK.

    The engine cannot end a command that it has started; one that hangs is not started again beside itself.
    """

    def __init__(self, client: DockerClient) -> None:
        self._client = client
        self._hanging: dict[CommandSpec, str] = {}
        self._lock = threading.Lock()

    def probe(self, spec: CommandSpec, timeout: float) -> Observation:
        """Run it once."""
        docker = load_docker()
        deadline = time.monotonic() + timeout
        try:
            return self._run(self._client.api(), spec, deadline=deadline, within=timeout)
        except docker.errors.NotFound:
            return Observation(ok=False, summary=f"there is no container {spec.container}")
        except docker.errors.APIError as error:
            return Observation(
                ok=False, summary=f"the engine cannot run it: {excerpt(str(error.explanation or error))}"
            )
        except (docker.errors.DockerException, OSError) as error:
            return Observation(ok=False, summary=f"the Docker engine does not answer: {excerpt(str(error))}")

    def _run(self, api: Any, spec: CommandSpec, *, deadline: float, within: float) -> Observation:
        with self._lock:
            before = self._hanging.pop(spec, None)
        if before is not None and api.exec_inspect(before)["Running"]:
            self._remember(spec, before)
            return Observation(ok=False, summary="the command of an earlier attempt has still not ended")
        identity = api.exec_create(spec.container, list(spec.command))["Id"]
        output, closed = _read(api.exec_start(identity, socket=True), deadline=deadline)
        code = _exit_code(api, identity, deadline=deadline) if closed else None
        if code is None:
            self._remember(spec, identity)
        return judge(spec, code, output, within=within)

    def _remember(self, spec: CommandSpec, identity: str) -> None:
        with self._lock:
            self._hanging[spec] = identity


def judge(spec: CommandSpec, code: int | None, output: bytes, *, within: float) -> Observation:
    """What an end means; ``code`` None: it did not end."""
    text = output.decode("utf-8", "replace")
    seen = excerpt(text) or "(nothing)"
    facts = {"exit_code": code, "output": seen}
    if code is None:
        return Observation(ok=False, summary=f"did not end within {within:g} s; it printed: {seen}", facts=facts)
    wrong = [] if code == spec.exit_code else [f"ended with exit code {code} instead of {spec.exit_code}"]
    wrong += text_mismatches(text, contains=spec.contains, matches=spec.matches, what="the output")
    if wrong:
        return Observation(ok=False, summary=f"{'; '.join(wrong)}; it printed: {seen}", facts=facts)
    return Observation(ok=True, summary=f"ended with exit code {code}", facts=facts)


def _read(stream: Any, *, deadline: float) -> tuple[bytes, bool]:
    """What was printed, and whether the command closed its output in time."""
    connection = getattr(stream, "_sock", stream)
    # The SDK hands out the bare socket; what came together with the engine's headers waits in the response's buffer.
    response = getattr(getattr(getattr(stream, "_response", None), "raw", None), "_fp", None)
    receive = getattr(getattr(response, "fp", None), "read1", None) or connection.recv
    output = Output()
    try:
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return output.text, False
            connection.settimeout(left)
            data = receive(16384)
            if not data:
                return output.text, True
            output.feed(data)
    except (TimeoutError, socket.timeout):  # two classes before Python 3.10
        return output.text, False
    finally:
        with contextlib.suppress(OSError):
            stream.close()


def _exit_code(api: Any, identity: str, *, deadline: float) -> int | None:
    """How it ended; the engine knows a moment after the output was closed, and a command may go on without one."""
    while True:
        state = api.exec_inspect(identity)
        if not state["Running"] and state["ExitCode"] is not None:
            return int(state["ExitCode"])
        if time.monotonic() >= deadline:
            return None
        time.sleep(ENDING)
